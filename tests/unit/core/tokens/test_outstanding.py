"""Outstanding requests, joins and bytes are counted from arrival to answer."""

from gateway.core.entry_state import EntryState, move
from gateway.core.model import Answer, Departure, Entry, Outcome, Settled, Source, Waiter
from gateway.core.outbox import Outbox
from gateway.core.tokens.ledger import Ledger, Remembered
from gateway.core.tokens.outstanding import JOIN_BYTES, Outstanding
from tests.oracle.records import memory_of
from tests.unit.core.making import NOW, entry


def holding(*entries: Entry, outbox: Outbox | None = None) -> Outstanding:
    """Make holdings of some entries."""
    outstanding = Outstanding(Ledger(1_200.0, 1_000), outbox or Outbox())
    for held in entries:
        campaign = outstanding.open_campaign(NOW, held.request.campaign_id)
        (waiter,) = held.waiters
        campaign.outstanding[held.request.client_token] = waiter.source.pending[waiter.index] = held
        outstanding.count_in(campaign, 1, held.request.size_bytes)
    return outstanding


def found(outstanding: Outstanding, token: str) -> Entry | None:
    """Return what is held under a token."""
    campaign = outstanding.campaign(NOW, "campaign")
    return campaign.outstanding.get(token) if campaign is not None else None


def recalled(outstanding: Outstanding, token: str) -> Remembered | None:
    """Return what is remembered of a settled token."""
    campaign = outstanding.campaign(NOW, "campaign")
    return campaign.recall(token) if campaign is not None else None


def test_an_outstanding_request_is_counted_until_it_is_settled() -> None:
    """A held request is found, counted and waited for until it is settled, and then remembered."""
    held = entry("a")
    outbox = Outbox()
    outstanding = holding(held, outbox=outbox)
    (waiter,) = held.waiters
    assert found(outstanding, "a") is held
    assert waiter.source.pending == {0: held}
    assert (outstanding.count, outstanding.bytes) == (1, memory_of(held.request))
    answer = Answer(Outcome.ACCEPTED, dial_request_id="id")
    outstanding.settle(NOW, held, answer)
    assert outbox.take() == [Settled(waiter, "campaign", "a", answer)]
    assert held.state is EntryState.SETTLED
    assert (outstanding.count, outstanding.bytes, outstanding.remembered) == (0, 0, 1)
    assert outstanding.dropped == 0
    assert found(outstanding, "a") is None
    memory = recalled(outstanding, "a")
    assert memory is not None
    assert memory.accepted
    assert waiter.source.pending == {}


def test_joins_are_counted() -> None:
    """Each join takes a place and some bytes and gives them back with the answer."""
    held, other = entry("a"), Source()
    outbox = Outbox()
    outstanding = holding(held, outbox=outbox)
    for index in range(3):
        outstanding.join(held, Waiter(other, index))
    assert outstanding.count == 4
    assert outstanding.bytes == memory_of(held.request) + 3 * JOIN_BYTES
    outstanding.settle(NOW, held, Answer(Outcome.EXPIRED))
    assert len(outbox.take()) == 4
    assert (outstanding.count, outstanding.bytes) == (0, 0)


def test_a_detached_waiter_gives_its_place_back() -> None:
    """A detached waiter gives back the place of a join, whether it came first or later."""
    first, other = Source(), Source()
    held = entry("a", source=first)
    outstanding = holding(held)
    outstanding.join(held, Waiter(first, 1))
    outstanding.join(held, Waiter(other, 0))
    assert [waiter.index for waiter in outstanding.detach(held, first)] == [0, 1]
    assert first.pending == {}
    assert (outstanding.count, outstanding.bytes) == (1, memory_of(held.request))
    outstanding.detach(held, other)
    assert (outstanding.count, outstanding.bytes) == (
        1,
        memory_of(held.request),
    )  # for nobody, until it is dropped
    outstanding.join(held, Waiter(other, 1))
    assert (outstanding.count, outstanding.bytes) == (1, memory_of(held.request))


