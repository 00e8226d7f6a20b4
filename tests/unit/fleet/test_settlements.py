"""Settlements wait in their order, bounded, and the recent ones can be written again."""

from gateway.core.fleet.messages import Settlement, TokenState
from gateway.fleet.settlements import (
    BACKLOG_BYTES,
    RECENT_LIMIT,
    RECENT_S,
    SETTLEMENT_BYTES,
    SETTLEMENTS_AT_ONCE,
    Settlements,
)

NOW = 1_000.0


def settlement(token: str, state: TokenState | None = TokenState.ACCEPTED, id_: str = "") -> Settlement:
    return Settlement(token, "print", 1, state, id_)


def taken(settlements: Settlements) -> list[tuple[str, str]]:
    """Take all that waits; return campaigns and tokens."""
    all_taken = []
    while settlements:
        campaign_id, part = settlements.take()
        assert 0 < len(part) <= SETTLEMENTS_AT_ONCE
        all_taken += [(campaign_id, one.client_token) for one in part]
    return all_taken


def write(settlements: Settlements, now: float, *tokens: str, state: TokenState | None = None) -> None:
    """Add settlements, and write them."""
    settlements.add(("c", settlement(token, state)) for token in tokens)
    while settlements:
        settlements.written(now, *settlements.take())
    assert settlements.waiting == 0


def test_what_was_put_back_goes_before_what_came_meanwhile() -> None:
    settlements = Settlements()
    settlements.add(("c", settlement(token)) for token in ("a", "b"))
    campaign_id, part = settlements.take()
    settlements.add([("c", settlement("d"))])
    settlements.put_back(campaign_id, part)
    assert taken(settlements) == [("c", "a"), ("c", "b"), ("c", "d")]


def test_a_full_backlog_drops_the_oldest_and_counts_them() -> None:
    settlements = Settlements(limit=3)
    settlements.add(("c", settlement(token)) for token in "abcde")
    assert (settlements.waiting, settlements.lost) == (3, 2)
    assert taken(settlements) == [("c", "c"), ("c", "d"), ("c", "e")]


def test_the_memory_of_the_backlog_is_bounded() -> None:
    """Its texts count: Connect's ids may be long."""
    settlements, size = Settlements(), BACKLOG_BYTES // 4
    long = [settlement(f"{number}", id_="x" * (size - SETTLEMENT_BYTES - 1)) for number in range(5)]
    settlements.add(("c", one) for one in long)
    assert (settlements.waiting, settlements.lost) == (4, 1)


def test_what_was_written_in_the_last_minute_is_written_again() -> None:
    """Older settlements are not, and none that only ended a claim: nobody relies on them."""
    settlements = Settlements()
    write(settlements, NOW - 0.5, "too old", state=TokenState.ACCEPTED)
    write(settlements, NOW, "a", state=TokenState.ACCEPTED)
    write(settlements, NOW + 1.0, "unsent", state=None)
    write(settlements, NOW + 2.0, "b", state=TokenState.UNKNOWN)
    settlements.write_again(NOW + RECENT_S)
    assert taken(settlements) == [("c", "a"), ("c", "b")]


def test_the_settlements_that_can_be_written_again_are_bounded() -> None:
    settlements = Settlements()
    tokens = [str(number) for number in range(RECENT_LIMIT + 2)]
    write(settlements, NOW, *tokens, state=TokenState.ACCEPTED)
    settlements.write_again(NOW)
    assert [token for _, token in taken(settlements)] == tokens[2:]


def test_old_settlements_are_forgotten_when_others_are_written() -> None:
    settlements = Settlements()
    write(settlements, NOW, "old", state=TokenState.ACCEPTED)
    write(settlements, NOW + RECENT_S + 0.1, "new", state=TokenState.ACCEPTED)
    settlements.write_again(NOW)
    assert taken(settlements) == [("c", "new")]
