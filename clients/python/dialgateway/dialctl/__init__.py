"""dialctl, the command line of the dial gateway.

One file per job, in the order in which a list passes through them:

arguments.py       the commands              send_arguments.py   what `send` and `check` take
connection.py      where the gateway is, and TLS
decoding.py        bytes to text             csv_records.py, xlsx_records.py   text to records (records.py)
layout.py          what each column is       phone_numbers.py     numbers to E.164
leads.py           records to leads          lists.py             a list as a whole
check.py           `dialctl check`           send.py              `dialctl send`, in order
earlier.py         what earlier runs left    results_file.py      the results
lanes.py           one stream per campaign   pace.py, spool.py    how much of it, and where the rest waits
under_way.py       what is handed over       appended.py         files that grow, and their locks
progress.py        the bar                   conditions.py       campaigns that wait
summary.py         the last words            screen.py           lines on the terminal

steer.py           `dialctl campaigns`, `watch`, `hold`, `release`, `purge`
steer_arguments.py what they take
tables.py          campaigns as a table, safe for a terminal
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.screen import accept_all_characters, tell
from dialgateway.dialctl.send_arguments import CheckArguments
from dialgateway.dialctl.steer_arguments import SteerArguments

USAGE, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself leaves with 2 on wrong arguments."""
    accept_all_characters()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except UnusableFile as error:
        tell(sys.stderr, *f"dialctl: {error}".split("\n"))
        return USAGE
    except OSError as error:
        tell(sys.stderr, f"dialctl: {error.filename or 'input or output'}: {error.strerror}")
        return USAGE
    except KeyboardInterrupt:
        # The second Ctrl-C: the first ends the command in order, with its results file complete.
        tell(sys.stderr, "", "dialctl: interrupted")
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    # Imported here: `check` needs no gRPC, which takes a third of a second and 20 MB.
    if isinstance(arguments, CheckArguments):
        from dialgateway.dialctl.check import check

        return check(arguments)
    from dialgateway.dialctl.send import send
    from dialgateway.dialctl.steer import steer

    work = steer(arguments) if isinstance(arguments, SteerArguments) else send(arguments)
    return asyncio.run(work)
