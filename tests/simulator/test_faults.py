from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gateway.simulator import Fault, FaultKind
from gateway.simulator.faults import FaultBoard

PUT = "PutDialRequestBatch"


@pytest.fixture
def board() -> FaultBoard:
    return FaultBoard(Random(1))


def strikes(board: FaultBoard, calls: int) -> int:
    return sum(board.for_call(PUT, "a", ["t"]).fault is not None for _ in range(calls))


def test_count_is_used_up(board: FaultBoard) -> None:
    """A fault with a count affects that many calls and no more."""
    board.add(Fault(kind=FaultKind.RESET, count=3))
    assert strikes(board, 10) == 3
    assert [(active.struck, active.remaining) for active in board.active()] == [(3, 0)]


def test_probability_is_drawn_from_the_seed() -> None:
    """A fault affects about the share of calls that its probability says, and the same calls for the same
    seed.
    """
    results = []
    for _ in range(2):
        board = FaultBoard(Random(7))
        board.add(Fault(kind=FaultKind.RESET, probability=0.25))
        results.append(strikes(board, 2000))
    assert results[0] == results[1]
    assert 400 < results[0] < 600


@pytest.mark.parametrize("limits", [{"operation": "GetCampaignState"}, {"campaign": "b"}, {"token": "other"}])
def test_a_limited_fault_affects_nothing_else(board: FaultBoard, limits: dict[str, Any]) -> None:
    """A fault for one operation, campaign or token does not affect other calls."""
    board.add(Fault(kind=FaultKind.RESET, **limits))
    assert strikes(board, 5) == 0


def test_a_token_fault_affects_calls_that_contain_the_token(board: FaultBoard) -> None:
    """A call fault for a token affects each call that contains the token."""
    board.add(Fault(kind=FaultKind.EXCEPTION, code="ValidationException", token="poison"))
    assert board.for_call(PUT, "a", ["x", "poison"]).fault is not None
    assert board.for_call(PUT, "a", ["x"]).fault is None


def test_latencies_add_up_with_another_fault(board: FaultBoard) -> None:
    """Latencies of several faults add up, with bounded jitter; of other faults only the oldest acts."""
    board.add(Fault(kind=FaultKind.LATENCY, latency_s=1.0))
    board.add(Fault(kind=FaultKind.RESET))
    board.add(Fault(kind=FaultKind.NO_ANSWER, count=1))
    board.add(Fault(kind=FaultKind.LATENCY, latency_s=2.0, jitter_s=0.5))
    faults = board.for_call(PUT, "a", [])
    assert 3.0 <= faults.latency_s < 3.5
    assert faults.fault is not None
    assert faults.fault.kind is FaultKind.RESET
    assert [active.struck for active in board.active()] == [1, 1, 0, 1]


def test_item_faults_affect_items_only(board: FaultBoard) -> None:
    """A fault of an item kind never affects a call, and a call fault never an item."""
    board.add(Fault(kind=FaultKind.ITEM_MISSING, count=1))
    assert strikes(board, 3) == 0
    assert board.for_item(PUT, "a", "t") is not None
    assert board.for_item(PUT, "a", "t") is None


def test_a_rate_fault_affects_v2_only(board: FaultBoard) -> None:
    """Items fail for excessive usage in V2 only, since V1 has no such code."""
    board.add(Fault(kind=FaultKind.RATE, count=1))
    assert board.for_item(PUT, "a", "t") is None
    struck = board.for_item("PutOutboundRequestBatch", "a", "t")
    assert struck is not None
    assert struck.code == "RequestThrottled"
    assert board.for_item("PutOutboundRequestBatch", "a", "t") is None


def test_faults_can_be_removed(board: FaultBoard) -> None:
    """A removed fault has no effect; removing it again is reported."""
    first = board.add(Fault(kind=FaultKind.RESET))
    board.add(Fault(kind=FaultKind.ITEM_MISSING))
    assert board.remove(first)
    assert not board.remove(first)
    assert [active.fault.kind for active in board.active()] == [FaultKind.ITEM_MISSING]
    board.clear()
    assert board.active() == ()


@pytest.mark.parametrize(
    "values",
    [
        {"kind": FaultKind.EXCEPTION},
        {"kind": FaultKind.ITEM_FAILURE},
        {"kind": FaultKind.EXCEPTION, "code": "InvalidCampaignStateException"},
        {"kind": FaultKind.EXCEPTION, "code": "X", "status": 200},
        {"kind": FaultKind.EXCEPTION, "code": "X\r\nSet-Cookie: y"},
        {"kind": FaultKind.RESET, "probability": 1.5},
        {"kind": FaultKind.RESET, "count": 0},
        {"kind": FaultKind.LATENCY, "latency_s": -1.0},
        {"kind": FaultKind.RATE, "code": "InvalidInput"},
        {"kind": FaultKind.RATE, "operation": PUT},
    ],
)
def test_an_invalid_fault_is_refused(values: dict[str, Any]) -> None:
    """Invalid values of a fault raise an error in its constructor."""
    with pytest.raises(ValueError):
        Fault(**values)
