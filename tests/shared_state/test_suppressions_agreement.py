"""The script of suppressions does on real servers what its rules in plain Python do."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import valkey
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.core.fleet.suppressions import PAGE, Suppression, SuppressionsRequest
from gateway.shared_state.commands import suppressions
from gateway.shared_state.rules.suppressions import (
    END_WITHIN_MS,
    ENDED_KEPT,
    LIMIT,
    SEEN_AGAIN_MS,
    SEEN_KEPT_MS,
    SuppressionsRules,
)
from tests.cases import cases
from tests.shared_state.agreement import KEYS, Agreement
from tests.shared_state.script_store import BASE_MS
from tests.shared_state.servers import Server

SMALL = {
    "suppressions": (
        f"local LIMIT, ENDED_KEPT, PAGE = {LIMIT}, {ENDED_KEPT}, {PAGE}",
        f"local LIMIT, ENDED_KEPT, PAGE = 3, 2, {PAGE}",
    )
}
"""A store that keeps three numbers and two ends, so that random operations reach both limits."""
HASHES = (b"\0\xff 1 2", b"12345678", b"\xc3\x28\n\r%{}", b"abcdefgh")


class SmallAgreement(Agreement):
    """A real server with small limits, and the rules with the same limits."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, SMALL)
        self._limit()
        self.save()

    def flush(self) -> None:
        super().flush()
        self._limit()

    def _limit(self) -> None:
        self.store.rules.suppressions = SuppressionsRules(limit=3, ended_kept=2)


@pytest.fixture
def both(shared_server: Server) -> Iterator[Agreement]:
    """Return an empty server with the rules beside it."""
    agreement = Agreement(shared_server)
    yield agreement
    agreement.close()


def number(which: int) -> bytes:
    return which.to_bytes(8)


def read(after: int = 0, member: str = "one", seen: int = 0, *, asks: bool = False) -> SuppressionsRequest:
    return SuppressionsRequest(member, seen, after, b"key", asks=asks)


actions = st.builds(
    Suppression,
    st.sampled_from(HASHES),
    st.sampled_from(["Ines", 'a "b"\n', ""]),
    st.sampled_from(["asked for it", "ü 1 2"]),
    st.sampled_from([0, BASE_MS - END_WITHIN_MS - 10, BASE_MS, BASE_MS + 5_000]),
    st.sampled_from([0, BASE_MS]),
    key=st.sampled_from([b"", b"key", b"\0other"]),
)
requests = st.builds(
    SuppressionsRequest,
    st.sampled_from(["one", "two words"]),
    st.sampled_from([0, BASE_MS, BASE_MS + 10]),
    st.sampled_from([0, BASE_MS, BASE_MS + 2]),
    st.sampled_from([b"key", b"\0other", b""]),
    st.booleans(),
    st.lists(actions, max_size=3).map(tuple),
    st.booleans(),
)
steps = st.one_of(
    st.tuples(st.just("exchange_suppressions"), requests),
    st.tuples(st.just("exchange_suppressions"), requests),
    st.tuples(st.just("suppress"), actions),
    st.tuples(st.just("suppress"), actions),
    st.tuples(st.just("end_suppression"), actions, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([10, 700, END_WITHIN_MS + 10, SEEN_AGAIN_MS, SEEN_KEPT_MS])),
    st.tuples(st.sampled_from(["save", "fail_over", "flush"])),
)


@settings(max_examples=cases(30, 1000), deadline=None, database=None, phases=[Phase.generate])
@given(work=st.lists(steps, min_size=5, max_size=30))
def test_the_script_and_the_rules_agree(
    shared_server: Server, work: list[tuple[str, tuple[Any, ...]]]
) -> None:
    """Whatever replicas tell, and whatever the store loses, both return the same."""
    both = SmallAgreement(shared_server)
    try:
        both.carry_out([(name, tuple(arguments)) for name, *arguments in work])
        both.exchange_suppressions(read(asks=True))
    finally:
        both.close()


def test_a_number_keeps_its_first_suppression(both: Agreement) -> None:
    first = both.suppress(Suppression(number(1), "Ines", "asked for it"))
    assert both.suppress(Suppression(number(1), "Ada", "again")) == first
    assert both.exchange_suppressions(read()).page == (first,)


def test_an_end_of_nothing_is_told(both: Agreement) -> None:
    """It is recorded if the replica knows a suppression that the store may have lost."""
    end = Suppression(number(1), "Ines", "wants calls", ended=True)
    assert both.end_suppression(end, known=False) is None
    recorded = both.end_suppression(end, known=True)
    assert recorded is not None
    assert recorded.ended
    assert both.exchange_suppressions(read()).page == (recorded,)


