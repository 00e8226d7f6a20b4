"""A replica keeps nothing for the ledger of its fleet after the answers."""

from gateway.core.campaigns.holds import Hold
from gateway.core.claims.denials import CHECK_S
from gateway.core.claims.look_up_queue import ADMISSION_S, ELSEWHERE_S
from gateway.core.errors import RateThrottled
from tests.unit.core.claims.replicas import Replica, Store
from tests.unit.core.making import NOW, many


def end(replica: Replica, now: float) -> None:
    """Let time pass until nothing is due any more."""
    for later in (ADMISSION_S, ELSEWHERE_S, CHECK_S):
        now += later
        replica.poll(now)
    assert replica.engine.outstanding == 0
    assert replica.ledger.kept_count == 0
    assert replica.ledger.deadline() is None
    assert replica.engine.outstanding_bytes == 0


def test_nothing_is_kept_after_calls_replays_and_throttles() -> None:
    store = Store()
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, *many(25))
    call = a.send_call(NOW)
    b.begin(NOW, *many(200))
    batches = b.poll(NOW).batches
    sent = [batch for batch in batches if b.claim(NOW, batch)]
    assert b.ledger.kept_count > 0
    assert len(sent) == len(batches) - 1
    for batch in sent:
        b.complete(NOW, batch)
    a.complete(NOW, call, failure=RateThrottled())
    now, again = a.next_call(NOW)
    assert a.claim(now, again)
    a.complete(now, again)
    end(a, now)
    end(b, now)


def test_nothing_is_kept_of_callers_that_leave() -> None:
    store = Store()
    a, b = Replica(store, "a", call_rate=1.0, call_burst=1.0), Replica(store, "b")
    b.begin(NOW, *many(25))
    b.complete(NOW, b.send_call(NOW))
    a.late = True
    caller = a.begin(NOW, *many(500, "a"), *many(25))
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    a.poll(NOW + ADMISSION_S)
    a.leave(NOW + ADMISSION_S, caller)
    a.claimed(NOW + ADMISSION_S, batch, verdicts)
    a.answer_look_ups(NOW + ADMISSION_S)
    a.late = False
    end(a, NOW + ADMISSION_S)


def test_nothing_is_kept_of_denials() -> None:
    store = Store()
    a = Replica(store, "a")
    a.engine.operator_actions.hold(NOW, "campaign", Hold("ops", "", NOW, answering=True))
    for away in (False, True):
        store.away = away
        a.begin(NOW, *many(2000, f"{away}"))
        end(a, NOW)
