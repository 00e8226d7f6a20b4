"""Which entry has a token, what is remembered of a settled token, and for how long."""

import gc

import pytest

from gateway.core.model import Answer, DialRequest, Entry, Outcome
from gateway.core.tokens.ledger import CAMPAIGNS_AT_ONCE, Ledger, Remembered
from tests.unit.core.making import NOW, PHONE, dial, entry

WINDOW_S = 1_200.0


class Book(Ledger):
    """A ledger with short methods for tests, which find the campaign's page themselves."""

    def hold(self, held: Entry) -> None:
        """Hold an entry."""
        request = held.request
        self.open_campaign(NOW, request.campaign_id).outstanding[request.client_token] = held

    def held(self, campaign_id: str, token: str) -> Entry | None:
        """Return the entry that is held under the token."""
        campaign = self.campaign(NOW, campaign_id)
        return campaign.outstanding.get(token) if campaign is not None else None

    def let_go(self, held: Entry) -> None:
        """Release an entry."""
        campaign = self.open_campaign(NOW, held.request.campaign_id)
        del campaign.outstanding[held.request.client_token]
        self.forget_if_empty(campaign)

    def settle(self, now: float, request: DialRequest, answer: Answer, attempts: int = 1) -> None:
        """Hold a request, remember its answer and release it."""
        campaign = self.open_campaign(now, request.campaign_id)
        settled = campaign.outstanding[request.client_token] = Entry(request, now, [], attempts=attempts)
        self.remember(campaign, [(settled, answer)])
        del campaign.outstanding[request.client_token]
        self.forget_if_empty(campaign)

    def recall(self, now: float, campaign_id: str, token: str) -> Remembered | None:
        """Return what is remembered of a token."""
        campaign = self.campaign(now, campaign_id)
        return campaign.recall(token) if campaign is not None else None


def ledger(limit: int = 1_000) -> Book:
    """Make a ledger with the window of these tests."""
    return Book(WINDOW_S, limit)


def accepted(id_: str = "id") -> Answer:
    """Make the answer of an accepted request."""
    return Answer(Outcome.ACCEPTED, dial_request_id=id_, trace_id="trace")


def test_held_until_released() -> None:
    """An entry is found under its campaign and token until it is released."""
    book, held = ledger(), entry("a")
    assert book.held("campaign", "a") is None
    book.hold(held)
    assert book.held("campaign", "a") is held
    assert book.held("campaign", "b") is None
    assert book.held("other", "a") is None
    book.let_go(held)
    assert book.held("campaign", "a") is None


def test_outstanding_entries_are_listed() -> None:
    """Outstanding entries are listed by campaign and in total."""
    book, first, second = ledger(), entry("a"), entry("b")
    book.hold(first)
    book.hold(second)
    assert book.entries_of("campaign") == [first, second] == list(book.all_entries())
    assert book.entries_of("other") == []
    assert (book.count_of("campaign"), book.count_of("other")) == (2, 0)
    book.let_go(first)
    assert list(book.all_entries()) == [second]
    book.let_go(second)
    assert list(book.all_entries()) == []


def test_accepted_is_remembered() -> None:
    """An accepted token is recalled with its id, its trace and its dial."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted())
    memory = book.recall(NOW, "campaign", "a")
    assert memory is not None
    assert memory.accepted
    assert (memory.dial_request_id, memory.trace_id) == ("id", "trace")
    assert memory.fingerprint == dial("a").fingerprint()
    assert book.recall(NOW, "campaign", "b") is None
    assert book.recall(NOW, "other", "a") is None
    assert book.remembered == 1


def test_an_id_with_spaces_is_remembered_whole() -> None:
    """Connect's id is recalled as Connect gave it, whatever it consists of."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted("an id + of four"))
    memory = book.recall(NOW, "campaign", "a")
    assert memory is not None
    assert (memory.dial_request_id, memory.trace_id) == ("an id + of four", "trace")


