"""The commands `dialctl suppress` and `allow`."""

from __future__ import annotations

import asyncio
import sys

from dialgateway.client import DialGatewayClient
from dialgateway.compliance import NumberAllowed, NumberSuppressed, SuppressionLifetime
from dialgateway.dialctl.campaign_commands import DONE, NOT_DONE, UNREACHABLE
from dialgateway.dialctl.campaign_table import reach
from dialgateway.dialctl.number_arguments import NumberArguments
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.send import INTERRUPTED
from dialgateway.dialctl.terminal import tell, unambiguous
from dialgateway.errors import CallFailed, GatewayUnavailable

_LIFETIMES = {
    SuppressionLifetime.PROCESS: (
        "it ends with the process of this gateway: add the number to the file of a list of the guard file, "
        "on all gateways"
    ),
    SuppressionLifetime.FILE: "it applies to this gateway only: suppress the number on each",
}
"""What remains to be done after a suppression."""


async def run_number_command(arguments: NumberArguments) -> int:
    """Run one command and return its exit code. Raises UnusableFile and OSError."""
    gateway = arguments.gateway
    async with DialGatewayClient(
        gateway.target, credentials=gateway.credentials(), server_name=gateway.server_name
    ) as client:
        try:
            if arguments.command == "suppress":
                done = await client.suppress_number(arguments.phone_number, arguments.reason)
                return _suppressed(done, arguments)
            return _allowed(await client.allow_number(arguments.phone_number, arguments.reason), arguments)
        except GatewayUnavailable as error:
            _say(f"cannot reach the gateway at {gateway.target}: {error}")
            return UNREACHABLE
        except CallFailed as error:
            _say(str(error))
            return NOT_DONE
        except asyncio.CancelledError:  # Ctrl-C
            return INTERRUPTED


def _suppressed(done: NumberSuppressed, arguments: NumberArguments) -> int:
    already = ", as it was before" if done.already_suppressed else ""
    code = _done(done, arguments, f"the number is suppressed{already}")
    if done.lifetime in _LIFETIMES:
        _say(_LIFETIMES[done.lifetime])
    return code


def _allowed(done: NumberAllowed, arguments: NumberArguments) -> int:
    return _done(done, arguments, "the number is allowed again, unless a list of the guard file has it")


def _done(done: NumberSuppressed | NumberAllowed, arguments: NumberArguments, text: str) -> int:
    """Print what came of a command, and which replicas have done it; return the exit code."""
    confirmed, problem = reach(done.confirmation)
    if arguments.output is OutputFormat.JSON:
        print_json({"action": arguments.command.upper(), **fields_json(done)})
    else:
        lines = [text, *([confirmed] if confirmed else [])]
        if arguments.output is OutputFormat.WIDE:
            lines.append(f"hash of the number: {done.number_hash}")
        tell(sys.stdout, *lines)
    if problem:
        _say(problem)
    return NOT_DONE if problem else DONE


def _say(text: str) -> None:
    sys.stderr.write(f"dialctl: {unambiguous(text)}\n")
