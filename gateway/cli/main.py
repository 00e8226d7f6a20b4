"""dial-gateway: the commands of the server side.

Each command imports what it needs when it runs. The health check of a container runs every few seconds, and
the imports of a whole gateway take four times as long as the check itself.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from gateway import settings
from gateway.access.errors import AccessError
from gateway.cli.aws_region import in_words, region_of_environment
from gateway.shared_state.address import AddressError
from gateway.shared_state.port import SharedStateError

if TYPE_CHECKING:
    from gateway.simulator import SimulatorSettings

WRONG_USAGE = 2
REASONS = (
    settings.SettingsError,
    AccessError,
    AddressError,
    SharedStateError,
    BotoCoreError,
    OSError,
)
"""Errors that end a command with one line and no traceback."""
HAS_SIMULATOR = find_spec("gateway.simulator") is not None
"""Whether the simulated Amazon Connect is installed. The image leaves it out."""
NO_SIMULATOR = (
    "the simulated Amazon Connect is not part of this installation; use the source tree (`make install`), "
    "or an image built with `--build-arg SIMULATOR=yes`"
)
NAMES = "DIAL_GATEWAY_CAMPAIGN_DIRECTORY"
"""If this is not set, a gateway with the embedded simulator reads the names of its campaigns."""
SIMULATOR_OPTIONS = (
    ("port", int, "its port (default: a free one)"),
    ("rate", float, "its calls a second, 0 for no limit (default: 10)"),
    ("burst", float, "its calls at once (default: 10)"),
    ("max-ahead", float, "seconds that an expiration may be ahead (default: any)"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. 2: settings or arguments are wrong, in one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown and options.run is not _no_simulator:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(options.run(options))
    except REASONS as error:
        sys.stderr.write(f"dial-gateway: {in_words(error)}\n")
        return WRONG_USAGE


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dial-gateway", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dial-gateway {version('dial-gateway')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the gateway; settings come from DIAL_GATEWAY_* variables")
    serve.add_argument("--simulator", action="store_true", help="against an embedded simulator of Connect")
    for option, kind, text in SIMULATOR_OPTIONS:
        serve.add_argument(f"--simulator-{option}", type=kind, help=text)
    serve.set_defaults(run=_serve)
    alone = commands.add_parser("simulator", help="run the simulator of Amazon Connect alone")
    if "simulator" in arguments:
        _add_simulator(alone)
    checking = commands.add_parser(
        "check", help="explain settings, credentials and reachability; dials nobody"
    )
    checking.add_argument("--campaign", metavar="ID", help="a campaign to look at (default: one nobody has)")
    checking.set_defaults(run=_check)
    asking = commands.add_parser("health", help="ask a gateway for its health; exit 0 if it serves")
    asking.add_argument(
        "--address", help="HOST:PORT, without TLS (default: DIAL_GATEWAY_LISTEN; with TLS the admin port)"
    )
    asking.set_defaults(run=_health)
    demo = commands.add_parser(
        "demo", help="a gateway with a simulator, and a file of dial requests through it"
    )
    demo.add_argument("leads", type=Path, help="CSV file, as `dialctl send` takes it")
    demo.set_defaults(run=_demo)
    fleet = commands.add_parser(
        "fleet-demo",
        help="three gateways that share their state, and a file of dial requests through them",
    )
    fleet.add_argument("leads", type=Path, help="CSV file, as `dialctl send` takes it")
    fleet.set_defaults(run=_fleet_demo)
    return parser


def _add_simulator(parser: argparse.ArgumentParser) -> None:
    if not HAS_SIMULATOR:
        parser.set_defaults(run=_no_simulator)
        return
    from gateway import simulator

    simulator.add_arguments(parser)
    parser.set_defaults(run=simulator.run)


def _no_simulator(_: argparse.Namespace) -> int:
    raise settings.SettingsError(NO_SIMULATOR)


def _serve(options: argparse.Namespace) -> int:
    simulated = _simulated(options)
    if simulated is not None:
        os.environ.setdefault(NAMES, "connect")
    chosen, warnings = settings.load(os.environ)
    from gateway.cli import serve

    return serve.run(chosen, warnings, simulated)


def _simulated(options: argparse.Namespace) -> "SimulatorSettings | None":
    """Return the settings of the embedded simulator; None without one."""
    port, rate, burst = options.simulator_port, options.simulator_rate, options.simulator_burst
    ahead_s = options.simulator_max_ahead
    if not options.simulator:
        if any(value is not None for value in (port, rate, burst, ahead_s)):
            raise settings.SettingsError("--simulator-...: only with --simulator")
        return None
    if not HAS_SIMULATOR:
        raise settings.SettingsError(f"--simulator: {NO_SIMULATOR}")
    from gateway.simulator import EXAMPLE_CAMPAIGNS, SimulatorSettings

    try:
        return SimulatorSettings(
            port=port or 0,
            call_rate=10.0 if rate is None else rate,
            call_burst=10.0 if burst is None else burst,
            max_expiration_ahead_s=ahead_s,
            campaigns=EXAMPLE_CAMPAIGNS,
        )
    except ValueError as error:
        raise settings.SettingsError(f"--simulator: {error}") from error


def _check(options: argparse.Namespace) -> int:
    from gateway.cli import check
    from gateway.connect.probe import Probe
    from gateway.runtime import logs

    chosen, warnings = settings.load(os.environ)
    logs.configure("ERROR", stream=sys.stderr)  # our own log lines report what libraries warn of
    logging.getLogger().setLevel(logging.ERROR)
    return check.run(
        chosen, warnings, os.environ, lambda api: Probe(api, region_of_environment(), options.campaign)
    )


def _health(options: argparse.Namespace) -> int:
    from gateway.cli import health_check

    if options.address:
        return health_check.check(options.address)
    chosen = settings.load(os.environ)[0]
    return (
        health_check.check_admin(chosen.admin_listen)
        if chosen.tls_cert_file
        else health_check.check(chosen.listen)
    )


def _demo(options: argparse.Namespace) -> int:
    if not HAS_SIMULATOR:
        raise settings.SettingsError(f"demo: {NO_SIMULATOR}")
    from gateway.cli import demo  # the demo alone needs the client

    return demo.run(options.leads)


def _fleet_demo(options: argparse.Namespace) -> int:
    if not HAS_SIMULATOR:
        raise settings.SettingsError(f"fleet-demo: {NO_SIMULATOR}")
    from gateway.cli import fleet_demo

    return fleet_demo.run(options.leads)
