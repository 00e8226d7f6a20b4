"""The panels about streams of callers."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import largest, rate, total

STREAMS = Row(
    "Streams",
    (
        Panel(
            "Open streams",
            "short",
            "Uneven over replicas: balance by stream.",
            (total("streams_open", "instance"),),
            stacked=True,
        ),
        Panel(
            "Window use of the fullest stream",
            "percentunit",
            "1: it waits for answers, or does not read them.",
            (largest("streams_window_use_ratio", "instance"),),
        ),
        Panel(
            "Streams not read from",
            "short",
            "window: their own window is used up. room: the gateway is full.",
            (total("streams_blocked", "instance", "lacking"),),
        ),
        Panel(
            "Streams and unary calls ended",
            "cps",
            "Many left: time-outs of callers or of a proxy.",
            (rate("rpcs_ended", "method", "ending"),),
        ),
    ),
)
