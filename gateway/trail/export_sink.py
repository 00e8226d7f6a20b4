"""Sends the lines of a trail to a collector as log records."""

from collections.abc import Callable, Mapping, Sequence

from gateway.trail.lines import Line, Value

AT_ONCE = 500
"""Log records in one export, at most."""
Export = Callable[[Sequence[Mapping[str, Value]]], bool]
"""Exports events with these fields, in order; returns whether the collector has accepted them."""


class ExportSink:
    """A `Sink` that exports. A batch that the collector does not accept is exported again.

    `rejected` returns how many lines of accepted batches the collector has rejected for good.
    """

    damages = 0

    def __init__(
        self,
        export: Export,
        close: Callable[[], object] = lambda: None,
        rejected: Callable[[], int] = lambda: 0,
    ) -> None:
        self._export = export
        self._close = close
        self._rejected = rejected
        self._left: list[Mapping[str, Value]] = []

    @property
    def lost(self) -> int:
        """How many lines the collector has rejected for good."""
        return self._rejected()

    def renew(self, now: float) -> bool:
        """Return False: there are no files."""
        return False

    def write(self, lines: Sequence[Line]) -> None:
        """Export lines, and those left from the last time before them."""
        self._left += [fields for fields, _ in lines]
        while self._left:
            if not self._export(self._left[:AT_ONCE]):
                raise OSError("no collector accepts it")
            del self._left[:AT_ONCE]

    def sync(self) -> None:
        """Do nothing: the collector has what it accepted."""

    def close(self) -> None:
        """Release the connection to the collector."""
        self._close()
