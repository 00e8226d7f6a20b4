"""The script of the quota does on real servers what its rules in plain Python do."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import pytest
import valkey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.fleet.messages import DemandRow, FleetSettings, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Reply, script
from gateway.shared_state.commands.tick import tick_call, tick_reply
from gateway.shared_state.rules.quota import QuotaRules
from tests.cases import cases
from tests.shared_state.servers import Server

KEYS = Keys("agreement")
MEMBERS = ("a-1", "b-ü", "c 3")
CLOCK = b"time[1] * 1000 + math.floor(time[2] / 1000) + clock_shift_ms"
START_MS = 1_900_000_000_000
USUAL = FleetSettings(10.0, 10.0, 1200.0)


@dataclass
class Replica:
    """What one replica would tell of itself; the test decides what it does."""

    member: str
    sequence: int = 0
    acknowledged: int = 0
    reply: TickReply | None = None
    held: list[tuple[int, int]] = field(default_factory=list)
    settings: FleetSettings = USUAL

    def received(self, reply: TickReply) -> None:
        self.acknowledged = self.sequence
        self.reply = reply
        self.held = [(grant.number, grant.count) for grant in reply.permits]


class Store:
    """A real server whose clock the test sets to the millisecond, and the rules beside it."""

    def __init__(self, server: Server) -> None:
        self.client = valkey.Valkey(port=server.port)
        text = script("tick").text
        assert CLOCK in text
        self.text = text.replace(CLOCK, b"clock_shift_ms")
        self.empty()

    def empty(self) -> None:
        self.client.flushall()
        self.rules = QuotaRules()
        self.now_ms = START_MS

    def tick(self, request: TickRequest) -> TickReply:
        call = tick_call(KEYS, request)
        found = cast("Reply", self.client.eval(self.text, 1, *call.keys, *call.args, self.now_ms))  # type: ignore[arg-type]
        reply = tick_reply(found)
        assert reply == self.rules.tick(self.now_ms, self.replication(), request)
        return reply

    def replication(self) -> str:
        return cast("dict[str, str]", self.client.info("replication"))["master_replid"]

    def flush(self) -> None:
        self.client.flushall()
        self.rules = QuotaRules()

    def change_history(self) -> None:
        """Give the server another replication history, as a promotion does."""
        self.client.replicaof("127.0.0.1", "1")
        self.client.replicaof("NO", "ONE")


@pytest.fixture
def store(shared_server: Server) -> Iterator[Store]:
    store = Store(shared_server)
    yield store
    store.client.close()


class Step(NamedTuple):
    """One step of a replica: what it tells, and what happens to the message and its reply."""

    wait_ms: int
    who: int
    demand: tuple[DemandRow, ...]
    settings: FleetSettings | None
    used: int
    returned: int
    numbers: tuple[int, int, int, int, int, int]
    throttled: bool
    gone: tuple[str, ...]
    fate: str


_rows = st.builds(
    DemandRow,
    priority=st.sampled_from(list(Priority)),
    caller=st.sampled_from(["", "alice", "bob"]),
    campaign_id=st.sampled_from(["c1", "c2", "c3", "ü%"]),
    calls=st.integers(1, 40),
    full=st.booleans(),
    weight=st.integers(1, 3),
    doubtful=st.booleans(),
)
_numbers = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, 3, 8, 8, 400]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 2]),
)
_settings = st.builds(
    FleetSettings,
    call_rate=st.sampled_from([10.0, 10.0, 7.3, 1000.0, 0.0]),
    call_burst=st.sampled_from([10.0, 10.0, 2.5, 1000.0]),
    replay_window_s=st.sampled_from([1200.0, 60.0]),
    longest_outage_s=st.sampled_from([600.0, 1.5]),
)
_steps = st.builds(
    Step,
    wait_ms=st.sampled_from([0, 1, 20, 67, 67, 67, 67, 67, 67, 200, 450, 900, 3000]),
    who=st.integers(0, 2),
    demand=st.lists(_rows, max_size=8, unique_by=lambda row: (row.caller, row.campaign_id)).map(tuple),
    settings=st.one_of(*[st.none()] * 20, _settings),
    used=st.sampled_from([0, 1, 40, 40]),
    returned=st.integers(0, 8),
    numbers=_numbers,
    throttled=st.sampled_from([False] * 6 + [True]),
    gone=st.sampled_from([(), (), (), MEMBERS[:1], MEMBERS[1:]]),
    fate=st.sampled_from(["arrives"] * 20 + ["lost", "repeated", "stale", "leaves", "restarts"]),
)
_events = st.one_of(*[_steps] * 30, st.sampled_from(["flush", "history"]))


def request_of(step: Step, replica: Replica) -> TickRequest:
    reply = replica.reply
    in_flight, room, accepted, first_attempts, retries, retries_waiting = step.numbers
    return TickRequest(
        member=replica.member,
        name=replica.member[0],
        sequence=replica.sequence,
        settings=replica.settings,
        acknowledged=replica.acknowledged,
        epoch=reply.epoch if reply else "",
        known=reply.members if reply else (),
        used=tuple(replica.held[: step.used]),
        returned=tuple((number, count) for number, count in replica.held[step.used :][: step.returned]),
        in_flight=in_flight,
        room=room,
        throttled=tuple(number for number, _ in replica.held[:1]) if step.throttled else (),
        accepted=accepted,
        first_attempts=first_attempts,
        retries=retries,
        retries_waiting=retries_waiting,
        demand=step.demand,
        gone=step.gone,
        leaving=step.fate == "leaves",
    )


def take(store: Store, step: Step, replicas: list[Replica], names: Iterator[int]) -> None:
    store.now_ms += step.wait_ms
    replica = replicas[step.who]
    if step.fate == "restarts":
        replica = replicas[step.who] = Replica(f"{MEMBERS[step.who]}-{next(names)}")
    if step.fate != "repeated":
        replica.sequence += 1
    replica.settings = step.settings or replica.settings
    request = request_of(step, replica)
    reply = store.tick(request)
    if step.fate == "stale":
        store.tick(request)
    if step.fate == "leaves":
        replicas[step.who] = Replica(f"{MEMBERS[step.who]}-{next(names)}")
    elif step.fate != "lost":
        replica.received(reply)


def with_permits(store: Store, base: FleetSettings) -> list[Replica]:
    """Return replicas that the store knows and grants permits to."""
    replicas = [Replica(member, settings=base) for member in MEMBERS]
    for tick in range(24):
        store.now_ms += 67
        replica = replicas[tick % 3]
        replica.sequence += 1
        replica.received(store.tick(request_of(IDLE, replica)))
    return replicas


IDLE = Step(0, 0, (), None, 0, 0, (0, 8, 0, 0, 0, 0), throttled=False, gone=(), fate="arrives")


@given(_settings, st.lists(_events, min_size=15, max_size=60))
@settings(max_examples=cases(12, 100), suppress_health_check=list(HealthCheck))
def test_script_and_rules_agree_on_any_ticks(
    store: Store, base: FleetSettings, events: list[Step | str]
) -> None:
    store.empty()
    replicas, names = with_permits(store, base), itertools.count()
    for event in events:
        if event == "flush":
            store.flush()
        elif event == "history":
            store.change_history()
        elif isinstance(event, Step):
            take(store, event, replicas, names)


@pytest.mark.parametrize("idle", [IDLE, IDLE._replace(numbers=(0, 8, 0, 0, 0, 3))], ids=["idle", "retries"])
def test_they_agree_when_turns_end_and_begin_again(store: Store, idle: Step) -> None:
    """While nobody has rows, with calls for a further attempt or without, turns lose their places."""
    store.empty()
    (replica, *_) = with_permits(store, USUAL)
    rows = tuple(DemandRow(Priority.NORMAL, caller, "c1", 50, full=True) for caller in ("alice", "bob"))
    busy = IDLE._replace(demand=rows, used=40, numbers=(0, 400, 0, 0, 0, 0))
    idle = idle._replace(used=40)
    for step in (busy, busy, idle, busy, busy, busy, idle, busy, idle, busy):
        store.now_ms += 110
        replica.sequence += 1
        replica.received(store.tick(request_of(step, replica)))


@pytest.mark.parametrize("rate", [10.0, 1000.0])
def test_they_agree_over_a_long_backlog_with_throttles(store: Store, rate: float) -> None:
    """The backlog lasts long enough for passed-over priorities, weights, cuts and their recovery."""
    store.empty()
    replicas = with_permits(store, FleetSettings(rate, max(10.0, rate), 1200.0))
    rows = tuple(
        DemandRow(priority, caller, f"{caller}-{int(priority)}", 500, full=True, weight=weight)
        for priority in (Priority.HIGH, Priority.BULK)
        for caller, weight in (("light", 1), ("heavy", 7))
    )
    for tick in range(150):
        store.now_ms += 67
        replica = replicas[tick % 3]
        replica.sequence += 1
        step = IDLE._replace(
            demand=rows[tick % 3 :], used=40, numbers=(0, 400, 3, 3, 0, 0), throttled=tick % 25 == 24
        )
        replica.received(store.tick(request_of(step, replica)))
