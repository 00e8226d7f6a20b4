"""The forecast of how long a request waits for its turn."""

import random
from collections.abc import Iterator

import pytest

from gateway.core.campaigns.conditions import Conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.holds import Hold, Holds
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.errors import CampaignNotFound
from gateway.core.intake.forecast import SLICE, SLICE_EVERY_S, Backlogs, Forecast
from gateway.core.model import Entry, Outcome, Priority, Reason, Source
from gateway.core.scheduling.queues import CampaignQueue
from gateway.core.scheduling.scheduler import Scheduler
from tests.cases import cases
from tests.unit.core.making import NOW, Bench, Caller, dial, entry, many

RATE = 10.0


class World:
    """A scheduler with backlogs, a forecast of it, and the plain replay of its turns."""

    def __init__(self, kind: type[Scheduler] = Scheduler) -> None:
        self.scheduler = kind(0.05, CampaignFlow(Holds(), RefusedCampaigns(), Conditions(random.Random(1))))
        self.forecast = Forecast(self.scheduler)
        self._last = 0

    def fill(
        self, campaign: str, count: int, source: Source | None = None, priority: Priority = Priority.NORMAL
    ) -> Source:
        """Queue a number of requests of one source."""
        source = source or Source()
        self.scheduler.push(NOW, [self.entry(campaign, source, priority) for _ in range(count)])
        return source

    def entry(self, campaign: str, source: Source, priority: Priority = Priority.NORMAL) -> Entry:
        """Make an entry that expires after the entries before it."""
        self._last += 1
        expires_at = NOW + 5_000.0 + self._last / 1_000
        return entry(str(self._last), campaign, source=source, expires_at=expires_at, priority=priority)

    def told(self, newcomer: Entry) -> float:
        """Return the forecast for an entry."""
        return self.forecast.wait_s(NOW, newcomer, RATE)

    def replayed(self, newcomer: Entry) -> float:
        """Return how long an entry really waits: form calls until it is in one."""
        self.scheduler.push(NOW, [newcomer])
        for campaign in self.scheduler.drain():
            self.scheduler.consider(NOW, campaign)
        calls = 0
        while True:
            entries, _ = self.scheduler.form(NOW)
            self.scheduler.formed(NOW, entries[0].request.campaign_id)
            calls += 1
            if newcomer in entries:
                return calls / RATE


@pytest.mark.parametrize("seed", range(cases(4, 20)))
def test_honest_within_a_factor_of_two(seed: int) -> None:
    """Where campaigns and sources have backlogs, the forecast is within twice and half of what is."""
    rng, world = random.Random(seed), World()
    sources = []
    for number in range(rng.choice([1, 2, 5, 20])):
        for _ in range(rng.choice([1, 2, 5])):
            campaign = f"c{number}"
            source = Source(weight=rng.choice([1, 1, 1, 2, 5]))
            sources.append((campaign, world.fill(campaign, rng.choice([50, 200, 500]), source)))
    campaign, source = rng.choice(sources)
    newcomer = world.entry(campaign, source)
    told = world.told(newcomer)
    really = world.replayed(newcomer)
    assert really / 2 - 0.2 <= told <= really * 2 + 0.2, f"told {told}, really {really}"


@pytest.mark.parametrize("chunk", range(cases(2, 5)))
def test_honest_among_callers(chunk: int) -> None:
    """Where callers share campaigns or have their own, nearly every forecast is near what is.

    In whose call of a shared campaign there is room for others cannot be told exactly.
    """
    found = [_among_callers(random.Random(seed)) for seed in range(chunk, 50, 5)]
    wrong = [(told, really) for told, really in found if not really / 2.5 <= told + 0.5 <= really * 2.5 + 1.0]
    assert len(wrong) <= 1, wrong


def _among_callers(rng: random.Random) -> tuple[float, float]:
    """Return the forecast for a new caller among others, and how long it really waits."""
    world = World()
    sources = []
    campaigns = rng.choice([2, 10, 50])
    for number in range(rng.choice([2, 5, 20])):
        caller = f"caller-{number}"
        weight = rng.choice([1, 1, 1, 3])
        for _ in range(rng.choice([1, 2, 20])):
            shared = rng.random() < 0.5
            campaign = f"c{rng.randrange(campaigns)}" if shared else f"{caller}-{rng.randrange(30)}"
            source = Source(caller=caller, weight=weight)
            sources.append((campaign, world.fill(campaign, rng.choice([1, 10, 100, 400]), source)))
    campaign, source = rng.choice(sources)
    if rng.random() < 0.3:
        source = Source(caller=rng.choice(["new", source.caller]))
        campaign = rng.choice([campaign, "new"])
    newcomer = world.entry(campaign, source)
    return world.told(newcomer), world.replayed(newcomer)


