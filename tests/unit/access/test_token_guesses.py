"""An address that guesses the token waits longer each time; one with the right token does not."""

import pytest

from gateway.access.admin_token import TOO_MANY, Denied, GuessLimitedAuthorizer, denied
from gateway.access.token_guesses import ALL_FREE, FIRST_WAIT_S, FREE, LONGEST_WAIT_S, SOURCES, GuessLimiter

TOKEN = "a-token-of-some-length"
THERE, HERE = "203.0.113.9", "198.51.100.7"


class ByToken:
    """A token that counts how often it is compared."""

    def __init__(self) -> None:
        self.looked = 0

    def denied(self, authorization: str | None) -> Denied | None:
        """Return why access is denied, None if it is not, and count the call."""
        self.looked += 1
        return denied(authorization, TOKEN)


class Clock:
    at = 50.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def test_after_some_wrong_ones_a_source_waits_ever_longer() -> None:
    """The first few wrong tokens cause no wait; then each doubles it, up to the longest."""
    limiter, waits = GuessLimiter(), []
    now = 10.0
    for _ in range(FREE + 12):
        limiter.record_failure(now, THERE)
        waits.append(limiter.wait_s(now, THERE))
        now += waits[-1]
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits[FREE - 1 : FREE + 2] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert waits[-1] == LONGEST_WAIT_S


def test_a_source_that_was_quiet_for_long_begins_anew() -> None:
    """Typing errors of different days do not add up."""
    limiter = GuessLimiter()
    for day in range(20):
        limiter.record_failure(day * 86_400.0, THERE)
        assert limiter.wait_s(day * 86_400.0, THERE) == 0


def test_the_right_token_works_from_elsewhere_during_an_attack() -> None:
    """An address without a wrong token never waits, however many others guess."""
    clock = Clock()
    authorizer = GuessLimitedAuthorizer(ByToken(), clock)
    for number in range(2_000):
        authorizer.denied(f"Bearer wrong-{number}", f"2001:db8:{number:x}::1")
    assert authorizer.denied(f"Bearer {TOKEN}", HERE) is None


def test_many_sources_together_have_one_guess_each() -> None:
    """Many addresses gain little: beyond a number of wrong tokens each address waits after one."""
    clock = Clock()
    limiter = GuessLimiter()
    for number in range(ALL_FREE):
        limiter.record_failure(clock.at, f"10.0.{number // 250}.{number % 250}")
    limiter.record_failure(clock.at, THERE)
    assert limiter.wait_s(clock.at, THERE) >= FIRST_WAIT_S
    assert limiter.wait_s(clock.at, HERE) == 0


def test_while_it_waits_not_even_the_right_token_is_looked_at() -> None:
    """Otherwise the answer during a wait would reveal a right guess."""
    clock, by_token = Clock(), ByToken()
    authorizer = GuessLimitedAuthorizer(by_token, clock)
    for _ in range(FREE):
        assert authorizer.denied("Bearer wrong", THERE) is not None
    denial = authorizer.denied(f"Bearer {TOKEN}", THERE)
    assert denial is not None
    assert (denial.status, denial.after_s, by_token.looked) == (TOO_MANY, FIRST_WAIT_S, FREE)
    clock.at += FIRST_WAIT_S
    assert authorizer.denied(f"Bearer {TOKEN}", THERE) is None
    assert authorizer.denied("Bearer wrong", THERE) is not None


def test_showing_no_token_is_no_guess() -> None:
    """A page that asks before it has a token does not lock its reader out."""
    authorizer = GuessLimitedAuthorizer(ByToken(), Clock())
    for _ in range(100):
        denial = authorizer.denied(None, THERE)
        assert denial is not None
        assert denial.status == 401
    assert authorizer.denied(f"Bearer {TOKEN}", THERE) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("203.0.113.9", "203.0.113.10", False),
        ("no address", "no address", True),
    ],
)
def test_addresses_of_one_network_are_one_source(one: str, other: str, same: bool) -> None:
    """An IPv6 host has a network to choose from; an IPv4 address is one source however it is written."""
    limiter = GuessLimiter()
    for _ in range(FREE):
        limiter.record_failure(1.0, one)
    assert (limiter.wait_s(1.0, other) > 0) == same


def test_made_up_sources_take_no_memory_beyond_the_limit() -> None:
    """The source with the oldest guess is forgotten."""
    limiter = GuessLimiter()
    for number in range(SOURCES + 100):
        limiter.record_failure(1.0, f"{number}")
    assert len(limiter._sources) == SOURCES
