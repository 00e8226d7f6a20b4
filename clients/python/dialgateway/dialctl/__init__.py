"""dialctl, the command line of the dial gateway.

Files, in the order in which a list passes through them:

arguments.py       the commands              send_arguments.py   arguments of `send` and `check`
channel_arguments.py    the channel of a list
connection_options.py   which gateway             connections_file.py   the named connections
connection.py      its address, and TLS
output_format.py   `-o text|wide|json`
decoding.py        bytes to text             csv_records.py, xlsx_records.py   text to records (records.py)
column_layout.py   what each column is       phone_numbers.py    numbers to E.164
leads.py           records to leads          lead_list.py        a whole list
check.py           `dialctl check`           rules_check.py      what the gateway would do with each lead
send.py            `dialctl send`
previous_runs.py   what is sent again        results_file.py     the results
async_reading.py   leads without blocking    campaign_sender.py  the stream of one campaign
spool.py           its queue on disk         outstanding_limit.py   how many of its leads are outstanding
handover_log.py    leads handed over         log_files.py        helpers for files of lines
progress.py        the progress bar          not_flowing.py      campaigns that take no leads
summary.py         the summary at the end    terminal.py         output to a terminal or a pipe

campaign_commands.py    `dialctl campaigns`, `watch`, `hold`, `release`, `purge`
campaign_arguments.py   their arguments
campaign_table.py       campaigns as plain text
campaign_screen.py      campaigns on a terminal, by Rich

number_commands.py      `dialctl suppress`, `allow`
suppressions_command.py `dialctl suppressions`
number_arguments.py     their arguments
audit_command.py        `dialctl audit`         audit_arguments.py   its arguments
audit_files.py          files of audit trails   audit_hashes.py      their hashes

connections_command.py  `dialctl connections`   completion.py       `dialctl completion`
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.audit_arguments import AuditArguments
from dialgateway.dialctl.campaign_arguments import CampaignArguments
from dialgateway.dialctl.completion import CompletionArguments, print_completion
from dialgateway.dialctl.connections_command import ConnectionsArguments, print_connections
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.number_arguments import NumberArguments, SuppressionsArguments
from dialgateway.dialctl.send_arguments import CheckArguments
from dialgateway.dialctl.terminal import accept_all_characters, open_standard_files, write_lines

USAGE, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. For wrong arguments argparse exits with code 2."""
    open_standard_files()
    accept_all_characters()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except UnusableFile as error:
        write_lines(sys.stderr, *f"dialctl: {error}".split("\n"))
        return USAGE
    except OSError as error:
        write_lines(sys.stderr, f"dialctl: {error.filename or 'input or output'}: {error.strerror}")
        return USAGE
    except KeyboardInterrupt:
        # The second Ctrl-C. The first one ends the command normally, with a complete results file.
        write_lines(sys.stderr, "", "dialctl: interrupted")
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    # Imported here: each command imports only what it needs.
    if isinstance(arguments, CheckArguments):
        from dialgateway.dialctl.check import check

        return check(arguments)
    if isinstance(arguments, AuditArguments):
        from dialgateway.dialctl.audit_command import audit

        return audit(arguments)
    if isinstance(arguments, CompletionArguments):
        return print_completion(arguments)
    if isinstance(arguments, ConnectionsArguments):
        return print_connections(arguments)
    if isinstance(arguments, CampaignArguments):
        from dialgateway.dialctl.campaign_commands import run_campaign_command

        return asyncio.run(run_campaign_command(arguments))
    if isinstance(arguments, NumberArguments):
        from dialgateway.dialctl.number_commands import run_number_command

        return asyncio.run(run_number_command(arguments))
    if isinstance(arguments, SuppressionsArguments):
        from dialgateway.dialctl.suppressions_command import run_suppressions

        return asyncio.run(run_suppressions(arguments))
    from dialgateway.dialctl.send import send

    return asyncio.run(send(arguments))