def test_a_new_campaign_waits_for_one_round() -> None:
    """A new campaign waits for one call of each campaign of its caller, not of other callers."""
    world = World()
    for number in range(400):
        world.fill(f"c{number}", 1, Source(caller="many"))
    late = Entry(dial("late", "mine"), NOW + 10.0, entry("x", source=Source(caller="many")).awaited_by)
    assert world.forecast.would_expire(NOW, late, RATE) == pytest.approx(40.0, abs=1.0)
    other = Entry(dial("late", "mine"), NOW + 10.0, entry("x", source=Source(caller="other")).awaited_by)
    assert world.forecast.would_expire(NOW, other, RATE) is None


def test_a_higher_priority_is_not_behind_lower_ones_of_other_campaigns() -> None:
    """HIGH is not told to wait for the NORMAL campaigns of its caller."""
    world = World()
    for number in range(400):
        world.fill(f"c{number}", 1)
    high = entry("high", "mine", expires_at=NOW + 4.0, priority=Priority.HIGH)
    assert world.forecast.would_expire(NOW, high, RATE) is None


def test_what_is_in_doubt_is_told_of_its_turn() -> None:
    """Of a caller's many wrong ids, those without a turn in time are told so; other callers are not."""
    bench, wrong, other = Bench(forecast=True), Caller(), Caller()
    wrong.source.caller, other.source.caller = "wrong", "other"
    now = NOW
    for number in range(40):
        bench.send(now, wrong, dial(f"t{number}", f"lead-{number}", expires_at=NOW + 600.0))
    for _ in range(60):
        now += 0.1
        for batch in bench.poll(now).batches:
            bench.complete(now, batch, failure=CampaignNotFound())
    for number in range(40, 200):
        bench.send(now, wrong, dial(f"t{number}", f"lead-{number}", expires_at=now + 60.0))
    told = [answer for answer in wrong.answers.values() if answer.reason is Reason.WOULD_EXPIRE]
    assert 60 <= len(told) <= 120
    assert bench.send(now, other, dial("true", "true", expires_at=now + 8.0)) is None


@pytest.mark.parametrize("weight", [1, 5])
def test_a_heavy_source_waits_for_fewer_of_the_others(weight: int) -> None:
    """A stream that weighs more gets more of each round, and its forecast says so."""
    world, source = World(), Source(weight=weight)
    world.fill("a", 1000, source)
    for _ in range(4):
        world.fill("a", 1000)
    newcomer = world.entry("a", source)
    told = world.told(newcomer)
    really = world.replayed(newcomer)
    assert really / 1.2 - 0.2 <= told <= really * 1.2 + 0.2, f"told {told}, really {really}"


def test_never_refuses_where_all_backlog_fits() -> None:
    """If the whole backlog fits into its time, no request is refused."""
    world = World()
    source = world.fill("a", 2_500)
    newcomer = world.entry("a", source)
    for left_s, refused in ((10.0, False), (8.0, False), (2.0, True)):
        late = Entry(newcomer.request, NOW + left_s, newcomer.awaited_by)
        late.expires_at = NOW + left_s
        told = world.forecast.would_expire(NOW, late, RATE)
        assert refused or told is None
    assert world.forecast.would_expire(NOW, newcomer, 0.0) is None


def test_newcomers_are_not_behind_the_backlogs_of_others() -> None:
    """A campaign and a source with nothing waiting are not told to wait for the backlogs of others."""
    world = World()
    world.fill("big", 4_000)
    for campaign in ("small", "big"):
        newcomer = entry("new", campaign, expires_at=NOW + 4.0)
        assert world.forecast.would_expire(NOW, newcomer, RATE) is None


def test_an_urgent_request_in_a_long_backlog_of_its_source() -> None:
    """A request that expires soon goes before its source's long backlog and is not refused for it."""
    world, source = World(), Source()
    world.fill("a", 30_000, source)
    for number in range(20):
        urgent = entry(f"urgent{number}", "a", source=source, expires_at=NOW + 4.0)
        assert world.forecast.would_expire(NOW, urgent, RATE) is None
        world.scheduler.push(NOW, [urgent])


def test_higher_priority_is_not_behind_lower() -> None:
    """HIGH is not told to wait for the BULK of its campaign."""
    world, source = World(), Source()
    world.fill("a", 4_000, source, Priority.BULK)
    high = entry("high", "a", source=source, expires_at=NOW + 4.0, priority=Priority.HIGH)
    assert world.forecast.would_expire(NOW, high, RATE) is None


