"""The simulator as a command: its arguments, and the process that serves until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from gateway.simulator.examples import EXAMPLE_CAMPAIGNS
from gateway.simulator.journal_file import JournalFile
from gateway.simulator.server import Simulator
from gateway.simulator.settings import SimulatorSettings

_WRONG_USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the simulator's arguments to a parser; their defaults are a fresh AWS account."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=4570, help="port, 0 for a free one (default: %(default)s)")
    add(
        "--rate", type=float, default=10.0, help="batch calls a second, 0 for no limit (default: %(default)s)"
    )
    add("--burst", type=float, default=10.0, help="batch calls at once (default: %(default)s)")
    add("--buffer", type=int, help="dial requests that the buffer of a campaign takes (default: no limit)")
    add(
        "--drain", type=float, default=0.0, help="dial requests a second that leave it (default: %(default)s)"
    )
    add("--latency", type=float, default=0.0, help="seconds that an answer takes (default: %(default)s)")
    add("--max-ahead", type=float, help="seconds that an expiration may be ahead (default: no limit)")
    add("--seed", type=int, default=0, help="seed of ids and random faults (default: %(default)s)")
    add(
        "--journal",
        type=Path,
        help="file that records the calls; a restart continues from it (default: none)",
    )
    add("--no-verify-signatures", action="store_true", help="do not check who signed a call")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 2 if an argument or the address cannot be used."""
    try:
        settings = _settings(arguments)
        with _journal_file(arguments.journal) as journal_file:
            asyncio.run(_serve(settings, journal_file))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"dial-gateway simulator: {error}\n")
        return _WRONG_USAGE
    return 0


def _settings(arguments: argparse.Namespace) -> SimulatorSettings:
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return SimulatorSettings(
        host=arguments.host,
        port=arguments.port,
        call_rate=arguments.rate,
        call_burst=arguments.burst,
        buffer_capacity=arguments.buffer,
        buffer_drain_per_s=arguments.drain,
        latency_s=arguments.latency,
        max_expiration_ahead_s=arguments.max_ahead,
        seed=arguments.seed,
        verify_signatures=not arguments.no_verify_signatures,
        credentials={key: secret} if key and secret else {},
        campaigns=EXAMPLE_CAMPAIGNS,
    )


def _journal_file(path: Path | None) -> AbstractContextManager[JournalFile | None]:
    return nullcontext() if path is None else closing(JournalFile(path))


async def _serve(settings: SimulatorSettings, journal_file: JournalFile | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(settings, journal_file=journal_file) as simulator:
        sys.stdout.write(f"{_exports(simulator.url)}\n")
        sys.stdout.flush()
        await stop.wait()


def _exports(url: str) -> str:
    return (
        f"Amazon Connect simulated at {url}: export AWS_ENDPOINT_URL_CONNECTCAMPAIGNS={url} "
        f"AWS_ENDPOINT_URL_CONNECTCAMPAIGNSV2={url} "
        "AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator"
    )
