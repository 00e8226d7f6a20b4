"""The scripts about contacts do on real servers what their rules in plain Python do."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit, KeptContact
from gateway.core.fleet.messages import Claim, Settlement
from gateway.shared_state.commands import contacts as commands
from tests.cases import cases
from tests.shared_state.agreement import KEYS, Agreement, Disagreement
from tests.shared_state.script_store import BASE_MS
from tests.shared_state.servers import Server

WEEK_S = 604_800.0
ONCE, TWICE = ContactLimit("once a minute", 1, 60.0), ContactLimit("twice", 2, 600.0)
DAILY = ContactLimit("daily", 1, 86_400.0)
SEVEN = ContactLimit("7 in 7", 7, WEEK_S)
PERSON, OTHER = b"\x00person\xff", b"another1"
EDITED = (Contact(PERSON, b"", (ONCE,)), Contact(OTHER, b"", (TWICE,)))
MEMBERS = st.sampled_from(["one", "two words", "three"])
INSTANTS = st.sampled_from([0, 0, 0, BASE_MS, BASE_MS + 61_000])
LIMITS = st.sampled_from(
    [((ONCE,), ()), ((TWICE,), ()), ((ONCE, TWICE), ()), ((TWICE,), (ONCE,)), ((), (ONCE, TWICE)), ((), ())]
)
contacts = st.builds(
    lambda number, call, limits: Contact(number, call, *limits),
    st.sampled_from([PERSON, PERSON, OTHER]),
    st.sampled_from([b"call-1-1", b"call-2-2", b"call-3-3", b"call-4-4"]),
    LIMITS,
)
claims = st.lists(
    st.builds(
        Claim, st.just("t"), st.just("f"), st.integers(1, 3), st.none() | contacts | contacts, st.booleans()
    ),
    min_size=1,
    max_size=3,
)
settlements = st.lists(
    st.builds(
        Settlement, st.just("t"), st.just("f"), st.integers(1, 3), st.none(), withdrawn=st.none() | contacts
    ),
    max_size=3,
)
kept = st.lists(
    st.builds(KeptContact, contacts, st.integers(1, 3), st.booleans(), st.sampled_from([0, 500, 59_000])),
    max_size=3,
)
operations = st.one_of(
    st.tuples(st.just("count"), st.tuples(MEMBERS, INSTANTS, claims)),
    st.tuples(st.just("count"), st.tuples(MEMBERS, st.just(0), claims)),
    st.tuples(st.just("look"), st.tuples(st.lists(contacts, max_size=3))),
    st.tuples(st.just("withdraw"), st.tuples(MEMBERS, settlements)),
    st.tuples(st.just("restore"), st.tuples(MEMBERS, INSTANTS, st.sampled_from([0, 60_000, 10**15]), kept)),
    st.tuples(st.just("wait"), st.tuples(st.sampled_from([0, 10, 1_000, 30_000, 60_000, 600_000]))),
    st.tuples(st.sampled_from(["lose", "flush", "save", "fail_over"]), st.just(())),
    st.tuples(
        st.just("edit"),
        st.tuples(st.sampled_from(EDITED), st.sampled_from([None, "", "x"])),
    ),
)


def test_scripts_and_rules_agree(shared_server: Server) -> None:
    """Whatever replicas count, withdraw and restore, and the store loses, both reply the same."""

    @settings(
        max_examples=cases(30, 600),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(st.lists(operations, min_size=10, max_size=40))
    def agree(steps: list[tuple[str, tuple[object, ...]]]) -> None:
        agreement = Agreement(shared_server)
        try:
            agreement.carry_out(steps)
        finally:
            agreement.close()

    agree()


# --- examples -------------------------------------------------------------------------------------------


@pytest.fixture
def both(shared_server: Server) -> Iterator[Agreement]:
    """Provide a server and the rules beside it."""
    agreement = Agreement(shared_server)
    yield agreement
    agreement.close()


def claim(call: str, *limits: ContactLimit, number: int = 1, in_doubt: bool = False) -> Claim:
    """Return the claim of a call to one person."""
    return Claim(call, "f", number, Contact(PERSON, call.encode(), limits), in_doubt)


def counted(both: Agreement, call: str, *limits: ContactLimit, member: str = "one", number: int = 1) -> bool:
    """Count a call; return whether there was room."""
    counts = both.count(member, 0, [claim(call, *limits, number=number)]).contacts
    assert counts is not None
    assert counts[0] is not None
    return counts[0].full is None


def withdraw(both: Agreement, call: str, *limits: ContactLimit, member: str = "one", number: int = 1) -> None:
    """Withdraw a call."""
    contact = Contact(PERSON, call.encode(), limits)
    both.withdraw(member, [Settlement("t", "f", number, None, withdrawn=contact)])


def test_seven_calls_in_seven_days(both: Agreement) -> None:
    """The eighth has room exactly seven days after the first."""
    for day in range(7):
        assert counted(both, f"call-{day}", SEVEN)
        both.wait(86_400_000)
    both.wait(-1)
    counts = both.count("two words", 0, [claim("call-7", SEVEN)]).contacts
    assert counts is not None
    assert counts[0] is not None
    assert (counts[0].full, counts[0].wait_s) == (SEVEN, 0.001)
    both.wait(1)
    assert counted(both, "call-7", SEVEN)
    assert not counted(both, "call-8", SEVEN)


def test_the_last_place_goes_to_one_of_two_replicas(both: Agreement) -> None:
    assert counted(both, "a", ONCE, member="one")
    assert not counted(both, "b", ONCE, member="three")


def test_a_call_counts_under_all_limits_or_none(both: Agreement) -> None:
    assert counted(both, "a", ONCE)
    assert not counted(both, "b", TWICE, ONCE)
    assert counted(both, "c", TWICE)
    assert counted(both, "d", TWICE)


def test_the_same_call_counts_once_from_when_it_was_sent_last(both: Agreement) -> None:
    assert counted(both, "a", ONCE)
    both.wait(50_000)
    assert counted(both, "a", ONCE, number=2)
    both.wait(50_000)
    assert not counted(both, "b", ONCE)
    both.wait(10_000)
    assert counted(both, "b", ONCE)


def test_a_late_withdrawal_does_not_remove_a_later_call(both: Agreement) -> None:
    assert counted(both, "a", ONCE, number=1)
    assert counted(both, "a", ONCE, number=2)
    withdraw(both, "a", ONCE, number=1)
    assert not counted(both, "b", ONCE)
    withdraw(both, "a", ONCE, number=2)
    assert counted(both, "b", ONCE)


def test_one_of_several_calls_is_withdrawn(both: Agreement) -> None:
    for call in ("a", "b"):
        assert counted(both, call, TWICE)
    withdraw(both, "a", TWICE)
    assert counted(both, "c", TWICE)
    assert not counted(both, "d", TWICE)


def test_the_calls_of_several_people_are_withdrawn_under_all_limits(both: Agreement) -> None:
    people = [Contact(person, b"a", (ONCE,), (DAILY,)) for person in (PERSON, OTHER)]
    both.count("one", 0, [Claim("t", "f", 1, one) for one in people])
    both.withdraw("one", [Settlement("t", "f", 1, None, withdrawn=one) for one in people])
    assert both.look([one._replace(call=b"b") for one in people]) == [ContactCount()] * 2


@pytest.mark.parametrize("value", [None, "", "x", f"{BASE_MS} call one 1 0\nx"])
def test_what_no_gateway_has_written_counts_as_full(both: Agreement, value: str | None) -> None:
    both.edit(Contact(PERSON, b"", (ONCE,)), value)
    both.wait(60_000)
    assert not counted(both, "a", ONCE)


def test_only_the_replica_that_counted_a_call_withdraws_it(both: Agreement) -> None:
    assert counted(both, "a", ONCE)
    withdraw(both, "a", ONCE, member="three")
    assert not counted(both, "b", ONCE)
    withdraw(both, "a", ONCE)
    assert counted(both, "b", ONCE)


def test_what_an_earlier_call_may_have_carried_is_not_withdrawn(both: Agreement) -> None:
    """A contact stays if an earlier call, of the same replica or another, may have carried it."""
    both.count("one", 0, [claim("a", TWICE)])
    both.count("one", 0, [claim("a", TWICE, number=2, in_doubt=True)])
    withdraw(both, "a", TWICE, number=2)
    both.count("one", 0, [claim("b", TWICE)])
    both.count("three", 0, [claim("b", TWICE)])
    withdraw(both, "b", TWICE, member="three")
    withdraw(both, "b", TWICE, member="one")
    assert not counted(both, "c", TWICE)


def test_contacts_that_were_lost_are_noticed_and_written_again(both: Agreement) -> None:
    """Nothing is counted until the replica has written them again; those of others are as before."""
    both.save()
    both.wait(1_000)
    at_ms = both.count("one", 0, [claim("a", ONCE)]).at_ms
    both.fail_over()
    both.wait(500)
    assert both.count("one", at_ms, [claim("b", ONCE)]).contacts is None
    contact = Contact(PERSON, b"a", (ONCE,))
    both.restore("one", at_ms, 10**15, [KeptContact(contact, 1, False, 500)])
    assert not counted(both, "b", ONCE, member="three")
    counts = both.count("one", at_ms, [claim("b", ONCE)]).contacts
    assert counts is not None
    assert counts[0] is not None
    assert (counts[0].wait_s, counts[0].lost) == (59.5, False)


def test_a_lowered_limit_has_room_when_enough_calls_are_past(both: Agreement) -> None:
    for call in ("a", "b", "c"):
        assert counted(both, call, SEVEN)
        both.wait(1_000)
    counts = both.count("one", 0, [claim("d", SEVEN._replace(calls=2))]).contacts
    assert counts is not None
    assert counts[0] is not None
    assert counts[0].wait_s == WEEK_S - 2.0


def test_contacts_that_are_there_are_not_written_again(both: Agreement) -> None:
    assert counted(both, "a", TWICE)
    contact = Contact(PERSON, b"a", (TWICE,))
    both.restore("one", 0, 10**15, [KeptContact(contact, 1, False, 500)])
    assert counted(both, "b", TWICE)
    assert not counted(both, "c", TWICE)


def test_a_contact_that_was_written_again_is_withdrawn_by_its_own_call_only(both: Agreement) -> None:
    contact = Contact(PERSON, b"a", (ONCE,))
    both.restore("one", 0, 10**15, [KeptContact(contact, 2, False, 500)])
    for member, call in (("one", 1), ("three", 2)):
        withdraw(both, "a", ONCE, member=member, number=call)
        assert both.look([contact._replace(call=b"b")]) == [ContactCount(ONCE, 59.5)]
    withdraw(both, "a", ONCE, number=2)
    assert both.look([contact._replace(call=b"b")]) == [ContactCount()]


def test_a_late_restoration_does_not_hide_what_was_counted_since(both: Agreement) -> None:
    earlier_ms = both.count("one", 0, [claim("a", TWICE)]).at_ms
    both.wait(1_000)
    later_ms = both.count("one", earlier_ms, [claim("b", TWICE)]).at_ms
    both.restore("one", earlier_ms, 10**15, [])
    assert both.count("one", later_ms, [claim("c", ONCE)]).contacts is not None


def test_a_limit_counts_as_full_for_its_period_after_older_contacts_were_lost(both: Agreement) -> None:
    at_ms = both.count("one", 0, [claim("a", ONCE)]).at_ms
    both.flush()
    both.wait(5_000)
    both.restore("one", at_ms, 1_000, [])
    counts = both.count("one", at_ms, [claim("b", ONCE)]).contacts
    assert counts is not None
    assert counts[0] is not None
    assert (counts[0].full, counts[0].wait_s, counts[0].lost) == (ONCE, 60.0, True)
    both.wait(60_000)
    assert counted(both, "b", ONCE)


def test_an_observed_limit_counts_and_reports(both: Agreement) -> None:
    contact = Contact(PERSON, b"a", (), (ONCE,))
    for call, over in ((b"a", ()), (b"b", (ONCE,))):
        counts = both.count("one", 0, [Claim("t", "f", 1, contact._replace(call=call))]).contacts
        assert counts is not None
        assert counts[0] is not None
        assert (counts[0].full, counts[0].over) == (None, over)
    assert not counted(both, "c", ONCE)


def test_a_look_tells_what_would_be_counted_and_counts_nothing(both: Agreement) -> None:
    contact = Contact(PERSON, b"b", (ONCE,), (TWICE,))
    assert [both.look([contact]) for _ in range(3)] == [[ContactCount()]] * 3
    assert counted(both, "a", ONCE, TWICE)
    both.wait(1_000)
    assert both.look([contact, contact._replace(number=OTHER), contact._replace(call=b"a")]) == [
        ContactCount(ONCE, 59.0),
        ContactCount(),
        ContactCount(),
    ]
    assert counted(both, "c", TWICE)
    assert both.look([contact._replace(limits=())]) == [ContactCount(over=(TWICE,))]
    both.lose()
    assert both.look([contact]) == [ContactCount(ONCE, 60.0, lost=True)]


def test_nothing_is_kept_after_the_period(both: Agreement) -> None:
    def names() -> list[str]:
        both.marks()  # keys end when a script runs
        return [key.decode() for key in both.scripts.snapshot()[0] if b"contacts:" in key]

    counted(both, "a", ONCE, TWICE)
    both.wait(60_010)
    assert names() == commands.places(KEYS, Contact(PERSON, b"", (TWICE,)))
    both.wait(600_000)
    assert names() == []


EXAMPLES = (
    test_seven_calls_in_seven_days,
    test_a_call_counts_under_all_limits_or_none,
    test_the_same_call_counts_once_from_when_it_was_sent_last,
    test_a_late_withdrawal_does_not_remove_a_later_call,
    test_only_the_replica_that_counted_a_call_withdraws_it,
    test_what_an_earlier_call_may_have_carried_is_not_withdrawn,
    test_contacts_that_were_lost_are_noticed_and_written_again,
    test_a_lowered_limit_has_room_when_enough_calls_are_past,
    test_contacts_that_are_there_are_not_written_again,
    test_a_limit_counts_as_full_for_its_period_after_older_contacts_were_lost,
    test_a_look_tells_what_would_be_counted_and_counts_nothing,
)


@pytest.mark.parametrize(
    ("script", "right", "wrong"),
    [
        ("count_contacts", "if #rest < limit.calls", "if #rest <= limit.calls"),
        ("count_contacts", "if one.call ~= call and", "if"),
        ("count_contacts", "known.member ~= member", "false"),
        ("count_contacts", "rest[#rest - limit.calls + 1]", "rest[1]"),
        ("count_contacts", "counted_at < tonumber(ARGV[3])", "false"),
        ("count_contacts", "lost_at + limit.period_ms - now > ms", "false"),
        ("look_at_contacts", "or observed(limits, refusing, call, now)", "or 'counted'"),
        ("look_at_contacts", "refused(limits, refusing, call, lost_at, now) or", ""),
        ("withdraw_contacts", "and found.doubt == '0'", ""),
        ("withdraw_contacts", "and found.number == number", ""),
        ("withdraw_contacts", "found.member == member and", ""),
        ("restore_contacts", "and not contact_of(contacts, call)", ""),
        ("restore_contacts", "counted_at < now - tonumber(ARGV[3])", "false"),
        ("restore_contacts", "note_instant(KEYS[2], known_at", "note_instant(KEYS[2], 0"),
    ],
)
def test_a_wrong_script_is_noticed(shared_server: Server, script: str, right: str, wrong: str) -> None:
    """A change of one condition in a script makes an example fail."""

    def run(example: Callable[[Agreement], None]) -> None:
        agreement = Agreement(shared_server, {script: (right, wrong)})
        try:
            example(agreement)
        finally:
            agreement.close()

    with pytest.raises(Disagreement):
        list(map(run, EXAMPLES))
