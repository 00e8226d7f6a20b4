"""dial-gateway: the commands of the server side."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from botocore.exceptions import BotoCoreError

from gateway import app, health, settings, simulator, telemetry
from gateway.connect.boto import BotoConnect
from gateway.simulator import Simulator, SimulatorSettings

log = logging.getLogger("gateway")

WRONG_USAGE = 2
SIMULATOR_KEYS = ("simulator", "simulator")
SIMULATOR_REGION = "us-east-1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. 2: settings or arguments are wrong, in one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (settings.SettingsError, telemetry.TelemetryError, BotoCoreError, OSError) as error:
        sys.stderr.write(f"dial-gateway: {error}\n")
        return WRONG_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dial-gateway", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the gateway; settings come from DIAL_GATEWAY_* variables")
    serve.add_argument("--simulator", action="store_true", help="against an embedded simulator of Connect")
    serve.add_argument("--simulator-port", type=int, default=0, help="its port (default: a free one)")
    serve.add_argument(
        "--simulator-rate", type=float, default=10.0, help="its calls a second, 0 for no limit"
    )
    serve.add_argument("--simulator-burst", type=float, default=10.0, help="its calls at once")
    serve.set_defaults(run=_serve)
    alone = commands.add_parser("simulator", help="run the simulator of Amazon Connect alone")
    simulator.add_arguments(alone)
    alone.set_defaults(run=simulator.run)
    check = commands.add_parser("health", help="ask a gateway for its health; exit 0 if it serves")
    check.add_argument("--address", help="HOST:PORT (default: DIAL_GATEWAY_LISTEN)")
    check.set_defaults(run=_health)
    demo = commands.add_parser(
        "demo", help="a gateway with a simulator, and a file of dial requests through it"
    )
    demo.add_argument("leads", type=Path, help="CSV file, as `dialctl send` takes it")
    demo.set_defaults(run=_demo)
    return parser


def _serve(options: argparse.Namespace) -> int:
    chosen, warnings = settings.load(os.environ)
    _log_to_stderr(chosen.log_level)
    for warning in warnings:
        log.warning(warning)
    traces = telemetry.telemetry_from(os.environ)
    code = asyncio.run(_serve_with(chosen, traces, options))
    # A call that hangs would keep the interpreter waiting for its thread; everybody is answered.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _log_to_stderr(level: str) -> None:
    """Log at `level` what is ours; of the libraries warnings only, since botocore logs what it sends."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("gateway").setLevel(level)


async def _serve_with(
    chosen: settings.Settings, traces: telemetry.Telemetry, options: argparse.Namespace
) -> int:
    async with AsyncExitStack() as stack:
        endpoint = None
        if options.simulator:
            endpoint = (await stack.enter_async_context(Simulator(_simulated(options)))).url
        connect = connect_for(chosen, endpoint)
        gateway = app.Gateway(chosen, connect, traces)
        host = chosen.listen.rpartition(":")[0]
        return await app.serve(
            gateway,
            chosen,
            lambda port: log.info("serving gRPC on %s:%d, calling %s", host, port, connect.endpoint),
        )


def _simulated(options: argparse.Namespace) -> SimulatorSettings:
    try:
        return SimulatorSettings(
            port=options.simulator_port,
            call_rate=options.simulator_rate,
            call_burst=options.simulator_burst,
        )
    except ValueError as error:
        raise settings.SettingsError(f"--simulator: {error}") from error


def connect_for(chosen: settings.Settings, simulator_url: str | None) -> BotoConnect:
    """Return Amazon Connect as boto3's chain finds it, or the simulator at the address given."""
    simulated = simulator_url is not None
    try:
        return BotoConnect(
            threads=chosen.max_concurrent_calls,
            timeout_s=chosen.call_timeout,
            endpoint_url=simulator_url,
            region=SIMULATOR_REGION if simulated else None,
            credentials=SIMULATOR_KEYS if simulated else None,
        )
    except ValueError as error:  # botocore's own, where an endpoint is no URL
        raise settings.SettingsError(f"AWS_ENDPOINT_URL: {error}") from error


def _health(options: argparse.Namespace) -> int:
    return health.check(options.address or settings.load(os.environ)[0].listen)


def _demo(options: argparse.Namespace) -> int:
    from gateway import demo  # the demo alone needs the client

    return demo.run(options.leads)
