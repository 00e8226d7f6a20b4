"""Nothing is sent to Connect once the expiration is less than the headroom away."""

import random
import time

import pytest

from gateway.simulator import FaultKind, SimulatorSettings
from tests.integration.world import World, WorldOptions, dial, dials, until, verdict, verdicts, world_of
from tests.stopwatch import Stopwatch

PASSED = "EXPIRED EXPIRATION_PASSED SAME_TOKEN"


async def test_an_expiry_within_the_headroom_is_answered_at_once(world: World) -> None:
    """A request that expires within the headroom is EXPIRED at once and never sent; a later one is sent."""
    results = await world.ask(dial("near", expires_in=4.5), dial("far", expires_in=60))
    assert verdicts(results) == [PASSED, "ACCEPTED"]
    assert (world.dialed("near"), world.dialed("far"), results[0].attempts) == (0, 1, 0)


@pytest.mark.timed
async def test_an_expiry_while_waiting_for_a_permit() -> None:
    """A request that expires while it waits for a permit is EXPIRED in time, and never sent."""
    async with world_of(call_rate=0.1, call_burst=1.0, expiry_headroom=1.0) as world:
        caller = world.stream()
        await caller.send(*dials(25, "first"))
        await caller.read(25)
        watch = Stopwatch()
        await caller.send(dial("late", expires_in=1.5), dial("later", expires_in=1.7))
        results = await caller.read(2)
        assert [(result.client_token, verdict(result)) for result in results] == [
            ("late", PASSED),
            ("later", PASSED),
        ]
        assert watch.took_s < 1.5
        assert len(world.calls()) == 1


@pytest.mark.timed
async def test_an_expiry_while_connect_hangs() -> None:
    """Requests that expire behind a hanging call are EXPIRED unsent; the requests of the call are UNKNOWN."""
    async with world_of(max_concurrent_calls=1, call_timeout=4.0, expiry_headroom=0.5) as world:
        world.hang()
        caller = world.stream()
        await caller.send(*dials(25, "sent", expires_in=3.8))
        await until(world.calls)
        await caller.send(dial("behind", expires_in=3.5))
        results = await caller.ask()
        assert [verdict(result) for result in results if result.client_token == "behind"] == [PASSED]
        sent = [verdict(result) for result in results if result.client_token != "behind"]
        assert sent == ["UNKNOWN CONNECT_UNREACHABLE SAME_TOKEN"] * 25
        assert len(world.calls()) == 1


@pytest.mark.timed
async def test_an_expiry_under_the_account_throttle() -> None:
    """A request that Connect throttles until it expires is EXPIRED with reason THROTTLED."""
    options = WorldOptions(simulator=SimulatorSettings(), rng=random.Random(1))
    async with world_of(options, call_rate=50.0, expiry_headroom=0.5) as world:
        world.fault(FaultKind.EXCEPTION, code="ThrottlingException")
        (result,) = await world.ask(dial("a", expires_in=1.5))
        assert verdict(result) == "EXPIRED THROTTLED SAME_TOKEN"
        assert result.attempts >= 1
        assert world.dialed("a") == 0


@pytest.mark.timed
async def test_an_expiry_under_the_throttle_for_capacity() -> None:
    """An item throttled for capacity until it expires is EXPIRED/THROTTLED; others continue."""
    async with world_of(expiry_headroom=0.2) as world:
        world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled", token="a")
        begun = time.time()
        results = await world.ask(dial("a", expires_in=4.0), dial("b"))
        assert verdicts(results) == ["EXPIRED THROTTLED SAME_TOKEN", "ACCEPTED"]
        assert results[0].attempts >= 2
        assert max(call.at for call in world.calls()) < begun + 3.9


@pytest.mark.timed
async def test_an_expiry_in_doubt_is_unknown() -> None:
    """A request that expires while in doubt is UNKNOWN, whatever else has happened to it since."""
    async with world_of(expiry_headroom=0.2, max_attempts=1000) as world:
        world.fault(FaultKind.LATENCY, latency_s=1.5, count=1)
        world.fault(FaultKind.EXCEPTION, code="InternalServerException", after_work=True, count=1)
        caller = world.stream()
        await caller.send(dial("a", expires_in=4.0))
        await until(world.calls)
        world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled")
        (result,) = await caller.ask()
        assert verdict(result) == "UNKNOWN CONNECT_ERROR SAME_TOKEN"
        assert world.dialed("a") == 1


@pytest.mark.timed
async def test_no_attempt_is_made_after_the_expiry() -> None:
    """However long Connect fails, no call arrives within the headroom of its earliest expiration."""
    async with world_of(expiry_headroom=1.5, max_attempts=100_000) as world:
        world.fault(FaultKind.EXCEPTION, code="InternalServerException")
        expires = time.time() + 4.0
        results = await world.ask(*dials(20, expires_in=4.0), dial("patient", expires_in=4.5))
        assert [verdict(result) for result in results] == ["UNKNOWN CONNECT_ERROR SAME_TOKEN"] * 21
        with_all = [call.at for call in world.calls() if call.items > 1]
        assert len(with_all) >= 2
        # A second of the headroom is for calls that arrive late.
        assert max(with_all) < expires - 0.5
        assert max(call.at for call in world.calls()) < expires + 0.5 - 0.5


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.gained_s = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""
        return time.time() + self.gained_s


@pytest.mark.timed
async def test_the_wall_clock_is_set_forward_while_requests_wait() -> None:
    """After a clock correction of ten minutes, expired requests are answered and never sent."""
    wall = Wall()
    async with world_of(WorldOptions(wall=wall), call_rate=0.05, call_burst=1.0, would_expire=False) as world:
        caller = world.stream()
        await caller.send(*dials(25, "first"))
        await caller.read(25)
        await caller.send(*dials(500, "late", expires_in=300))
        await until(lambda: world.gateway.engine.outstanding == 500)
        wall.gained_s = 600.0
        results = await caller.read(500)
        assert set(verdicts(results)) <= {PASSED, "ACCEPTED"}
        assert verdicts(results).count(PASSED) >= 475  # one more call may have been sent before
        assert len(world.calls()) <= 2
