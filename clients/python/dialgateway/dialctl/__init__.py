"""dialctl, the command line of the dial gateway.

One file per job:

arguments.py  what may be typed           leads.py     a CSV file to dial requests and bad rows
send.py       `dialctl send`, in order    lanes.py     one stream per campaign, fed from one file
connection.py where the gateway is, and TLS
results.py    the results, and resuming   progress.py  the bar            summary.py  the last words

steer.py      `dialctl campaigns`, `watch`, `hold`, `release`, `purge`; steer_arguments.py  what may be typed
tables.py     campaigns as a table, safe for a terminal
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.leads import UnusableFile
from dialgateway.dialctl.send import INTERRUPTED, USAGE, send
from dialgateway.dialctl.steer import steer
from dialgateway.dialctl.steer_arguments import SteerArguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself leaves with 2 on wrong arguments."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        work = steer(arguments) if isinstance(arguments, SteerArguments) else send(arguments)
        return asyncio.run(work)
    except UnusableFile as error:
        sys.stderr.write(f"dialctl: {error}\n")
        return USAGE
    except OSError as error:
        sys.stderr.write(f"dialctl: {error.filename or 'input or output'}: {error.strerror}\n")
        return USAGE
    except KeyboardInterrupt:
        # The second Ctrl-C: the first ends the command in order, with its results file complete.
        sys.stderr.write("\ndialctl: interrupted\n")
        return INTERRUPTED
