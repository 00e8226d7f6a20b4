"""`python -m gateway` is `dial-gateway`."""

import sys

from gateway.cli import main

sys.exit(main())
