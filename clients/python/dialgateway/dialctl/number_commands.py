"""The commands `dialctl suppress` and `allow`."""

from __future__ import annotations

import sys

from dialgateway.client import DialGatewayClient
from dialgateway.compliance import NumberAllowed, NumberSuppressed, SuppressionLifetime
from dialgateway.dialctl.campaign_table import confirmation_texts
from dialgateway.dialctl.gateway_command import DONE, NOT_DONE, run_with_client, write_error
from dialgateway.dialctl.number_arguments import NumberArguments
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.terminal import write_lines

_LIFETIMES = {
    SuppressionLifetime.PROCESS: (
        "the suppression ends with the process of this gateway: add the number to a list of the guard file, "
        "on all gateways"
    ),
    SuppressionLifetime.FILE: "the suppression applies to this gateway only: suppress the number on each",
}
"""What remains to be done after a suppression."""


async def run_number_command(arguments: NumberArguments) -> int:
    """Run one command and return its exit code. Raises UnusableFile and OSError."""
    command = _suppress if arguments.command == "suppress" else _allow
    return await run_with_client(arguments.gateway, lambda client: command(client, arguments))


async def _suppress(client: DialGatewayClient, arguments: NumberArguments) -> int:
    done = await client.suppress_number(arguments.phone_number, arguments.reason)
    already = ", as it was before" if done.already_suppressed else ""
    code = _done(done, arguments, f"the number is suppressed{already}")
    if done.lifetime in _LIFETIMES:
        write_error(_LIFETIMES[done.lifetime])
    return code


async def _allow(client: DialGatewayClient, arguments: NumberArguments) -> int:
    done = await client.allow_number(arguments.phone_number, arguments.reason)
    return _done(done, arguments, "the number is allowed again, unless a list of the guard file has it")


def _done(done: NumberSuppressed | NumberAllowed, arguments: NumberArguments, text: str) -> int:
    """Print what came of a command, and which replicas have done it; return the exit code."""
    confirmed, problem = confirmation_texts(done.confirmation)
    if arguments.output is OutputFormat.JSON:
        print_json({"action": arguments.command.upper(), **fields_json(done)})
    else:
        lines = [text, *([confirmed] if confirmed else [])]
        if arguments.output is OutputFormat.WIDE:
            lines.append(f"hash of the number: {done.number_hash}")
        write_lines(sys.stdout, *lines)
    if problem:
        write_error(problem)
    return NOT_DONE if problem else DONE
