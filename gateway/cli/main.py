"""dial-gateway: the commands of the server side."""

import argparse
import asyncio
import logging
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from gateway import app, settings, telemetry
from gateway.access.errors import AccessError
from gateway.cli import check, health_check
from gateway.connect.api_versions import ApiName
from gateway.connect.boto_sender import BotoConnect
from gateway.connect.campaign_lists import AwsCampaignLister
from gateway.connect.credentials import FIRST_CREDENTIALS_S, Keys, chain_of
from gateway.connect.direct_sender import DirectConnect
from gateway.connect.port import ConnectPort
from gateway.connect.probe import Probe
from gateway.connect.routing import RoutingConnect
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.dispatch.fleet import FleetSetup
from gateway.fleet_setup import fleet_setup_of, state_settings_of
from gateway.runtime import logs
from gateway.runtime.clock import SystemClock
from gateway.shared_state.address import SETTING, AddressError
from gateway.shared_state.port import SharedStateError, SharedStateRefused
from gateway.shared_state.startup_check import refusal_of, refusal_of_name

if TYPE_CHECKING:
    from gateway.simulator import SimulatorSettings

log = logging.getLogger("gateway")

WRONG_USAGE = 2
REASONS = (
    settings.SettingsError,
    AccessError,
    AddressError,
    SharedStateError,
    telemetry.TelemetryError,
    BotoCoreError,
    OSError,
)
"""Errors that end a command with one line and no traceback."""
LAST_OUTPUT_S = 0.5
"""Seconds that an ending process waits for a reader of its standard output, at most."""
HAS_SIMULATOR = find_spec("gateway.simulator") is not None
"""Whether the simulated Amazon Connect is installed. The image leaves it out."""
NO_SIMULATOR = (
    "the simulated Amazon Connect is not part of this installation; use the source tree (`make install`), "
    "or an image built with `--build-arg SIMULATOR=yes`"
)
SIMULATOR_KEYS = ("simulator", "simulator")
SIMULATOR_REGION = "us-east-1"
SIMULATOR_OPTIONS = (
    ("port", int, "its port (default: a free one)"),
    ("rate", float, "its calls a second, 0 for no limit (default: 10)"),
    ("burst", float, "its calls at once (default: 10)"),
    ("max-ahead", float, "seconds that an expiration may be ahead (default: any)"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. 2: settings or arguments are wrong, in one line on stderr."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown and options.run is not _no_simulator:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(options.run(options))
    except REASONS as error:
        sys.stderr.write(f"dial-gateway: {error}\n")
        return WRONG_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dial-gateway", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dial-gateway {version('dial-gateway')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the gateway; settings come from DIAL_GATEWAY_* variables")
    serve.add_argument("--simulator", action="store_true", help="against an embedded simulator of Connect")
    for option, kind, text in SIMULATOR_OPTIONS:
        serve.add_argument(f"--simulator-{option}", type=kind, help=text)
    serve.set_defaults(run=_serve)
    alone = commands.add_parser("simulator", help="run the simulator of Amazon Connect alone")
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
    chosen, warnings = settings.load(os.environ)
    logs.configure(chosen.log_level, chosen.log_format)
    logs.watch_process()
    for warning in warnings:
        log.warning(warning)
    traces = telemetry.telemetry_from(os.environ, chosen.metrics_campaigns, chosen.metrics_callers)
    return asyncio.run(_serve_and_end(chosen, traces, simulated))


async def _serve_and_end(
    chosen: settings.Settings, traces: telemetry.Telemetry, simulated: "SimulatorSettings | None"
) -> int:
    """Serve, and end the process from within its event loop, after all requests are answered.

    A call, a push of metrics or a file may hang. The loop would wait for its thread when it closes, and so
    would the interpreter, so neither is closed.
    """
    code = await _serve_with(chosen, traces, simulated)
    logs.flush()
    _flush_stdout()
    os._exit(code)


def _flush_stdout() -> None:
    """Write what exporters to the console have printed, as long as the output is read."""
    flushing = threading.Thread(target=sys.stdout.flush, daemon=True)
    flushing.start()
    flushing.join(LAST_OUTPUT_S)


async def _serve_with(
    chosen: settings.Settings, traces: telemetry.Telemetry, simulated: "SimulatorSettings | None"
) -> int:
    async with AsyncExitStack() as stack:
        endpoint = None
        if simulated is not None:
            from gateway.simulator import Simulator

            endpoint = (await stack.enter_async_context(Simulator(simulated))).url
        keys = Keys.fixed(*SIMULATOR_KEYS) if endpoint else Keys(chain_of(_region()))
        directory = app.directory_of(chosen)
        connect = connect_for(chosen, endpoint, keys, directory)
        listers = listers_for(chosen, endpoint, keys)
        clock = SystemClock()
        fleet = await _fleet_of(chosen, traces, clock)
        gateway = app.Gateway(
            chosen,
            connect,
            traces,
            clock=clock,
            fleet=fleet,
            directory=directory,
            listers=listers,
            environment=os.environ,
        )
        keys.start(FIRST_CREDENTIALS_S)  # last: a wrong setting ends the start with one line, and no thread
        host, admin_host = (listen.rpartition(":")[0] for listen in (chosen.listen, chosen.admin_listen))

        def say(port: int) -> None:
            simulated_too = " (simulated)" if endpoint else ""
            log.info("serving gRPC on %s:%d, calling %s%s", host, port, connect.endpoint, simulated_too)
            log.info("console, health and metrics on http://%s:%d", admin_host, gateway.admin_port)

        return await app.serve(gateway, chosen, say)


async def _fleet_of(
    chosen: settings.Settings, traces: telemetry.Telemetry, clock: SystemClock
) -> FleetSetup | None:
    """Return this replica of a fleet, None without a shared state.

    Raises `AddressError` and `SharedStateRefused`. A shared state that is away does not end the start.
    """
    reached = state_settings_of(chosen)
    if reached is None:
        return None
    problem = await refusal_of(reached)
    if isinstance(problem, SharedStateRefused):
        raise SharedStateRefused(f"{SETTING}: {problem}")
    if problem is not None:
        log.error("the shared state is unavailable: %s; nothing is sent until it answers", problem)
    setup = fleet_setup_of(chosen, reached, traces, clock.now)
    refusal = await refusal_of_name(reached, setup.name)
    if refusal is not None:
        raise SharedStateRefused(f"{settings.PREFIX}REPLICA: {refusal}")
    return setup


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
    from gateway.simulator import SimulatorSettings

    try:
        return SimulatorSettings(
            port=port or 0,
            call_rate=10.0 if rate is None else rate,
            call_burst=10.0 if burst is None else burst,
            max_expiration_ahead_s=ahead_s,
        )
    except ValueError as error:
        raise settings.SettingsError(f"--simulator: {error}") from error


def connect_for(
    chosen: settings.Settings,
    simulator_url: str | None,
    keys: Keys,
    directory: CampaignDirectory = NO_DIRECTORY,
) -> ConnectPort:
    """Return Amazon Connect, or the simulator at the address given; the caller starts the credentials.

    Routes by names and tags use the `directory`. Raises `SettingsError` for one that cannot be used.
    """
    default = _sender(chosen, chosen.connect_api, simulator_url, keys)
    routes = chosen.connect_api_by_campaign
    if not routes:
        return default
    ports: dict[str, ConnectPort] = {chosen.connect_api: default}
    for _, api in routes:
        ports[api] = ports.get(api) or _sender(chosen, api, simulator_url, keys)
    try:
        return RoutingConnect(ports, routes, chosen.connect_api, directory)
    except ValueError as error:
        raise settings.SettingsError(f"DIAL_GATEWAY_CONNECT_API_BY_CAMPAIGN: {error}") from error


def apis_of(chosen: settings.Settings) -> list[ApiName]:
    """Return the versions of Connect's API that the settings use, that of other campaigns first."""
    used = (chosen.connect_api, *(api for _, api in chosen.connect_api_by_campaign))
    return list(dict.fromkeys(used))


def listers_for(chosen: settings.Settings, simulator_url: str | None, keys: Keys) -> list[AwsCampaignLister]:
    """Return what reads the names of campaigns from Amazon Connect, for each API that is used."""
    if chosen.campaign_directory != "connect":
        return []
    region = SIMULATOR_REGION if simulator_url is not None else _region()
    timeout_s = chosen.call_timeout
    return [
        AwsCampaignLister(api, keys, timeout_s=timeout_s, region=region, endpoint_url=simulator_url)
        for api in apis_of(chosen)
    ]


def _sender(chosen: settings.Settings, api: ApiName, simulator_url: str | None, keys: Keys) -> ConnectPort:
    """Return the sender of the setting. Raises `SettingsError` for an endpoint that is not a URL."""
    region = SIMULATOR_REGION if simulator_url is not None else _region()
    calls, timeout_s = chosen.max_concurrent_calls, chosen.call_timeout
    try:
        if chosen.sender == "boto3":
            return BotoConnect(
                threads=calls,
                timeout_s=timeout_s,
                endpoint_url=simulator_url,
                region=region,
                keys=keys,
                api=api,
            )
        return DirectConnect(
            calls=calls, timeout_s=timeout_s, endpoint_url=simulator_url, region=region, keys=keys, api=api
        )
    except ValueError as error:  # raised by botocore for an endpoint that is not a URL
        raise settings.SettingsError(f"AWS_ENDPOINT_URL: {error}") from error


def _region() -> str | None:
    """Return AWS_REGION, which other AWS tools read, where boto3's own variable is not set."""
    return None if os.environ.get("AWS_DEFAULT_REGION") else os.environ.get("AWS_REGION")


def _check(options: argparse.Namespace) -> int:
    chosen, warnings = settings.load(os.environ)
    logs.configure("ERROR", stream=sys.stderr)  # our own log lines report what libraries warn of
    logging.getLogger().setLevel(logging.ERROR)
    return check.run(chosen, warnings, os.environ, lambda api: Probe(api, _region(), options.campaign))


def _health(options: argparse.Namespace) -> int:
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
