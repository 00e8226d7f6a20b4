"""What a hold, its release and a purge do to the requests of a campaign, and what its callers are told."""

from gateway.core.answers import PURGED
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.errors import CampaignNotRunning
from gateway.core.model import NoticeKind, Reason
from tests.unit.core.making import NOW, Bench, Caller, many, tokens_of

HELD, PARKED, RESUMED = NoticeKind.CAMPAIGN_HELD, NoticeKind.CAMPAIGN_PARKED, NoticeKind.CAMPAIGN_RESUMED
HOLD, RELEASE = Hold("anna", "", NOW), OperatorAction(ActionKind.RELEASE, "anna", "", NOW)


def test_a_held_campaign_makes_no_calls_until_its_release() -> None:
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    bench.engine.operator_actions.hold(NOW, "campaign", HOLD)
    bench.engine.operator_actions.hold(NOW, "campaign", HOLD)
    assert bench.poll(NOW).batches == []
    assert caller.told == [HELD]
    assert bench.engine.operator_actions.release(NOW, "campaign", RELEASE) is True
    assert len(bench.call(NOW).entries) == 25
    assert caller.told == [HELD, RESUMED]
    assert bench.engine.operator_actions.release(NOW, "campaign", RELEASE) is False


def test_a_campaign_that_does_not_run_does_not_flow_after_its_release() -> None:
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    bench.engine.operator_actions.hold(NOW, "campaign", HOLD)
    bench.complete(NOW, batch, failure=CampaignNotRunning("Paused"))
    bench.poll(NOW)
    bench.engine.operator_actions.release(NOW, "campaign", RELEASE)
    assert bench.poll(NOW).batches == []
    assert caller.told == [HELD, PARKED]


def test_a_purge_answers_what_waited_before_it_and_is_in_no_call() -> None:
    bench, caller, gone = Bench(concurrent_calls=1), Caller(), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    bench.send_all(NOW + 1.0, caller, "waits")
    bench.send_all(NOW + 1.0, gone, "gone")
    bench.send_all(NOW + 2.0, caller, "later")
    actions = bench.engine.operator_actions
    assert len(actions.waiting("campaign")) == 3
    bench.leave(NOW + 2.0, gone)
    entries = actions.entries_of("campaign")
    assert actions.answer_waiting(NOW + 2.0, entries, PURGED, arrived_by=NOW + 1.0) == 1
    bench.take_answers(NOW + 2.0)
    assert {index: answer.reason for index, answer in caller.answers.items()} == {25: Reason.PURGED}
    bench.complete(NOW + 3.0, batch)
    assert tokens_of(bench.call(NOW + 3.0)) == ["later"]
