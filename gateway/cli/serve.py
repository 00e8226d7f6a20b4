"""`dial-gateway serve`: builds a gateway from its settings and serves until a signal ends it."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from gateway import settings, telemetry
from gateway.app import Gateway
from gateway.cli.aws_region import region_of_environment
from gateway.cli.process import serve
from gateway.composition.part_settings import connections_of, directory_of
from gateway.connect.api_versions import ApiName
from gateway.connect.campaign_lists import AwsCampaignLister
from gateway.connect.credentials import FIRST_CREDENTIALS_S, AccessKeys, chain_of
from gateway.connect.direct_sender import DirectConnect
from gateway.connect.port import ConnectPort
from gateway.connect.routing import RoutingConnect
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.fleet.fleet import FleetSetup
from gateway.runtime import logs
from gateway.runtime.clock import SystemClock
from gateway.runtime.open_files import open_files_limit, raise_limit
from gateway.shared_state.address import SETTING
from gateway.shared_state.port import SharedStateRefused

if TYPE_CHECKING:
    from gateway.simulator import SimulatorSettings

log = logging.getLogger("gateway")

LAST_OUTPUT_S = 0.5
"""Seconds that an ending process waits for a reader of its standard output, at most."""
SIMULATOR_KEYS = ("simulator", "simulator")
SIMULATOR_REGION = "us-east-1"


def run(chosen: settings.Settings, warnings: Iterable[str], simulated: "SimulatorSettings | None") -> int:
    """Serve; return the exit code. Raises `SettingsError`, and the errors that `main` turns into one line."""
    logs.configure(chosen.log_level, chosen.log_format)
    logs.capture_core()
    logs.watch_process()
    raise_limit()
    for warning in (*warnings, *_few_files(chosen)):
        log.warning(warning)
    try:
        traces = telemetry.telemetry_from(os.environ, chosen.metrics_campaigns, chosen.metrics_callers)
    except telemetry.TelemetryError as error:
        raise settings.SettingsError(str(error)) from error
    return asyncio.run(serve_and_end(chosen, traces, simulated))


def _few_files(chosen: settings.Settings) -> Iterator[str]:
    """Yield a warning if callers cannot have a connection for each stream that they may open."""
    files = open_files_limit()
    connections = connections_of(chosen, files)
    if connections < chosen.stream_limit:
        yield (
            f"the limit of open files is {files}, which leaves callers {connections} connections, fewer than "
            f"the {chosen.stream_limit} streams of DIAL_GATEWAY_STREAM_LIMIT: raise it (`ulimit -Hn`)"
        )


async def serve_and_end(
    chosen: settings.Settings, traces: telemetry.Telemetry, simulated: "SimulatorSettings | None"
) -> int:
    """Serve, and end the process from within its event loop, after all requests are answered.

    A call, a push of metrics or a file may hang. The loop would wait for its thread when it closes, and so
    would the interpreter, so neither is closed.
    """
    code = await _serve_with(chosen, traces, simulated)
    logs.end_of_core()
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
        keys = (
            AccessKeys.fixed(*SIMULATOR_KEYS) if endpoint else AccessKeys(chain_of(region_of_environment()))
        )
        directory = directory_of(chosen)
        connect = connect_for(chosen, endpoint, keys, directory)
        listers = listers_for(chosen, endpoint, keys)
        clock = SystemClock()
        fleet = await _fleet_of(chosen, traces, clock)
        gateway = Gateway(
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

        return await serve(gateway, chosen, say)


async def _fleet_of(
    chosen: settings.Settings, traces: telemetry.Telemetry, clock: SystemClock
) -> FleetSetup | None:
    """Return this replica of a fleet, None without a shared state.

    Raises `AddressError`, `SharedStateRefused` and `AccessError`. A shared state that is away does not end
    the start.
    """
    if chosen.shared_state_url is None:
        return None
    from gateway.composition.fleet import fleet_setup_of, reached_state_of
    from gateway.shared_state.startup_check import refusal_of, refusal_of_name

    reached = reached_state_of(chosen)
    if reached is None:
        return None
    problem = await refusal_of(reached.settings)
    if isinstance(problem, SharedStateRefused):
        raise SharedStateRefused(f"{SETTING}: {problem}")
    if problem is not None:
        log.error("the shared state is unavailable: %s; nothing is sent until it answers", problem)
    setup = fleet_setup_of(chosen, reached, traces, clock.now)
    refusal = await refusal_of_name(reached.settings, setup.name)
    if refusal is not None:
        raise SharedStateRefused(f"{settings.PREFIX}REPLICA: {refusal}")
    return setup


def connect_for(
    chosen: settings.Settings,
    simulator_url: str | None,
    keys: AccessKeys,
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


def listers_for(
    chosen: settings.Settings, simulator_url: str | None, keys: AccessKeys
) -> list[AwsCampaignLister]:
    """Return what reads the names of campaigns from Amazon Connect, for each API that is used."""
    if chosen.campaign_directory != "connect":
        return []
    region = SIMULATOR_REGION if simulator_url is not None else region_of_environment()
    timeout_s = chosen.call_timeout
    return [
        AwsCampaignLister(api, keys, timeout_s=timeout_s, region=region, endpoint_url=simulator_url)
        for api in apis_of(chosen)
    ]


def _sender(
    chosen: settings.Settings, api: ApiName, simulator_url: str | None, keys: AccessKeys
) -> ConnectPort:
    """Return the sender of the setting. Raises `SettingsError` for an endpoint that is not a URL."""
    region = SIMULATOR_REGION if simulator_url is not None else region_of_environment()
    calls, timeout_s = chosen.max_concurrent_calls, chosen.call_timeout
    try:
        if chosen.sender == "boto3":
            from gateway.connect.boto_sender import BotoConnect

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
