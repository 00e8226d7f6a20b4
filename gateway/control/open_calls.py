"""What the control package needs to know of the open streams and unary calls, without knowing gRPC."""

from collections.abc import Sequence
from typing import Protocol

from gateway.telemetry import StreamFigures


class CallerUse(Protocol):
    """What one caller uses at the moment."""

    @property
    def streams(self) -> int:
        """Return the number of its open streams."""

    @property
    def unanswered(self) -> int:
        """Return the number of its unanswered dial requests."""

    @property
    def limit(self) -> int:
        """Return how many dial requests may be unanswered at once."""


class OpenCalls(Protocol):
    """The open streams and unary calls of all callers."""

    @property
    def streams(self) -> int:
        """Return how many streams are open."""

    def callers(self) -> Sequence[tuple[str, CallerUse]]:
        """Return every caller that has a stream or a call open, with what it uses."""

    def figures(self) -> StreamFigures:
        """Return how many streams are open, and what keeps them from being read."""
