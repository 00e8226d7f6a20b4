"""The right to send an attempt: either it leaves or it is revoked, never both."""

import threading

import pytest

from gateway.connect.ticket import Ticket
from gateway.core.errors import CallRevoked, CallTooLate
from gateway.core.quota.pause_watch import PAUSED_S, PauseWatch


def test_a_ticket_that_leaves() -> None:
    """Once the first byte may leave, the instant is known, and revoking comes too late."""
    ticket = Ticket(10.0, lambda: 4.0)
    assert not ticket.may_have_left
    ticket.leave()
    assert (ticket.may_have_left, ticket.left_at) == (True, 4.0)
    assert ticket.revoke() is False


def test_a_ticket_that_is_revoked() -> None:
    """After a revocation nothing leaves, however often the sender tries."""
    ticket = Ticket()
    assert ticket.revoke() is True
    for _ in range(2):
        with pytest.raises(CallRevoked):
            ticket.leave()
    assert ticket.revoke() is True
    assert not ticket.may_have_left


def test_a_ticket_after_its_last_instant() -> None:
    """Nothing is sent after `give_up_at`, even if the clock is set back later."""
    now = [10.1]
    ticket = Ticket(10.0, lambda: now[0])
    with pytest.raises(CallTooLate):
        ticket.leave()
    now[0] = 9.0
    with pytest.raises(CallRevoked):
        ticket.leave()
    assert ticket.revoke() is True


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_ticket_after_a_pause_of_the_process(is_noticed: bool) -> None:
    """It is revoked, whether somebody has noticed the pause already or its sender is the first that runs."""
    now, watch = [4.0], PauseWatch()
    watch.runs(now[0])
    ticket = Ticket(now=lambda: now[0], has_paused=watch.has_paused)
    if is_noticed:
        watch.runs(4.0 + PAUSED_S + 0.01)
    now[0] = 4.0 + PAUSED_S + 0.02
    for _ in range(2):
        with pytest.raises(CallRevoked):
            ticket.leave()
    assert not ticket.may_have_left
    assert ticket.revoke() is True


def test_a_ticket_that_began_after_a_pause_or_without_one() -> None:
    now, watch = [4.0], PauseWatch()
    for passed_s in (PAUSED_S + 0.01, PAUSED_S - 0.01):
        watch.runs(now[0])
        now[0] += passed_s
        watch.runs(now[0])
        ticket = Ticket(now=lambda: now[0], has_paused=watch.has_paused)
        now[0] += PAUSED_S - 0.01
        ticket.leave()
        assert ticket.may_have_left


def test_the_sender_is_told_once() -> None:
    """The callback runs once; if it is registered after the revocation, it runs at once."""
    told: list[str] = []
    ticket = Ticket()
    ticket.on_revoke(lambda: told.append("first"))
    ticket.revoke()
    ticket.revoke()
    ticket.on_revoke(lambda: told.append("late"))
    assert told == ["first", "late"]


def test_a_request_that_is_half_written() -> None:
    """While bytes are being written the sender is notified, so that the rest is not sent.

    Afterwards it is not.
    """
    told: list[str] = []
    half, whole = Ticket(), Ticket()
    for name, ticket in (("half", half), ("whole", whole)):
        ticket.on_revoke(lambda name=name: told.append(name))  # type: ignore[misc]
        ticket.leave()
    whole.all_left()
    assert (half.revoke(), whole.revoke()) == (False, False)
    assert told == ["half"]


def test_one_of_two_threads_wins() -> None:
    """However a sender and a revocation meet, one of them wins and both know which."""
    for _ in range(300):
        ticket, left, begin = Ticket(), [False], threading.Barrier(2)

        def send(ticket: Ticket = ticket, left: list[bool] = left, begin: threading.Barrier = begin) -> None:
            begin.wait()
            try:
                ticket.leave()
                left[0] = True
            except CallRevoked:
                pass

        thread = threading.Thread(target=send)
        thread.start()
        begin.wait()
        unsent = ticket.revoke()
        thread.join()
        assert unsent is not left[0]