def test_a_dropped_request_is_forgotten_except_its_doubt() -> None:
    """A dropped request is forgotten, unless Connect may have it."""
    sure, doubtful = entry("a"), entry("b")
    doubtful.in_doubt, doubtful.attempts = True, 1
    outstanding = holding(sure, doubtful)
    for held in (sure, doubtful):
        outstanding.detach(held, held.waiters[0].source)
        outstanding.drop(NOW, held)
        assert held.state is EntryState.SETTLED
    assert (outstanding.count, outstanding.bytes) == (0, 0)
    assert recalled(outstanding, "a") is None
    memory = recalled(outstanding, "b")
    assert memory is not None
    assert not memory.accepted


def test_waiting_requests_are_those_in_no_call() -> None:
    """All requests of a campaign that are not in flight are returned."""
    one, two, flying = entry("a", "one"), entry("b", "two"), entry("c", "one")
    move(flying, EntryState.IN_FLIGHT)
    outstanding = holding(one, two, flying)
    assert outstanding.waiting("one") == [one]
    assert set(outstanding.all_entries()) == {one, two, flying}


class Reviews:
    """Keeps every denial, as a replica does until it has asked the fleet's ledger."""

    def __init__(self) -> None:
        self.asked: list[Entry] = []

    def review(self, now: float, entry: Entry, denial: Answer) -> Answer | None:
        self.asked.append(entry)
        return None

    def give_up(self, now: float, entry: Entry) -> None:
        raise AssertionError("nothing is given up here")


def test_a_denial_that_nobody_waits_for_is_not_reviewed() -> None:
    """The fleet's ledger is asked about a denial only while somebody waits for the answer."""
    awaited, lonely = entry("a"), entry("b")
    outstanding = holding(awaited, lonely)
    outstanding.denial_review = reviews = Reviews()
    outstanding.detach(lonely, lonely.waiters[0].source)
    denial = Answer(Outcome.EXPIRED)
    assert outstanding.reviewed(NOW, [(awaited, denial), (lonely, denial)]) == [(lonely, denial)]
    assert outstanding.settle(NOW, lonely, denial) is False
    assert outstanding.settle(NOW, awaited, denial) is True
    assert reviews.asked == [awaited, awaited]
    assert (outstanding.count, lonely.state) == (1, EntryState.SETTLED)


def test_an_entry_whose_waiters_are_gone_counts_as_dropped_unless_a_call_carried_it() -> None:
    """Dropped means that it was never sent; the result of a call is remembered without a waiter."""
    waiting, flying = entry("a"), entry("b")
    move(flying, EntryState.IN_FLIGHT)
    outstanding = holding(waiting, flying)
    for held in (flying, waiting):
        assert outstanding.dropped == 0
        held.first_source().departure = Departure.GONE
        assert outstanding.settle(NOW, held, Answer(Outcome.EXPIRED)) is False
    assert outstanding.dropped == 1


def test_the_shell_gets_the_gone_waiters_that_have_a_span() -> None:
    """It ends their spans; waiters without a span leave nothing to do."""
    source, span = Source(), object()
    held = entry("a", source=source)
    outstanding = holding(held)
    traced = Waiter(source, 1, span=span)  # type: ignore[arg-type]
    outstanding.join(held, traced)
    outstanding.detach_gone(held, source)
    assert outstanding.departed == [traced]
    assert held.waiters == []


def test_nothing_of_a_campaign_is_kept_after_its_last_request() -> None:
    """A campaign takes no room after its last request, unless Connect may have one of its tokens."""
    held, accepted = entry("a"), entry("b", "accepted")
    outstanding = holding(held, accepted)
    assert outstanding.campaigns == 2
    outstanding.settle(NOW, held, Answer(Outcome.EXPIRED))
    outstanding.settle(NOW, accepted, Answer(Outcome.ACCEPTED))
    assert outstanding.campaigns == 0
    assert outstanding.campaign(NOW, "campaign") is None
    kept = outstanding.campaign(NOW, "accepted")
    assert kept is not None
    outstanding.settle_on(kept, [])
    assert outstanding.campaigns == 0
