"""Runs the commands that call a gateway once, and turns their failures into exit codes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.connection import Connection
from dialgateway.dialctl.send import INTERRUPTED
from dialgateway.dialctl.terminal import unambiguous
from dialgateway.errors import CallFailed, GatewayUnavailable

DONE, NOT_DONE, UNREACHABLE = 0, 1, 3


async def run_with_client(gateway: Connection, command: Callable[[DialGatewayClient], Awaitable[int]]) -> int:
    """Run a command with a client of a gateway; return its exit code, or that of the failure."""
    async with DialGatewayClient(
        gateway.target, credentials=gateway.credentials(), server_name=gateway.server_name
    ) as client:
        try:
            return await command(client)
        except GatewayUnavailable as error:
            write_error(f"cannot reach the gateway at {gateway.target}: {error}")
            return UNREACHABLE
        except CallFailed as error:
            write_error(str(error))
            return NOT_DONE
        except asyncio.CancelledError:  # Ctrl-C
            return INTERRUPTED


def write_error(text: str) -> None:
    """Write a line about a command to stderr."""
    sys.stderr.write(f"dialctl: {unambiguous(text)}\n")
