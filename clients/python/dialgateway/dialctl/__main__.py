"""Runs dialctl as `python -m dialgateway.dialctl`."""

import sys

from dialgateway.dialctl import main

sys.exit(main())
