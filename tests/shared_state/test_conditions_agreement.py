"""The script of shared conditions does on real servers what its rules in plain Python do."""

from collections.abc import Iterator
from typing import Any

import pytest
import valkey
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.core.campaigns.condition import Condition
from gateway.core.fleet.messages import ConditionsRequest, SharedCondition
from gateway.shared_state.commands import conditions
from gateway.shared_state.rules.conditions import GONE_MS, KEPT_MS, LIMIT, PAGE
from tests.cases import cases
from tests.shared_state.agreement import KEYS, Agreement
from tests.shared_state.servers import Server

STATES = ("", "Paused", 'new "state"\n', "1 2")


@pytest.fixture
def both(shared_server: Server) -> Iterator[Agreement]:
    """Return an empty server with the rules beside it."""
    agreement = Agreement(shared_server)
    yield agreement
    agreement.close()


def put(name: str = "c1", owner: str = "one", state: str = "Paused") -> SharedCondition:
    """Return a condition of a parked campaign."""
    return SharedCondition(name, owner, Condition.PARKED, True, 1, state, 1_000, 5_000)


conditions_told = st.builds(
    SharedCondition,
    st.sampled_from(["c1", "c2", "ü%{c}"]),
    st.sampled_from(["", "one", "two words"]),
    st.sampled_from([None, *Condition]),
    st.booleans(),
    st.integers(1, 25),
    st.sampled_from(STATES),
    st.integers(-100, 30_000),
    st.integers(0, 900_000),
)


steps = st.one_of(
    st.tuples(st.just("share"), st.integers(0, 1), st.lists(conditions_told, max_size=3).map(tuple)),
    st.tuples(st.just("share"), st.integers(0, 1), st.lists(conditions_told, max_size=3).map(tuple)),
    st.tuples(st.just("wait"), st.sampled_from([10, 700, KEPT_MS // 2, KEPT_MS, GONE_MS + 50])),
    st.tuples(st.sampled_from(["save", "fail_over", "flush"])),
)


@settings(
    max_examples=cases(30, 150), deadline=None, database=None, derandomize=True, phases=[Phase.generate]
)
@given(work=st.lists(steps, min_size=5, max_size=30))
def test_the_script_and_the_rules_agree(shared_server: Server, work: list[tuple[Any, ...]]) -> None:
    """Whatever replicas record, and whatever the store loses, both return the same."""
    both = Agreement(shared_server)
    seen = [0, 0]
    for name, *arguments in work:
        if name == "share":
            replica, puts = arguments
            seen[replica] = both.share(ConditionsRequest(seen[replica], puts)).version
        else:
            getattr(both, name)(*arguments)
    both.close()


def test_one_of_two_replicas_that_record_at_once_is_the_owner(both: Agreement) -> None:
    """The second has not read the condition of the first, so its own is not recorded, and it gets that."""
    first = both.share(ConditionsRequest(0, (put(owner="one"),)))
    second = both.share(ConditionsRequest(0, (put(owner="two"),)))
    assert [told.owner for told in first.conditions] == [told.owner for told in second.conditions] == ["one"]
    third = both.share(ConditionsRequest(second.version, (put(owner="two"),)))
    assert [told.owner for told in third.conditions] == ["two"]


def test_a_replica_reads_each_condition_once(both: Agreement) -> None:
    """A reply has only what is new, also if it was recorded within one millisecond."""
    version = both.share(ConditionsRequest(0, (put("c1"), put("c2")))).version
    assert both.share(ConditionsRequest(version)).conditions == ()
    both.share(ConditionsRequest(version, (put("c2", state="Stopped"),)))
    assert [told.state for told in both.share(ConditionsRequest(version)).conditions] == ["Stopped"]


def test_times_are_relative_to_the_reply(both: Agreement) -> None:
    """The end of a pause comes nearer, and its beginning moves away."""
    both.share(ConditionsRequest(0, (put(),)))
    both.wait(700)
    (told,) = both.share(ConditionsRequest(0)).conditions
    assert (told.pause_ms, told.age_ms) == (300, 5_700)


def test_the_table_and_its_replies_are_bounded(both: Agreement) -> None:
    """The store drops the oldest conditions; a new replica reads the others in parts."""
    names = [f"c{number}" for number in range(LIMIT + 20)]
    version = 0
    for begin in range(0, len(names), 40):
        puts = tuple(map(put, names[begin : begin + 40]))
        version = both.share(ConditionsRequest(version, puts)).version
    read, seen = [], 0
    while (part := both.share(ConditionsRequest(seen))).conditions:
        assert len(part.conditions) <= PAGE
        read += [told.campaign_id for told in part.conditions]
        seen = part.version
    assert read == names[20:]
    assert seen == version


def test_old_conditions_are_dropped(both: Agreement) -> None:
    """A condition that nobody records again goes with the next record, and all go at last."""
    version = both.share(ConditionsRequest(0, (put("c1"),))).version
    both.wait(KEPT_MS)
    both.share(ConditionsRequest(version, (put("c2"),)))
    assert [told.campaign_id for told in both.share(ConditionsRequest(0)).conditions] == ["c2"]
    both.wait(GONE_MS + 50)
    assert both.share(ConditionsRequest(0)).version == 0


def test_keys_edited_by_hand_do_no_harm(both: Agreement, shared_server: Server) -> None:
    """Rows that cannot be read are left out, and keys of another type are replaced."""
    client = valkey.Valkey(port=shared_server.port)
    call = conditions.conditions_call(KEYS, ConditionsRequest(0, (put("c1"), put("c2"), put("c3"))))
    both.scripts.run(call)
    table = KEYS.of_fleet("conditions")
    client.hset(table, mapping={"c1": "nonsense", "c2": '9 9 9 ["one", "asleep", true, 1, ""]'})
    again = conditions.conditions_call(KEYS, ConditionsRequest(0))
    assert [told.campaign_id for told in conditions.conditions_reply(both.scripts.run(again)).conditions] == [
        "c3"
    ]
    client.delete(table)
    client.set(table, "text")
    reply = conditions.conditions_reply(both.scripts.run(call))
    assert [told.campaign_id for told in reply.conditions] == ["c1", "c2", "c3"]
    client.set(conditions.version_key(KEYS), "text")
    assert conditions.version_of([client.get(conditions.version_key(KEYS))]) == 0  # type: ignore[list-item]
    both.scripts.run(conditions.conditions_call(KEYS, ConditionsRequest(reply.version, (put("c4"),))))
    client.close()
