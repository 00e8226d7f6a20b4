"""The ledger's scripts do on real servers what their rules in plain Python do."""

from collections.abc import Iterator
from typing import cast

import pytest
import valkey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.fleet.messages import Claim, ClaimVerdict, Settlement, TokenState
from gateway.shared_state.commands import ledger as commands
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.script_call import Reply, ScriptCall, script
from gateway.shared_state.rules.ledger import LedgerRules, Record
from gateway.shared_state.store_watch import Marks
from tests.cases import cases
from tests.shared_state.servers import Server

KEYS = Keys("agreement")
CAMPAIGN = "ü%{c} 1"
MEMBERS = ("one", "two words", "three")
TOKENS = ("t1", "t2", "t3")
WINDOW_MS = 600_000
FINGERPRINTS = ("keyAfirst", "keyAsecond", "keyBfirst")
IDS = ("id-1", "", "id with spaces and ü\n")
STEP_MS = 700
"""Time passes in steps of this: no period of the rules ends within some milliseconds of an operation."""


class Store:
    """A real server whose clock the test sets, and the rules beside it."""

    def __init__(self, server: Server) -> None:
        self.client = valkey.Valkey(port=server.port)
        self.empty()

    def empty(self) -> None:
        self.client.flushall()
        self.rules = LedgerRules(WINDOW_MS)
        self.now_ms = self._real_ms() + 1_000_000

    def claim(self, member: str, live: list[str], claims: list[Claim]) -> list[ClaimVerdict]:
        call = commands.claim_call(KEYS, WINDOW_MS, CAMPAIGN, member, live, claims)
        verdicts = commands.claim_reply(self.run(call))
        assert verdicts == self.rules.claim(self.now_ms, CAMPAIGN, member, live, claims)
        return [one.verdict for one in verdicts]

    def settle(self, member: str, settlements: list[Settlement]) -> None:
        self.run(commands.settle_call(KEYS, WINDOW_MS, CAMPAIGN, member, settlements))
        self.rules.settle(self.now_ms, CAMPAIGN, member, settlements)

    def look_up(self, live: list[str], tokens: list[str]) -> None:
        reply = self.run(commands.look_up_call(KEYS, CAMPAIGN, tokens))
        found = commands.look_up_reply(reply, live, tokens)
        assert found == self.rules.look_up(self.now_ms, CAMPAIGN, live, tokens)

    def edit(self, token: str, how: int) -> None:
        """Edit a record by hand: no gateway writes such values."""
        key = KEYS.tokens(CAMPAIGN) + token
        self.client.delete(key)
        if how == 0:
            self.client.lpush(key, "a", "list")
        else:
            self.client.set(key, ("", "A fingerprint", "S keyAfirst x 1 1 one", "U a b")[how - 1])
        record = Record(TokenState.UNKNOWN, kept_until_ms=self.now_ms + 10 * WINDOW_MS)
        self.rules.records[CAMPAIGN, token] = record

    def check_expiry(self) -> None:
        """Every record that a gateway wrote is removed after the window at the latest."""
        for (_, token), record in self.rules.records.items():
            if record.fingerprint:
                left_ms = cast("int", self.client.pttl(KEYS.tokens(CAMPAIGN) + token))
                assert WINDOW_MS - 60_000 < left_ms <= WINDOW_MS

    def run(self, call: ScriptCall) -> Reply:
        shift_ms = self.now_ms - self._real_ms()
        text = script(call.script).text
        return cast("Reply", self.client.eval(text, len(call.keys), *call.keys, *call.args, shift_ms))  # type: ignore[arg-type]

    def _real_ms(self) -> int:
        seconds, micros = cast("tuple[int, int]", self.client.time())
        return seconds * 1000 + micros // 1000


@pytest.fixture
def store(shared_server: Server) -> Iterator[Store]:
    store = Store(shared_server)
    yield store
    store.client.close()


_members = st.sampled_from(MEMBERS)
_live = st.lists(_members, unique=True)
_fingerprints = st.sampled_from(FINGERPRINTS)
_tokens = st.sampled_from(TOKENS)
_numbers = st.integers(1, 3)
_states = st.sampled_from([TokenState.ACCEPTED, TokenState.UNKNOWN, None, None])
_ids = st.sampled_from(IDS)
_operations = st.one_of(
    st.tuples(
        st.just("claim"),
        _members,
        _live,
        st.lists(st.builds(Claim, _tokens, _fingerprints, _numbers), min_size=1, max_size=4),
    ),
    st.tuples(
        st.just("settle"),
        _members,
        st.lists(
            st.builds(
                Settlement, _tokens, _fingerprints, _numbers, _states, _ids, st.sampled_from(["", "1f"])
            ),
            min_size=1,
            max_size=4,
        ),
    ),
    st.tuples(st.just("look_up"), _live, st.lists(_tokens, min_size=1, max_size=3, unique=True)),
    st.tuples(st.just("wait"), st.integers(1, 100)),
    st.tuples(st.just("edit"), _tokens, st.integers(0, 4)),
)