def test_backlogs_are_cut_at_the_place() -> None:
    """Of each backlog, as many requests go first as stand before this one in its own."""
    backlogs = Backlogs((size, 1) for size in (10, 3, 7, 100))
    for place in (0, 1, 3, 5, 50, 200):
        assert backlogs.before(place) == sum(min(size, place) for size in (10, 3, 7, 100))


def test_backlogs_that_weigh_more_go_further_before() -> None:
    """A backlog of weight 5 puts five before a request for each of weight 1 that is before it in its own."""
    backlogs = Backlogs([(100, 5), (100, 1), (4, 1)])
    assert backlogs.before(10) == 50 + 10 + 4
    assert backlogs.before(10, weight=5) == 10 + 2 + 2
    assert backlogs.before(1000) == 204


class CountedWalks(Scheduler):
    """A scheduler that counts how often its campaigns are read."""

    walks = 0

    def campaigns(self) -> Iterator[CampaignQueue]:
        """Count one more reading."""
        self.walks += 1
        return super().campaigns()


def test_forecasts_do_not_read_every_campaign() -> None:
    """Between two refreshes no campaign is read again, however many forecasts are made."""
    world = World(CountedWalks)
    assert isinstance(world.scheduler, CountedWalks)
    source = world.fill("mine", 500)
    for number in range(200):
        world.fill(f"c{number}", 10)
    for step in range(1_000):
        late = Entry(dial("late", "mine"), NOW + 1.0 + step / 1_000, entry("x", source=source).awaited_by)
        world.forecast.would_expire(NOW + step / 1_000, late, RATE)
    assert 1 <= world.scheduler.walks <= 3


class Counted(Scheduler):
    """A scheduler that counts the campaigns that a forecast reads."""

    read = 0

    def campaigns(self) -> Iterator[CampaignQueue]:
        """Yield and count the campaigns."""
        for campaign in super().campaigns():
            self.read += 1
            yield campaign


def test_requests_of_one_instant_read_one_slice_of_the_campaigns() -> None:
    """However many forecasts are made at once, the campaigns are read in slices, some time apart."""
    scheduler = Counted(0.05, CampaignFlow(Holds(), RefusedCampaigns(), Conditions(random.Random(1))))
    forecast, source = Forecast(scheduler), Source()
    for number in range(3 * SLICE):
        scheduler.push(NOW, [entry("t", f"c{number}", source=source)])
    late = entry("late", "c0", source=source, expires_at=NOW + 1.0)
    for slices in (1, 2, 3):
        now = NOW + slices * SLICE_EVERY_S
        for _ in range(100):
            forecast.wait_s(now, late, RATE)
        assert scheduler.read == slices * SLICE
    assert forecast.wait_s(NOW + 4 * SLICE_EVERY_S, late, RATE) > 100.0


@pytest.mark.parametrize("forecast", [True, False])
def test_a_request_that_would_expire_is_answered_at_once(forecast: bool) -> None:
    """A request whose turn comes too late is EXPIRED at once with the estimate, if that is switched on."""
    bench, caller = Bench(forecast=forecast), Caller()
    bench.send_all(NOW, caller, *many(10_000))  # 40 s of calls
    answer = bench.send(NOW, caller, dial("late", expires_at=NOW + 300.0))
    assert answer is None
    late = Caller()
    for number in range(5_000):
        assert bench.send(NOW, late, dial(f"l{number}", expires_at=NOW + 600.0)) is None
    answer = bench.send(NOW + 1.0, caller, dial("too-late", expires_at=NOW + 9.0))
    assert answer is None  # it goes first among its source's
    backlog = Caller()
    for number in range(5_000):
        bench.send(NOW + 1.0, backlog, dial(f"b{number}", expires_at=NOW + 20.0))
    outcomes = {told.reason for told in backlog.answers.values()}
    assert outcomes == ({Reason.WOULD_EXPIRE} if forecast else set())
    assert {told.outcome for told in backlog.answers.values()} <= {Outcome.EXPIRED}
    assert all(told.retry_after_s and told.retry_after_s > 14.0 for told in backlog.answers.values())


def test_held_backlogs_delay_no_other_campaign() -> None:
    """The backlog of a held campaign is not counted in the forecast of another one."""
    late: list[bool] = []
    for held in (True, False):
        bench, caller, other = Bench(forecast=True), Caller(), Caller()
        for number in range(10_000):
            bench.send(NOW, caller, dial(f"h{number}", "held", expires_at=NOW + 600.0))
        if held:
            bench.engine.operator_actions.hold(NOW, "held", Hold("me", "", NOW))
        for number in range(2_000):
            bench.send(NOW + 1.0, other, dial(f"o{number}", "other", expires_at=NOW + 15.0))
        late.append(bench.send(NOW + 2.0, other, dial("last", "other", expires_at=NOW + 15.0)) is not None)
    assert late == [False, True]