def test_a_list_with_a_remembered_token_is_noticed() -> None:
    """A campaign remembers one of some tokens if it remembers at least one, in any generation."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted())
    for later_s in (0.0, WINDOW_S / 2):
        campaign = book.campaign(NOW + later_s, "campaign")
        assert campaign is not None
        assert campaign.remembers_any(["b", "a"])
        assert campaign.remembers_any(["b", "c"]) is False


def test_unknown_is_remembered_without_an_id() -> None:
    """A token with an unknown fate is remembered as one that Connect may have."""
    book = ledger()
    book.settle(NOW, dial("a"), Answer(Outcome.UNKNOWN))
    memory = book.recall(NOW, "campaign", "a")
    assert memory is not None
    assert not memory.accepted


def test_a_doubt_without_a_call_is_not_remembered() -> None:
    """A doubt that only the caller stated is not kept; it could push accepted tokens out."""
    book = ledger()
    book.settle(NOW, dial("a"), Answer(Outcome.UNKNOWN), attempts=0)
    assert book.recall(NOW, "campaign", "a") is None
    assert book.remembered == 0


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED, Outcome.NOT_ACCEPTED])
def test_others_are_not_remembered(outcome: Outcome) -> None:
    """A token that Connect does not have is free at once."""
    book = ledger()
    book.settle(NOW, dial("a"), Answer(outcome))
    assert book.recall(NOW, "campaign", "a") is None
    assert book.remembered == 0


def test_latest_memory_wins() -> None:
    """A token settled twice is recalled as it was settled last, also over generations."""
    book = ledger()
    book.settle(NOW, dial("a"), Answer(Outcome.UNKNOWN))
    book.settle(NOW + WINDOW_S / 2, dial("a"), accepted())
    memory = book.recall(NOW + WINDOW_S / 2, "campaign", "a")
    assert memory is not None
    assert memory.accepted


@pytest.mark.parametrize("begun_s", [0.0, 1.0, 299.0, 300.0, 550.0, 1_199.0])
def test_remembered_for_the_window_and_a_quarter_at_most(begun_s: float) -> None:
    """Wherever in a generation a token comes, it stays for the window and at most a quarter more."""
    book = ledger()
    book.settle(NOW, dial("first"), accepted())
    book.settle(NOW + begun_s, dial("a"), accepted())
    assert book.recall(NOW + begun_s + WINDOW_S, "campaign", "a") is not None
    assert book.recall(NOW + begun_s + 1.25 * WINDOW_S, "campaign", "a") is None


def test_what_is_remembered_costs_the_collector_nothing() -> None:
    """The garbage collector does not visit remembered tokens: half a million would block for 0.1 s."""
    book = ledger()
    for number in range(100):
        book.settle(NOW, dial(f"t-{number}"), accepted(f"id-{number}"))
    gc.collect()
    campaign = book.campaign(NOW, "campaign")
    assert campaign is not None
    (generation,) = campaign.generations
    assert len(generation) == 100
    assert not any(map(gc.is_tracked, generation.values()))


def test_generations_turn_in_small_steps() -> None:
    """Frequent access makes no token fade sooner."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted())
    for second in range(int(WINDOW_S) + 1):
        assert book.recall(NOW + second, "campaign", "a") is not None


