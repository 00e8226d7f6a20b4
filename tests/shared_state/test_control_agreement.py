"""The scripts of holds, actions and reports do on real servers what their rules in plain Python do."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, cast

import pytest
import valkey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.campaigns.holds import HOLD_LIMIT, TooManyHolds
from gateway.core.fleet.messages import ControlReply, ControlRequest, FleetAction, FleetActionKind
from gateway.shared_state.commands import control as commands
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall, script
from gateway.shared_state.port import ActionTooLate
from gateway.shared_state.rules.control import HISTORY, SEEN_AGAIN_MS, SEEN_KEPT_MS, ControlRules
from tests.cases import cases
from tests.shared_state.servers import Server

KEYS = Keys("agreement")
MEMBERS = ("one", "two")
CAMPAIGNS = ("c1", "c2", "ü%{c}")
STEP_MS = 700
"""Time passes in such steps, so that no period of the rules ends within some milliseconds of an operation."""


class Store:
    """A real server whose clock the test sets, and the rules beside it."""

    def __init__(self, server: Server) -> None:
        self.client = valkey.Valkey(port=server.port)
        self.client.flushall()
        self.client.script_flush()
        self.rules = ControlRules()
        self.now_ms = self._real_ms() + 1_000_000
        self._saved: tuple[ControlRules, dict[bytes, bytes]] = copy.deepcopy(self.rules), {}

    def close(self) -> None:
        self.client.close()

    def exchange(self, request: ControlRequest) -> ControlReply:
        reply = commands.control_reply(request, self.run(commands.control_call(KEYS, request)))
        assert _sorted(reply) == _sorted(self.rules.exchange(reply.now_ms, request))
        return reply

    def act(self, action: FleetAction) -> FleetAction | None:
        reply = self.run(commands.act_call(KEYS, action))
        try:
            answer = commands.act_reply(action, reply)
        except ActionTooLate:
            with pytest.raises(ActionTooLate):
                self.rules.act(self.now_ms, action)
            return None
        assert self.rules.act(self.now_ms if answer is None else answer.at_ms, action) == answer
        return answer

    def publish(self, member: str, report: bytes, keep_s: float) -> None:
        self.run(commands.publish_call(KEYS, member, report, keep_s))
        self.rules.publish(self.now_ms, member, report, keep_s)

    def reports(self) -> None:
        found = commands.reports_reply(self.run(commands.reports_call(KEYS)))
        assert found == self.rules.reports(self.now_ms)

    def flush(self) -> None:
        self.client.flushall()
        self.rules = ControlRules()

    def save(self) -> None:
        """Remember all data, as a replica of the server that gets no further writes."""
        names = cast("list[bytes]", self.client.keys("*"))
        dumps = {name: cast("bytes", self.client.dump(name)) for name in names}
        self._saved = copy.deepcopy(self.rules), dumps

    def fail_over(self) -> None:
        """Return to what was remembered."""
        self.rules, dumps = copy.deepcopy(self._saved[0]), self._saved[1]
        self.client.flushall()
        for name, dump in dumps.items():
            self.client.restore(name, 0, dump)

    def run(self, call: ScriptCall) -> Reply:
        shift_ms = self.now_ms - self._real_ms()
        text = script(call.script).text
        return cast("Reply", self.client.eval(text, len(call.keys), *call.keys, *call.args, shift_ms))  # type: ignore[arg-type]

    def _real_ms(self) -> int:
        seconds, micros = cast("tuple[int, int]", self.client.time())
        return seconds * 1000 + micros // 1000


def _sorted(reply: ControlReply) -> tuple[object, ...]:
    """Return a reply so that the order of holds does not matter: the server keeps none."""
    holds = None if reply.holds is None else sorted(reply.holds, key=lambda hold: hold.campaign_id)
    rest = (reply.version, reply.now_ms, reply.actions, reply.lost, reply.looking)
    return (*rest, holds, dict(reply.seen), {version: dict(each) for version, each in reply.answered.items()})


@pytest.fixture
def store(shared_server: Server) -> Iterator[Store]:
    store = Store(shared_server)
    yield store
    store.close()


# --- random operations ---------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One operation of a member; what does not concern its kind is ignored."""

    kind: str
    member: str
    campaign: str
    number: int
    flag: bool


