"""Who may change things over the admin port."""

import os
from pathlib import Path

import pytest

from gateway.access.admin_token import Denied, TokenAuthorizer, denied
from gateway.access.errors import TokenError
from tests.files import put

TOKEN = "a-token-of-some-length"


def reread(operators: TokenAuthorizer) -> bool:
    assert operators.file is not None
    return operators.file.reread()


def test_whoever_shows_the_token_may() -> None:
    assert denied(f"Bearer {TOKEN}", TOKEN) is None
    assert denied(f"bearer  {TOKEN} ", TOKEN) is None


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
    found = denied(shown, TOKEN)

    assert isinstance(found, Denied)
    assert found.status == 401
    assert TOKEN not in found.text


def test_without_a_token_nothing_can_be_changed_and_the_answer_says_how() -> None:
    for shown in (None, "Bearer ", "Bearer None", "Bearer x"):
        found = denied(shown, None)

        assert isinstance(found, Denied)
        assert found.status == 403
        assert "DIAL_GATEWAY_ADMIN_TOKEN_FILE" in found.text


@pytest.mark.parametrize(
    "text", ["", "\n", "short", "fifteen-letters", "a token with white space", "\x00" * 20]
)
def test_a_file_without_a_good_token_ends_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)

    with pytest.raises(TokenError, match=r"DIAL_GATEWAY_ADMIN_TOKEN_FILE: .*token must contain"):
        TokenAuthorizer(str(file))


def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match=r"cannot read .*nowhere: No such file"):
        TokenAuthorizer(str(tmp_path / "nowhere"))


def test_another_token_in_the_file_is_the_one_to_show(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    operators = TokenAuthorizer(str(file))
    assert operators.denied(f"Bearer {TOKEN}") is None

    put(file, "quite-another-token-now")
    reread(operators)

    assert isinstance(operators.denied(f"Bearer {TOKEN}"), Denied)
    assert operators.denied("Bearer quite-another-token-now") is None


def test_taking_the_token_away_takes_the_right_away(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    operators = TokenAuthorizer(str(file))

    file.unlink()
    reread(operators)
    found = operators.denied(f"Bearer {TOKEN}")

    assert isinstance(found, Denied)
    assert found.status == 403
    put(file, TOKEN)
    reread(operators)
    assert operators.denied(f"Bearer {TOKEN}") is None


def test_a_decision_reads_no_file(tmp_path: Path) -> None:
    """A decision is made on the event loop: it uses the token that was read last, whatever the disk does."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    operators = TokenAuthorizer(str(file))
    file.unlink()
    os.mkfifo(file)  # opening it for reading hangs

    assert operators.denied(f"Bearer {TOKEN}") is None
    assert isinstance(operators.denied("Bearer another-token-of-some-length"), Denied)
