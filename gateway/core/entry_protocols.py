"""The objects of other parts that an outstanding dial request keeps, as far as the core uses them."""

from typing import Protocol


class TraceHandle(Protocol):
    """The shell's trace of one dial request, such as a span. The core keeps it and never calls it."""

    def is_recording(self) -> bool:
        """Whether anything is recorded."""


class AllowingVerdict(Protocol):
    """The guard's verdict that a request may be sent (`compliance.verdict.Verdict`).

    `closes_at` is when it must have been dialed, in seconds since the epoch; None if nothing closes.
    """

    @property
    def closes_at(self) -> float | None:
        """The closing time."""

    def expiration(self, expiration: float) -> float:
        """Return the expiration to send instead of the caller's."""
