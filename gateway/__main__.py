"""`python -m gateway` is `dial-gateway`."""

import sys

from gateway.entry import main

sys.exit(main())
