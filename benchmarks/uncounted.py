"""Runs a gateway with spans and without metrics. `OTEL_SDK_DISABLED` would turn off the spans as well."""

import asyncio
import os

from gateway import settings
from gateway.cli.serve import serve_and_end
from gateway.runtime import logs
from gateway.telemetry import exporters, telemetry_with


def main() -> None:
    chosen, _ = settings.load(os.environ)
    logs.configure(chosen.log_level, chosen.log_format)
    telemetry = telemetry_with(span_exporters=exporters.span_exporters(os.environ), metrics=False)
    asyncio.run(serve_and_end(chosen, telemetry, None))


if __name__ == "__main__":
    main()
