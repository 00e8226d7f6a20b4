"""The panels about the process: its readiness, event loop, telemetry, memory and versions."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import ALL, Query, largest, named, quantile, rate, total

PROCESS = Row(
    "Process",
    (
        Panel(
            "Replicas",
            "short",
            "Ready: they accept new streams. Draining: they shut down.",
            (named(total("ready"), "ready"), named(total("draining"), "draining")),
        ),
        Panel(
            "Draining for",
            "s",
            "Near DIAL_GATEWAY_DRAIN_GRACE: the remaining requests are answered unsent.",
            (largest("drain_elapsed_seconds", "instance"),),
        ),
        Panel(
            "Lag of the event loop",
            "s",
            "Often above 0.1: the processor is used up, add replicas.",
            (quantile("loop_lag_seconds", 0.99, "instance"),),
        ),
        Panel(
            "Log lines not written",
            "cps",
            "slow: the reader of stderr is too slow; the gateway itself is not slowed down.",
            (rate("log_lines_dropped", "instance", "why"),),
        ),
        Panel(
            "Closed connections of the admin port",
            "cps",
            "If full or slow_request grows, find out who connects.",
            (rate("admin_connections_closed", "instance", "why"),),
        ),
        Panel(
            "Telemetry lost",
            "cps",
            "Spans, and pushes of metrics, that no collector accepted. The log shows the cause.",
            (rate("telemetry_lost", "instance", "what"),),
        ),
        Panel(
            "Processor time",
            "percentunit",
            "Of one core. Near 1: the event loop needs all of it, add replicas.",
            (rate("process_cpu_seconds", "instance"),),
        ),
        Panel(
            "Memory of the process",
            "bytes",
            "Resident, and mapped address space. Near the container's limit: raise it, or lower "
            "DIAL_GATEWAY_QUEUE_BYTES.",
            (
                named(largest("process_resident_memory_bytes", "instance"), "{{instance}} resident"),
                named(largest("process_virtual_memory_bytes", "instance"), "{{instance}} mapped"),
            ),
        ),
        Panel(
            "File descriptors",
            "short",
            "Open ones, and their limit. Each stream's connection takes one.",
            (
                named(largest("process_open_fds", "instance"), "{{instance}} open"),
                named(largest("process_max_fds", "instance"), "{{instance}} limit"),
            ),
        ),
        Panel(
            "Time since the start",
            "s",
            "Falls to 0 at each restart.",
            (Query(f"time() - max by (instance) (process_start_time_seconds{{{ALL}}})", "{{instance}}"),),
        ),
        Panel(
            "Versions",
            "short",
            "Of the gateway and of Python.",
            (
                Query(
                    f"max by (instance, version, python_version) (dial_gateway_build_info{{{ALL}}})",
                    "{{instance}}",
                ),
            ),
            kind="table",
        ),
        Panel(
            "Names and attributes",
            "short",
            "Name and version, as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES set them.",
            (
                Query(
                    f"count by (instance, service_name, service_version) (target_info{{{ALL}}})",
                    "{{instance}}",
                ),
            ),
            kind="table",
        ),
    ),
)
