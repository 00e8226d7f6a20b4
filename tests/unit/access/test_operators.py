"""Who may change things over the admin port."""

from pathlib import Path

import pytest

from gateway.access.actions import Action
from gateway.access.errors import TokenError
from gateway.access.operators import BY_TOKEN, Allowed, Change, Denied, TokenOperators, decide

TOKEN = "a-token-of-some-length"
SPIFFE = "spiffe://example.org/console"


def change(authorization: str | None = None, identity: str | None = None, method: str = "POST") -> Change:
    return Change(Action.HOLD, "reminders", method, "/campaigns/hold", authorization, identity)


class OnlyHolds:
    def may(self, identity: str | None, action: Action, campaign_id: str) -> bool:
        return (identity, action, campaign_id) == (SPIFFE, Action.HOLD, "reminders")


def test_whoever_shows_the_token_may() -> None:
    assert decide(change(f"Bearer {TOKEN}"), TOKEN) == Allowed(BY_TOKEN)
    assert decide(change(f"bearer  {TOKEN} "), TOKEN) == Allowed(BY_TOKEN)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer \udcff\u00e9",
    ],
)
def test_whoever_does_not_show_it_may_not(shown: str | None) -> None:
    denied = decide(change(shown), TOKEN)

    assert isinstance(denied, Denied)
    assert denied.status == 401
    assert TOKEN not in denied.text


def test_without_a_token_nothing_can_be_changed_and_the_answer_says_how() -> None:
    for shown in (None, "Bearer ", "Bearer None", "Bearer x"):
        denied = decide(change(shown), None)

        assert isinstance(denied, Denied)
        assert denied.status == 403
        assert "DIAL_GATEWAY_ADMIN_TOKEN_FILE" in denied.text


def test_an_identity_may_what_the_policy_lets_it() -> None:
    purge = Change(Action.PURGE, "reminders", "POST", "/", None, SPIFFE)

    assert decide(change(identity=SPIFFE), None, OnlyHolds()) == Allowed(SPIFFE)
    assert isinstance(decide(purge, TOKEN, OnlyHolds()), Denied)
    assert isinstance(decide(change(identity=SPIFFE), TOKEN), Denied)


def test_a_wrong_token_is_not_made_good_by_an_identity() -> None:
    assert isinstance(decide(change("Bearer wrong", SPIFFE), TOKEN, OnlyHolds()), Denied)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_a_post_changes_anything(method: str) -> None:
    denied = decide(change(f"Bearer {TOKEN}", method=method), TOKEN)

    assert isinstance(denied, Denied)
    assert denied.status == 405


def test_a_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(change(f"Bearer {TOKEN}"))


@pytest.mark.parametrize(
    "text", ["", "\n", "short", "fifteen-letters", "a token with white space", "\x00" * 20]
)
def test_a_file_without_a_good_token_ends_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)

    with pytest.raises(TokenError, match=r"DIAL_GATEWAY_ADMIN_TOKEN_FILE: .*token must hold"):
        TokenOperators(str(file))


def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match=r"cannot read .*nowhere: No such file"):
        TokenOperators(str(tmp_path / "nowhere"))


def test_another_token_in_the_file_is_the_one_to_show(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    operators = TokenOperators(str(file))
    assert operators.decide(change(f"Bearer {TOKEN}")) == Allowed(BY_TOKEN)

    file.write_text("quite-another-token-now")

    assert isinstance(operators.decide(change(f"Bearer {TOKEN}")), Denied)
    assert operators.decide(change("Bearer quite-another-token-now")) == Allowed(BY_TOKEN)


def test_taking_the_token_away_takes_the_right_away(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    operators = TokenOperators(str(file))

    file.unlink()
    denied = operators.decide(change(f"Bearer {TOKEN}"))

    assert isinstance(denied, Denied)
    assert denied.status == 403
    file.write_text(TOKEN)
    assert operators.decide(change(f"Bearer {TOKEN}")) == Allowed(BY_TOKEN)
