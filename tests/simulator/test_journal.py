from __future__ import annotations

from gateway.simulator import AcceptedItem, CallRecord, Delivery, FailedItem, Journal


def record(items: int, **changes: object) -> CallRecord:
    call = CallRecord(request_id="r", at=0.0, operation="PutDialRequestBatch", campaign="a", items=items)
    call.carried_out = True
    call.accepted = [AcceptedItem(f"t{index}", f"id{index}", replayed=False) for index in range(items)]
    for name, value in changes.items():
        setattr(call, name, value)
    return call


def test_statistics_count_calls_items_and_fill() -> None:
    """Calls are counted by operation and result, items by their outcome, fill by size."""
    journal = Journal(None)
    journal.add(record(2), is_batch=True)
    journal.add(record(2, failed=[FailedItem("x", "InvalidInput")], accepted=[]), is_batch=True)
    journal.add(record(0, carried_out=False, result="ThrottlingException"), is_batch=True)
    journal.add(record(0, illegal=True, carried_out=False, result="ValidationException"), is_batch=True)
    journal.add(record(1, delivery=Delivery.RESET), is_batch=True)
    journal.refuse("InvalidSignatureException")
    counts = journal.statistics()
    assert counts.calls == {
        "PutDialRequestBatch": {"OK": 3, "ThrottlingException": 1, "ValidationException": 1}
    }
    assert counts.items == {"accepted": 3, "InvalidInput": 1}
    assert counts.fill == {1: 1, 2: 2}
    assert (counts.illegal_calls, counts.lost_answers) == (1, 1)
    assert counts.refused == {"InvalidSignatureException": 1}


def test_the_limit_counts_dial_requests() -> None:
    """The oldest calls are dropped once the journal exceeds its limit of dial requests; counts stay."""
    journal = Journal(10)
    for at in range(5):
        journal.add(record(4, at=float(at)), is_batch=True)
    assert [call.at for call in journal] == [3.0, 4.0]
    assert journal.statistics().items == {"accepted": 20}


def test_calls_without_items_are_bounded() -> None:
    """Calls without items count toward the limit of the journal."""
    journal = Journal(10)
    for _ in range(100):
        journal.add(record(0), is_batch=True)
    assert len(journal) == 10


def test_replays_are_not_counted_as_dials() -> None:
    """A replayed token is not counted as a dial."""
    journal = Journal(None)
    journal.add(record(1), is_batch=True)
    journal.add(record(1, accepted=[AcceptedItem("t0", "id0", replayed=True)]), is_batch=True)
    assert journal.dials() == journal.dials("a") == {("a", "t0"): 1}
    assert journal.dials("b") == {}


def test_other_calls_are_counted_but_not_kept() -> None:
    """Calls that change or read campaigns appear in the counts only."""
    journal = Journal(None)
    journal.add(record(0, operation="StartCampaign"), is_batch=False)
    assert len(journal) == 0
    assert journal.statistics().calls == {"StartCampaign": {"OK": 1}}
