"""Scripts and rules agree on all operations together, and the test notices where they do not.

`test_control_agreement.py` and its neighbors test each part more closely.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.core.campaigns.condition import Condition
from gateway.core.fleet.messages import (
    Claim,
    ConditionsRequest,
    ControlRequest,
    DemandRow,
    FleetAction,
    FleetActionKind,
    Settlement,
    SharedCondition,
    TokenState,
)
from gateway.core.model import Priority
from tests.cases import cases
from tests.shared_state.agreement import Agreement, Disagreement
from tests.shared_state.script_store import BASE_MS
from tests.shared_state.servers import Server
from tests.shared_state.test_quota_agreement import Step

MEMBERS = st.sampled_from(["one", "two words"])
CAMPAIGNS = st.sampled_from(["c1", "c1", "c1", "ü%{c}"])
VERSIONS = st.integers(0, 3) | st.integers(0, 3).map(lambda number: BASE_MS + number * 700)
WAITS_MS = st.sampled_from([7, 200, 1_000, 3_000, 30_000, 900_000])

requests = st.builds(
    ControlRequest,
    MEMBERS,
    VERSIONS,
    answered=st.dictionaries(VERSIONS, st.integers(0, 9), max_size=2),
    asks=st.lists(VERSIONS, max_size=2, unique=True).map(tuple),
    looking=st.booleans(),
)
actions = st.builds(
    FleetAction,
    st.sampled_from(FleetActionKind),
    CAMPAIGNS,
    st.sampled_from(["ops", "ünï 1"]),
    st.sampled_from(["", 'because "x"\n']),
    st.booleans(),
)
shared_conditions = st.builds(
    SharedCondition,
    CAMPAIGNS,
    st.sampled_from(["", "one", "two words"]),
    st.sampled_from([None, *Condition]),
    st.booleans(),
    st.integers(1, 25),
    st.sampled_from(["", "Running", 'a "state" of ü']),
    st.integers(-100, 3_000),
    st.integers(0, 9_000),
)
shares = st.builds(ConditionsRequest, VERSIONS, st.lists(shared_conditions, max_size=3).map(tuple))
TOKENS = st.sampled_from(["t1", "t2"])
FINGERPRINTS = st.sampled_from(["keyAfirst", "keyAfirst", "keyAsecond"])
LIVE = st.lists(MEMBERS, unique=True, max_size=3)
claims = st.lists(st.builds(Claim, TOKENS, FINGERPRINTS, st.integers(1, 2)), min_size=1, max_size=3)
states = st.sampled_from([TokenState.ACCEPTED, TokenState.UNKNOWN, None])
settlements = st.lists(
    st.builds(Settlement, TOKENS, FINGERPRINTS, st.integers(1, 2), states, st.sampled_from(["id 1", ""])),
    min_size=1,
    max_size=3,
)
rows = st.builds(
    DemandRow,
    st.sampled_from(Priority),
    st.sampled_from(["alice", "bob"]),
    CAMPAIGNS,
    st.integers(1, 9),
    st.booleans(),
)
ticks = st.builds(
    Step,
    wait_ms=st.just(0),
    who=st.integers(0, 2),
    demand=st.lists(rows, max_size=3, unique_by=lambda row: (row.caller, row.campaign_id)).map(tuple),
    settings=st.none(),
    used=st.sampled_from([0, 1, 40]),
    returned=st.integers(0, 2),
    numbers=st.just((1, 8, 2, 3, 1, 0)),
    throttled=st.booleans(),
    gone=st.sampled_from([(), (), ("one",)]),
    fate=st.sampled_from(["arrives", "arrives", "lost", "leaves"]),
)
OPERATIONS: dict[str, st.SearchStrategy[Any]] = {
    "step": st.tuples(ticks),
    "claim": st.tuples(CAMPAIGNS, MEMBERS, LIVE, claims),
    "settle": st.tuples(CAMPAIGNS, MEMBERS, settlements),
    "look_up": st.tuples(CAMPAIGNS, LIVE, st.lists(TOKENS, min_size=1, unique=True)),
    "marks": st.just(()),
    "doubt": st.tuples(st.sampled_from([0.6, 30.0])),
    "keep_key": st.tuples(st.sampled_from([b"\x00one", b"two"])),
    "exchange": st.tuples(requests),
    "act": st.tuples(actions),
    "publish": st.tuples(MEMBERS, st.binary(max_size=4), st.sampled_from([1.0, 5.3])),
    "reports": st.just(()),
    "share": st.tuples(shares),
    "wait": st.tuples(WAITS_MS),
    "flush": st.just(()),
    "save": st.just(()),
    "fail_over": st.just(()),
}
"""The arguments of each operation of `Agreement`, by its name."""
PARTS = {
    "ledger": ("claim", "settle", "look_up"),
    "holds": ("exchange", "act"),
    "conditions": ("share",),
    "everything": (*OPERATIONS,),
}
"""Operations that are tested together. Those of one script meet each other more often without the rest."""


def check(
    server: Server, edits: Mapping[str, tuple[str, str]], examples: int, names: Sequence[str] = (*OPERATIONS,)
) -> None:
    """Carry out random operations of these names on both."""
    operations = st.one_of([st.tuples(st.just(name), OPERATIONS[name]) for name in names])

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(st.lists(operations, min_size=10, max_size=40))
    def agree(steps: list[tuple[str, tuple[object, ...]]]) -> None:
        agreement = Agreement(server, edits)
        try:
            agreement.carry_out(steps)
        finally:
            agreement.close()

    agree()


@pytest.mark.parametrize("part", PARTS)
def test_scripts_and_rules_agree(shared_server: Server, part: str) -> None:
    """Whatever replicas ask, and whatever the store loses, a real server and the rules reply the same."""
    check(shared_server, {}, examples=cases(15, 150), names=PARTS[part])


@pytest.mark.parametrize(
    ("script", "right", "wrong", "operations"),
    [
        ("control", "'looking_until') and 1", "'looking_until') and 0", "exchange"),
        ("control", "counter('version') + 1", "counter('version') + 2", "act"),
        ("conditions", "<= seen", "< seen", "share"),
        ("conditions", "math.max(version + 1, now)", "version + 1", "share"),
        ("claim", "return 'elsewhere'", "return 'conflict'", "claim"),
        ("settle", "mine = claimed_by == member", "mine = true", "claim settle look_up"),
        (
            "look_up",
            "'GET', KEYS[others + index]",
            "'GET', KEYS[1]",
            "claim look_up",
        ),
    ],
)
def test_a_wrong_script_is_noticed(
    shared_server: Server, script: str, right: str, wrong: str, operations: str
) -> None:
    """A change of one number in a script makes few random operations fail."""
    with pytest.raises(Disagreement):
        check(shared_server, {script: (right, wrong)}, examples=50, names=operations.split())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("rate * AHEAD_S", "rate * 2 * AHEAD_S"), ("state.rate * RATE_CUT", "state.rate * 0.95")],
)
def test_a_wrong_tick_is_noticed(shared_server: Server, right: str, wrong: str) -> None:
    """A script that grants permits otherwise, or cuts the rate otherwise after a throttle, is noticed."""
    agreement = Agreement(shared_server, {"tick": (right, wrong)})
    row = DemandRow(Priority.NORMAL, "alice", "c1", 9, full=True)
    steps: list[tuple[str, tuple[object, ...]]] = []
    for number in range(40):
        one = Step(0, 0, (row,), None, 40, 0, (1, 8, 2, 3, 1, 0), number > 10, (), "arrives")
        steps += [("wait", (200,)), ("step", (one,))]
    with pytest.raises(Disagreement):
        agreement.carry_out(steps)
    agreement.close()


@pytest.mark.parametrize(
    ("right", "wrong", "wait_ms"),
    [
        ("math.max(window_ms,", "math.max(2 * window_ms,", 900_000),
        ("math.max(window_ms,", "math.max(window_ms / 2,", 400_000),
        ("live[claimed_by] and stale_ms", "live[claimed_by] and recent_ms", 30_000),
    ],
)
def test_a_wrong_period_is_noticed(shared_server: Server, right: str, wrong: str, wait_ms: int) -> None:
    """A script whose records or claims last longer or shorter than the rules say is noticed."""
    agreement = Agreement(shared_server, {"claim": (right, wrong)})
    agreement.claim("c1", "one", ["one"], [Claim("t1", "keyAfirst", 1)])
    agreement.wait(wait_ms)
    with pytest.raises(Disagreement):
        agreement.claim("c1", "two", ["one", "two"], [Claim("t1", "keyAfirst", 1)])
    agreement.close()