KINDS = (
    *("beat", "beat", "beat", "look", "answered", "ask", "record", "restore"),
    *("hold", "hold", "release", "purge", "publish", "reports"),
    *("pass", "flush", "save", "fail over"),
)
operations = st.lists(
    st.builds(
        Operation,
        st.sampled_from(KINDS),
        st.sampled_from(MEMBERS),
        st.sampled_from(CAMPAIGNS),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=40,
)


class Session:
    """Carries out operations, as members that follow the replies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = dict.fromkeys(MEMBERS, 0)
        self._versions = [0]
        self._known: list[FleetAction] = []

    def carry_out(self, operation: Operation) -> None:
        store, (kind, member, campaign, number, flag) = self._store, operation
        version = self._versions[-1 - number % len(self._versions)]
        if kind in {"hold", "release", "purge"}:
            asked_at_ms = 0 if flag else store.now_ms - STEP_MS * number
            action = FleetAction(
                FleetActionKind(kind), campaign, f"op {number}", "wäit: 1 2", flag, at_ms=asked_at_ms
            )
            self._acted(store.act(action))
        elif kind == "record":
            self._beat(member, unrecorded=(_hold(campaign, number, flag, 1_000 * number),))
        elif kind == "restore" and self._known:
            self._beat(member, unrecorded=(self._known[number % len(self._known)],))
        elif kind == "answered":
            self._beat(member, answered={version: number})
        elif kind == "ask":
            self._beat(member, asks=(version, version + 1))
        elif kind in {"beat", "look"}:
            self._beat(
                member, recorded=(version, *self._versions[-2:]) if flag else (), looking=kind == "look"
            )
        elif kind == "publish":
            store.publish(member, bytes([number, 0, 32, 255]), 1.0 if flag else 5.3)
        elif kind == "pass":
            store.now_ms += STEP_MS * (number + 1) * (100 if flag else 1)
        elif kind in {"reports", "flush", "save", "fail over"}:
            getattr(store, kind.replace(" ", "_"))()

    def _beat(self, member: str, **more: object) -> None:
        reply = self._store.exchange(ControlRequest(member, self._seen[member], **more))  # type: ignore[arg-type]
        self._seen[member] = reply.version
        self._known = [*(reply.holds or ()), *self._known][:5]

    def _acted(self, recorded: FleetAction | None) -> None:
        if recorded is not None:
            self._versions.append(recorded.version)


def _hold(campaign: str, number: int, flag: bool, at_ms: int = 0) -> FleetAction:
    return FleetAction(FleetActionKind.HOLD, campaign, f"op {number}", "", flag, at_ms=at_ms)


@settings(max_examples=cases(30, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=operations)
def test_scripts_and_rules_agree(shared_server: Server, steps: list[Operation]) -> None:
    """Whatever members and operators do, and whatever the store loses, both give the same replies."""
    store = Store(shared_server)
    session = Session(store)
    try:
        for operation in steps:
            session.carry_out(operation)
        for member in MEMBERS:
            session.carry_out(Operation("ask", member, CAMPAIGNS[0], 0, flag=False))
    finally:
        store.close()


def test_an_offered_hold_replaces_only_another_one_that_is_older(store: Store) -> None:
    held = store.act(_hold("c1", 1, flag=False))
    assert held is not None
    for same_or_lost in (replace(held, version=0), replace(_hold("c1", 2, flag=False), version=5)):
        reply = store.exchange(ControlRequest("one", 0, unrecorded=(same_or_lost,)))
        assert reply.version == held.version
    reply = store.exchange(ControlRequest("one", 0, unrecorded=(_hold("c1", 2, flag=False),)))
    assert [hold.caller for hold in reply.holds or ()] == ["op 2"]
    assert reply.version > held.version


def test_a_member_is_forgotten_once_it_is_silent_and_not_before(store: Store) -> None:
    store.exchange(ControlRequest("silent", 5))
    for _ in range(SEEN_KEPT_MS // SEEN_AGAIN_MS + 1):
        store.exchange(ControlRequest("one", 7))
        store.now_ms += SEEN_AGAIN_MS
    action = store.act(FleetAction(FleetActionKind.PURGE, "c", "", ""))
    assert action is not None
    reply = store.exchange(ControlRequest("two", 7, asks=(action.version,)))
    assert set(reply.seen) == {"one", "two"}


# --- limits --------------------------------------------------------------------------------------------


def test_more_holds_than_allowed_are_refused(store: Store) -> None:
    """The limit of holds is that of one gateway; a hold of a held campaign and a release still work."""
    for number in range(HOLD_LIMIT):
        assert store.act(_hold(f"c{number}", number, flag=False)) is not None
    action = _hold("one more", 1, flag=False)
    with pytest.raises(TooManyHolds):
        commands.act_reply(action, store.run(commands.act_call(KEYS, action)))
    with pytest.raises(TooManyHolds):
        store.rules.act(store.now_ms, action)
    assert store.act(_hold("c7", 8, flag=True)) is not None
    reply = store.exchange(ControlRequest("one", 0, unrecorded=(action,)))
    assert reply.holds is not None
    assert len(reply.holds) == HOLD_LIMIT


def test_the_history_is_short(store: Store) -> None:
    """A replica that has missed more actions than are kept reads the table, and has lost nothing."""
    first = store.act(_hold("kept", 1, flag=False))
    assert first is not None
    for number in range(HISTORY):
        store.act(FleetAction(FleetActionKind.PURGE, "c", f"op {number}", ""))
    reply = store.exchange(ControlRequest("one", first.version))
    assert not reply.lost
    assert len(reply.actions) == HISTORY
    assert [hold.campaign_id for hold in reply.holds or ()] == ["kept"]
    store.flush()
    store.now_ms += STEP_MS
    store.act(FleetAction(FleetActionKind.PURGE, "c", "", ""))
    assert store.exchange(ControlRequest("one", first.version)).lost


# --- records that somebody has edited ------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "x", "1 2", "1 2 {}", '1 2 ["a",1,true]', "1 x [", b"\xff 1 []"])
def test_an_edited_hold_holds(store: Store, value: str | bytes) -> None:
    """A hold that cannot be read keeps its campaign held, and the others are read."""
    store.act(_hold("c1", 1, flag=True))
    store.client.hset(KEYS.of_fleet("holds"), "c2", value)  # type: ignore[arg-type]
    request = ControlRequest("one", 0)
    reply = commands.control_reply(request, store.run(commands.control_call(KEYS, request)))
    assert reply.holds is not None
    holds = {hold.campaign_id: hold for hold in reply.holds}
    assert holds["c1"].caller == "op 1"
    assert holds["c2"].reason == commands.UNREADABLE


def test_edited_actions_and_numbers_are_skipped(store: Store) -> None:
    """Odd values in the counters, the history and the members' versions break nothing."""
    first = store.act(_hold("c1", 1, flag=True))
    assert first is not None
    client, number = store.client, first.version + 1
    client.zadd(KEYS.of_fleet("actions"), {"nonsense": number, f"{number} 1 dance c1 []": number})
    client.hset(KEYS.of_fleet("control"), mapping={"looking_until": "soon", "trimmed": "x"})
    client.hset(KEYS.of_fleet("seen"), mapping={"two": "x", "one": "1 2 3"})
    assert store.act(_hold("c2", 1, flag=True)) is not None
    request = ControlRequest("one", first.version, asks=(first.version,))
    reply = commands.control_reply(request, store.run(commands.control_call(KEYS, request)))
    assert [action.campaign_id for action in reply.actions] == ["c2"]
    assert reply.seen["one"] == first.version
