"""Run dialctl with `python -m dialgateway.dialctl`."""

import sys

from dialgateway.dialctl import main

sys.exit(main())
