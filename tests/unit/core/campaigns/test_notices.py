"""Which sources are told that a campaign does not flow, and that it flows again."""

from gateway.core.campaigns.conditions import resumed
from gateway.core.campaigns.notices import Notices
from gateway.core.model import CampaignNotice, NoticeKind, Source

PARKED = CampaignNotice(NoticeKind.CAMPAIGN_PARKED, None, "the campaign is Paused")
HELD = CampaignNotice(NoticeKind.CAMPAIGN_HELD, None, "the campaign is held")


def kinds(notices: Notices, source: Source) -> list[NoticeKind]:
    """Return what a source is told now."""
    return [told.notice.kind for told in notices.take() if told.source is source]


def test_no_notice_without_a_first_one() -> None:
    """Nobody is told that a campaign flows again if nobody was told that it did not."""
    notices = Notices()
    notices.tell_flowing("a", resumed())
    assert notices.take() == []


def test_sources_that_were_told_learn_that_it_flows_again() -> None:
    """All sources that were told, and only those, hear that the campaign flows again."""
    notices, one, two = Notices(), Source(), Source()
    notices.tell("a", [one, two], PARKED)
    notices.tell("b", [two], PARKED)
    assert [(told.source, told.campaign_id) for told in notices.take()] == [
        (one, "a"),
        (two, "a"),
        (two, "b"),
    ]
    assert (one.noticed, two.noticed) == ({"a"}, {"a", "b"})
    notices.tell_flowing("a", resumed())
    notices.tell_flowing("a", resumed())
    told = notices.take()
    assert {item.source for item in told} == {one, two}
    assert {item.notice.kind for item in told} == {NoticeKind.CAMPAIGN_RESUMED}
    assert len(told) == 2
    assert (one.noticed, two.noticed) == (set(), {"b"})


def test_each_notice_is_returned_once() -> None:
    """A notice is returned once."""
    notices, source = Notices(), Source()
    notices.tell("a", [source], PARKED)
    assert kinds(notices, source) == [NoticeKind.CAMPAIGN_PARKED]
    assert notices.take() == []


def test_a_gone_source_is_told_nothing_more() -> None:
    """A gone source does not hear that the campaign flows again, and is not kept."""
    notices, gone, stays = Notices(), Source(), Source()
    notices.tell("a", [gone, stays], PARKED)
    notices.tell("b", [gone], PARKED)
    notices.take()
    notices.forget(gone)
    assert gone.noticed == set()
    for campaign_id in ("a", "b"):
        notices.tell_flowing(campaign_id, resumed())
    assert [told.source for told in notices.take()] == [stays]
    assert notices._informed == {}


def test_a_gone_source_gets_no_pending_notice() -> None:
    """A notice for a source that has gone is not returned."""
    notices, gone = Notices(), Source()
    notices.tell("a", [gone], PARKED)
    notices.forget(gone)
    assert notices.take() == []


def test_a_source_with_an_undelivered_resumption_also_gets_the_new_notice() -> None:
    """A campaign that flows again and is held before anybody heard of it: both are told, in this order."""
    notices, source = Notices(), Source()
    notices.tell("a", [source], PARKED)
    notices.take()
    notices.tell_flowing("a", resumed())
    notices.tell_again("a", [], HELD)
    assert kinds(notices, source) == [NoticeKind.CAMPAIGN_RESUMED, NoticeKind.CAMPAIGN_HELD]
    assert source.noticed == {"a"}


def test_a_gone_source_gets_no_pending_resumption() -> None:
    """A resumption for a source that has gone is not returned."""
    notices, source = Notices(), Source()
    notices.tell("a", [source], PARKED)
    notices.tell_flowing("a", resumed())
    notices.forget(source)
    notices.tell_again("a", [], HELD)
    assert notices.take() == []
