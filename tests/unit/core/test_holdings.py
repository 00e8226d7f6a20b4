"""What the gateway holds is counted: requests, joins and bytes, from the coming to the answer."""

from gateway.core.holdings import JOIN_BYTES, Holdings
from gateway.core.ledger import Ledger, Remembered
from gateway.core.model import Answer, Entry, EntryState, Outcome, Settled, Source, Waiter
from tests.unit.core.making import NOW, entry, memory_of


def holding(*entries: Entry) -> Holdings:
    """Make holdings of some entries."""
    holdings = Holdings(Ledger(1_200.0, 1_000))
    for held in entries:
        page = holdings.open_page(NOW, held.request.campaign_id)
        page.held[held.request.client_token] = held
        holdings.hold(page, [held])
    return holdings


def found(holdings: Holdings, token: str) -> Entry | None:
    """Return what is held under a token."""
    page = holdings.page(NOW, "campaign")
    return page.held.get(token) if page is not None else None


def recalled(holdings: Holdings, token: str) -> Remembered | None:
    """Return what is remembered of a settled token."""
    page = holdings.page(NOW, "campaign")
    return page.recall(token) if page is not None else None


def test_hold_and_settle() -> None:
    """A held request is found, counted and waited for until it is settled, and then remembered."""
    held = entry("a")
    holdings = holding(held)
    (waiter,) = held.waiters
    assert found(holdings, "a") is held
    assert waiter.source.pending == {0: held}
    assert (holdings.count, holdings.bytes) == (1, memory_of(held.request))
    settled: list[Settled] = []
    answer = Answer(Outcome.ACCEPTED, dial_request_id="id")
    holdings.settle(NOW, held, answer, settled)
    assert settled == [Settled(waiter, "campaign", "a", answer)]
    assert held.state is EntryState.SETTLED
    assert (holdings.count, holdings.bytes, holdings.remembered) == (0, 0, 1)
    assert found(holdings, "a") is None
    memory = recalled(holdings, "a")
    assert memory is not None
    assert memory.accepted
    assert waiter.source.pending == {}


def test_joins_are_counted() -> None:
    """Each who joins takes a place and some bytes, and gives them back with the answer."""
    held, other = entry("a"), Source()
    holdings = holding(held)
    for index in range(3):
        holdings.join(held, Waiter(other, index))
    assert holdings.count == 4
    assert holdings.bytes == memory_of(held.request) + 3 * JOIN_BYTES
    settled: list[Settled] = []
    holdings.settle(NOW, held, Answer(Outcome.EXPIRED), settled)
    assert len(settled) == 4
    assert (holdings.count, holdings.bytes) == (0, 0)


def test_detach() -> None:
    """Who is detached gives back the place of a join, whether they came first or later."""
    first, other = Source(), Source()
    held = entry("a", source=first)
    holdings = holding(held)
    holdings.join(held, Waiter(first, 1))
    holdings.join(held, Waiter(other, 0))
    assert [waiter.index for waiter in holdings.detach(held, first)] == [0, 1]
    assert first.pending == {}
    assert (holdings.count, holdings.bytes) == (1, memory_of(held.request))
    holdings.detach(held, other)
    assert (holdings.count, holdings.bytes) == (1, memory_of(held.request))  # for nobody, until it is dropped
    holdings.join(held, Waiter(other, 1))
    assert (holdings.count, holdings.bytes) == (1, memory_of(held.request))


def test_drop() -> None:
    """What is dropped is forgotten, but for a doubt whether Connect has it."""
    sure, doubtful = entry("a"), entry("b")
    doubtful.tainted, doubtful.attempts = True, 1
    holdings = holding(sure, doubtful)
    for held in (sure, doubtful):
        holdings.detach(held, held.waiters[0].source)
        holdings.drop(NOW, held)
    assert (holdings.count, holdings.bytes) == (0, 0)
    assert recalled(holdings, "a") is None
    memory = recalled(holdings, "b")
    assert memory is not None
    assert not memory.accepted


def test_resting() -> None:
    """What rests of a campaign is all but what is in flight."""
    one, two, flying = entry("a", "one"), entry("b", "two"), entry("c", "one")
    flying.state = EntryState.IN_FLIGHT
    holdings = holding(one, two, flying)
    assert holdings.resting("one") == [one]
    assert set(holdings.everything()) == {one, two, flying}