def test_only_the_last_ends_are_kept_and_every_suppression(shared_server: Server) -> None:
    """A number that is suppressed again after its end is no end any more, and stays suppressed."""
    both = SmallAgreement(shared_server)
    ends = []
    for which in range(5):
        both.suppress(Suppression(number(which), "Ines", "asked for it"))
        both.wait(10)
        ends.append(both.end_suppression(Suppression(number(which), "Ines", "wants calls"), known=True))
        if which == 1:
            both.suppress(Suppression(number(0), "Ines", "asked again"))
    found = both.exchange_suppressions(read())
    assert [(one.number_hash, one.ended) for one in found.page] == [
        (number(0), False),
        (number(3), True),
        (number(4), True),
    ]
    assert ends[2] is not None
    assert found.trimmed == ends[2].version
    both.close()


def test_a_new_suppression_is_taken_after_an_end_and_a_lost_one_is_not(both: Agreement) -> None:
    """A replica offers suppressions with a version, and those without one, made while the store was away."""
    lost = both.suppress(Suppression(number(1), "Ines", "asked for it"))
    assert lost is not None
    both.end_suppression(Suppression(number(1), "Ines", "wants calls"), known=True)
    for offer, ended in ((lost, True), (replace(lost, version=0), False)):
        (found,) = both.exchange_suppressions(replace(read(), offers=(offer,))).page
        assert found.ended is ended


def test_a_member_whose_version_stays_is_not_forgotten(both: Agreement) -> None:
    for _ in range(2 * SEEN_KEPT_MS // SEEN_AGAIN_MS):
        both.exchange_suppressions(read(seen=5))
        both.wait(SEEN_AGAIN_MS)
    assert both.exchange_suppressions(read(member="three", seen=6, asks=True)).seen == {"one": 5, "three": 6}


def test_a_late_end_is_refused_and_a_late_suppression_is_not(both: Agreement) -> None:
    late = Suppression(number(1), "Ines", "asked for it", at_ms=BASE_MS - END_WITHIN_MS - 1)
    assert both.suppress(late) is not None
    assert both.end_suppression(late, known=True) is None


def test_pages_have_everything_once(both: Agreement) -> None:
    """A reader follows the cursor through pages, while numbers are suppressed again."""
    for which in range(PAGE + 20):
        both.suppress(Suppression(number(which), "Ines", "asked for it"))
    first = both.exchange_suppressions(read())
    assert (len(first.page), first.complete) == (PAGE, False)
    both.suppress(Suppression(number(PAGE + 50), "Ines", "asked for it"))
    second = both.exchange_suppressions(read(first.page[-1].version))
    assert (len(second.page), second.complete) == (21, True)
    assert second.page[-1].version == second.version
    assert both.exchange_suppressions(read(second.version)).page == ()


def test_the_key_of_the_fleet_stays_once_something_is_kept_under_it(both: Agreement) -> None:
    """A replica that knows suppressions replaces a key that was never used, and no other."""

    def key_with(key: bytes, *, knows: bool) -> bytes:
        return both.exchange_suppressions(SuppressionsRequest("one", 0, 0, key, knows=knows)).key

    assert key_with(b"", knows=False) == b""
    assert key_with(b"first", knows=False) == b"first"
    assert key_with(b"", knows=True) == b"first"
    assert key_with(b"second", knows=False) == b"first"
    assert key_with(b"second", knows=True) == b"second"
    both.suppress(Suppression(number(1), "Ines", "asked for it"))
    assert key_with(b"third", knows=True) == b"second"


def test_an_action_with_another_key_is_not_recorded(both: Agreement) -> None:
    """Nobody would find a number by that hash. A store that keeps nothing yet takes the key of the action."""
    first = Suppression(number(1), "Ines", "asked for it", key=b"first")
    assert both.suppress(first) is not None
    assert both.exchange_suppressions(replace(read(), key=b"")).key == b"first"
    foreign = replace(first, number_hash=number(2), key=b"second")
    assert both.suppress(foreign) is None
    assert both.end_suppression(foreign, known=True) is None
    seen = both.exchange_suppressions(read())
    assert ([one.number_hash for one in seen.page], seen.key) == ([number(1)], b"first")


def test_texts_edited_by_hand_suppress_all_the_same(both: Agreement, shared_server: Server) -> None:
    """A record whose text cannot be read still suppresses its number."""
    both.suppress(Suppression(number(1), "Ines", "asked for it"))
    client = valkey.Valkey(port=shared_server.port)
    client.hset(KEYS.of_fleet("suppressions:numbers"), number(1), "7 7 0 nonsense")  # type: ignore[arg-type]
    client.close()
    call = suppressions.exchange_call(KEYS, read())
    (found,) = suppressions.exchange_reply(both.scripts.run(call)).page
    assert (found.number_hash, found.ended, found.reason) == (number(1), False, suppressions.UNREADABLE)
