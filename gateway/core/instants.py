"""Instants of the core's clock, in seconds."""


def earliest(*instants: float | None) -> float | None:
    """Return the earliest of some instants; None if all of them are None."""
    first = None
    for instant in instants:
        if instant is not None and (first is None or instant < first):
            first = instant
    return first
