"""The earliest of some instants, of which some may be unknown."""

import pytest

from gateway.core.instants import earliest


@pytest.mark.parametrize(
    ("instants", "first"),
    [
        ((), None),
        ((None, None), None),
        ((2.0, None, 1.0, 3.0), 1.0),
        ((None, 0.0, 1.0), 0.0),
        ((-1.0, 0.0), -1.0),
    ],
)
def test_earliest(instants: tuple[float | None, ...], first: float | None) -> None:
    """None stands for an instant that never comes; 0 is an instant like any other."""
    assert earliest(*instants) == first