@given(st.lists(_operations, max_size=12))
@settings(max_examples=cases(30, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scripts_and_rules_agree_on_any_order(store: Store, operations: list[tuple[object, ...]]) -> None:
    store.empty()
    for name, *arguments in operations:
        if name == "wait":
            store.now_ms += STEP_MS * cast("int", arguments[0])
        else:
            getattr(store, cast("str", name))(*arguments)
        store.look_up(list(MEMBERS[:1]), list(TOKENS))
    store.check_expiry()


def claim(fingerprint: str = "keyAfirst", number: int = 1) -> Claim:
    return Claim("t1", fingerprint, number)


def test_a_token_is_claimed_once_while_its_replica_is_alive(store: Store) -> None:
    assert store.claim("one", ["one"], [claim()]) == [ClaimVerdict.CLAIMED]
    store.now_ms += 30_000
    for live in (["one", "three"], ["three", "one"]):
        assert store.claim("three", live, [claim()]) == [ClaimVerdict.ELSEWHERE]
    assert store.claim("three", ["three"], [claim()]) == [ClaimVerdict.TAKEN_OVER]


def test_a_recent_claim_of_a_replica_that_is_not_known_yet_is_respected(store: Store) -> None:
    store.claim("one", ["one"], [claim()])
    store.now_ms += 1_000
    assert store.claim("three", ["three"], [claim()]) == [ClaimVerdict.ELSEWHERE]
    store.now_ms += 1_000
    assert store.claim("three", ["three"], [claim()]) == [ClaimVerdict.TAKEN_OVER]


def test_a_late_settlement_does_not_free_a_later_claim_of_the_same_replica(store: Store) -> None:
    store.claim("one", ["one"], [claim(number=1)])
    store.claim("one", ["one"], [claim(number=2)])
    store.settle("one", [Settlement("t1", "keyAfirst", 1, None)])
    assert store.claim("three", ["one"], [claim()]) == [ClaimVerdict.ELSEWHERE]


def test_the_doubt_of_one_replica_outlives_the_end_of_another_ones_claim(store: Store) -> None:
    store.claim("one", [], [claim(number=1)])
    store.now_ms += 2_000
    store.claim("three", [], [claim(number=7)])
    store.settle("one", [Settlement("t1", "keyAfirst", 1, TokenState.UNKNOWN)])
    store.settle("three", [Settlement("t1", "keyAfirst", 7, None)])
    assert store.claim("one", ["one", "three"], [claim(number=2)]) == [ClaimVerdict.TAKEN_OVER]


def test_accepted_stays_accepted_whatever_is_reported_later(store: Store) -> None:
    store.claim("one", [], [claim()])
    store.settle("one", [Settlement("t1", "keyAfirst", 1, TokenState.ACCEPTED, "id-1", "1f")])
    store.settle("three", [Settlement("t1", "keyAfirst", 1, TokenState.UNKNOWN)])
    store.settle("one", [Settlement("t1", "keyAfirst", 1, None)])
    assert store.claim("three", [], [claim()]) == [ClaimVerdict.ACCEPTED]
    assert store.claim("three", [], [claim(fingerprint="keyAsecond")]) == [ClaimVerdict.CONFLICT]
    assert store.claim("three", [], [claim(fingerprint="keyBsecond")]) == [ClaimVerdict.ACCEPTED]


def test_the_first_key_of_fingerprints_is_kept(store: Store) -> None:
    for new in (b"\x00first", b"second"):
        assert commands.keep_key_reply(store.run(commands.keep_key_call(KEYS, new))) == b"\x00first"
        assert store.rules.keep_key(new) == b"\x00first"


def test_replies_carry_the_marks_of_the_store(store: Store) -> None:
    info = cast("dict[str, str]", store.client.info("replication"))
    call = commands.look_up_call(KEYS, CAMPAIGN, ["t1"])
    fresh = commands.marks_reply(store.run(call))
    assert fresh == Marks(b"", info["master_replid"], in_doubt=False)
    store.run(commands.keep_key_call(KEYS, b"first"))
    store.run(commands.doubt_call(KEYS, 60_000))
    store.run(commands.doubt_call(KEYS, 1_000))  # a shorter doubt does not end the longer one
    claiming = commands.claim_call(KEYS, WINDOW_MS, CAMPAIGN, "one", [], [claim()])
    for each in (call, claiming, commands.marks_call(KEYS)):
        assert commands.marks_reply(store.run(each)) == Marks(b"first", fresh.history, in_doubt=True)
    assert cast("int", store.client.pttl(KEYS.of_fleet("doubt"))) > 50_000


def test_in_a_cluster_no_script_touches_keys_of_two_slots() -> None:
    for call in (
        commands.claim_call(KEYS, WINDOW_MS, CAMPAIGN, "one", [], [claim()], in_cluster=True),
        commands.look_up_call(KEYS, CAMPAIGN, ["t1", "t2"], in_cluster=True),
        commands.marks_call(KEYS),
    ):
        assert len({key[key.index("{") : key.index("}")] for key in call.keys}) == 1