def test_long_idle_time() -> None:
    """After days without a request all tokens are forgotten, quickly, and the ledger still works."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted())
    later = NOW + 1e9
    assert book.recall(later, "campaign", "a") is None
    assert book.remembered == 0
    book.settle(later, dial("a"), accepted())
    assert book.recall(later + WINDOW_S, "campaign", "a") is not None


def test_beyond_the_limit_the_oldest_go_early() -> None:
    """At the limit the oldest tokens are forgotten early, and counted."""
    book = ledger(limit=100)
    for number in range(1_000):
        book.settle(NOW, dial(str(number)), accepted())
        assert book.remembered <= 100
    assert book.forgotten_early == 1_000 - book.remembered
    assert book.recall(NOW, "campaign", "999") is not None
    assert book.recall(NOW, "campaign", "930") is not None
    assert book.recall(NOW, "campaign", "0") is None


def test_nothing_is_forgotten_early_within_the_limit() -> None:
    """The ledger remembers as many tokens as its limit says before it forgets the oldest early."""
    book = ledger(limit=100)
    for number in range(100):
        book.settle(NOW, dial(str(number)), accepted())
    assert (book.remembered, book.forgotten_early) == (100, 0)


def test_the_limit_holds_within_the_requests_of_one_call() -> None:
    """Of the tokens that settle together, too, the ledger remembers the latest, and as many as it counts."""
    book = ledger(limit=20)
    campaign = book.open_campaign(NOW, "campaign")
    tokens = [str(number) for number in range(50)]
    book.remember(campaign, [(Entry(dial(token), NOW, [], attempts=1), accepted()) for token in tokens])
    recalled = [token for token in tokens if book.recall(NOW, "campaign", token) is not None]
    assert recalled == tokens[-book.remembered :]
    assert book.remembered + book.forgotten_early == 50
    assert 16 < book.remembered <= 20


def test_forgetting_in_time_is_not_early() -> None:
    """A token that fades after the window does not count as forgotten early."""
    book = ledger()
    book.settle(NOW, dial("a"), accepted())
    book.recall(NOW + 2 * WINDOW_S, "campaign", "a")
    assert book.forgotten_early == 0


@pytest.mark.parametrize(
    ("request_", "same"),
    [
        (dial(attributes={"a": "1", "b": "2"}), True),
        (dial(attributes={"b": "2", "a": "1"}, expires_at=NOW + 1, size=7), True),
        (dial(attributes={"a": "1"}), False),
        (dial(attributes={"a": "2", "b": "1"}), False),
        (dial(phone=PHONE + "1", attributes={"a": "1", "b": "2"}), False),
    ],
)
def test_a_fingerprint_covers_number_and_attributes(request_: DialRequest, same: bool) -> None:
    """Order of attributes, expiration and size do not change it."""
    known = dial(attributes={"a": "1", "b": "2"})
    assert (known.fingerprint() == request_.fingerprint()) is same
    assert known.same_dial(request_) is same


def test_a_campaign_of_which_nothing_is_known_takes_no_room() -> None:
    """What is known of a campaign is dropped with its last token, however many campaigns come."""
    book = ledger()
    for number in range(1_000):
        campaign = f"c{number}"
        book.settle(NOW, dial("a", campaign), Answer(Outcome.EXPIRED))
        assert book.campaign(NOW, campaign) is None
    book.settle(NOW, dial("a"), accepted())
    assert book.campaign(NOW + 1.25 * WINDOW_S, "campaign") is None


def test_forgetting_early_keeps_what_is_held() -> None:
    """Dropping a generation early drops no outstanding entry."""
    book, held = ledger(limit=10), entry("held", "quiet")
    book.hold(held)
    for number in range(100):
        book.settle(NOW, dial(str(number)), accepted())
    assert book.held("quiet", "held") is held


def test_a_new_generation_visits_a_few_campaigns_at_a_time() -> None:
    """With any number of campaigns, each access checks a few campaigns, and old tokens are still dropped."""
    book = Ledger(100.0, 1_000_000)
    held = {f"campaign-{number}": entry("token", f"campaign-{number}") for number in range(500)}
    for name, one in held.items():
        campaign = book.open_campaign(NOW, name)
        book.remember(campaign, [(one, Answer(Outcome.ACCEPTED, dial_request_id="id"))])
    book.campaign(NOW + 26.0, "nobody")
    assert sum(campaign.number == 0 for campaign in book._campaigns.values()) >= 500 - CAMPAIGNS_AT_ONCE
    found = book.campaign(NOW + 99.0, "campaign-499")
    assert found is not None
    assert found.recall("token") is not None
    for _ in range(500 // CAMPAIGNS_AT_ONCE + 1):
        book.campaign(NOW + 126.0, "nobody")
    assert (book.remembered, len(book._campaigns)) == (0, 0)


def test_a_token_is_forgotten_in_time_however_many_campaigns_there_are() -> None:
    """A campaign that no new generation has visited yet recalls nothing that is too old."""
    book = ledger()
    for number in range(500):
        book.settle(NOW, dial("token", f"campaign-{number}"), accepted())
    assert book.recall(NOW + WINDOW_S, "campaign-499", "token") is not None
    assert book.recall(NOW + 1.25 * WINDOW_S, "campaign-499", "token") is None


def test_a_campaign_that_comes_again_keeps_what_is_held() -> None:
    """A campaign that was forgotten and has come again loses nothing when its old tokens are visited."""
    book, later = ledger(), NOW + 1.25 * WINDOW_S
    for number in range(2 * CAMPAIGNS_AT_ONCE):
        book.settle(NOW, dial("token", f"campaign-{number}"), accepted())
    book.settle(NOW, dial("token"), accepted())
    book.settle(later, dial("b"), Answer(Outcome.EXPIRED))  # forgets the campaign before it is visited
    held = book.open_campaign(later, "campaign").outstanding["a"] = entry("a")
    book.campaign(later, "nobody")
    assert book.entries_of("campaign") == [held]
