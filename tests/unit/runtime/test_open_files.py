"""How many connections callers may have of the files that the process may open."""

import pytest

from gateway.runtime.open_files import left_for_callers


@pytest.mark.parametrize(
    ("limit", "own", "left"),
    [(65_536, 400, 65_136), (1024, 400, 624), (600, 400, 300), (256, 400, 128), (1, 400, 1)],
)
def test_the_gateway_keeps_files_for_itself(limit: int, own: int, left: int) -> None:
    """Callers get what the gateway does not need, and half of a limit that is too low for both."""
    assert left_for_callers(limit, own) == left
