"""Each file that decides who may do what is used only when it has been written completely."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.access.key_pair import KeyPairFiles
from gateway.access.settled_file import COMPUTED_QUIET_S, QUIET_S, WRITTEN_QUIET_S
from gateway.access.setup import Access, AccessFiles
from gateway.directory.directory import CampaignDirectory
from tests import pki
from tests.files import ManualClocks, put

ROOT = Path(__file__).parents[3]
CA, OTHER = pki.Authority(), pki.Authority()
OWN, RENEWED = CA.issue(dns="gateway.example.org"), CA.issue(dns="gateway.example.org")
CALLER = "  - {{identities: ['{0}'], dial: [{{campaigns: ['*']}}]}}\n"
CAMPAIGN = "  - {{id: {0}, name: {0}}}\n"
TOKEN = "a-token-of-some-length"


class Started:
    """The access of a gateway whose files are all complete, and the clocks that its looks use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directory = CampaignDirectory()
        self.clock = ManualClocks()
        self.clock.ahead = time.time() + 3600.0  # certificates are valid, and no file was just written
        OWN.write(folder)
        for name, content in BEFORE.items():
            put(folder / name, content)
        self.access = self.read()

    def read(self) -> Access:
        at = {name: str(self.folder / name) for name in (*BEFORE, "tls.key")}
        pair = KeyPairFiles(at["tls.crt"], at["tls.key"], at["ca.crt"])
        files = AccessFiles(
            pair=pair, policy=at["policy.yaml"], token=at["token"], campaigns=at["campaigns.yaml"]
        )
        return Access(files, lambda *_: None, self.directory, self.clock.clocks)

    def look(self, after_s: float = 1.0) -> None:
        self.clock.now += after_s
        self.access.reread()
        self.access.publish_campaigns()


BEFORE: dict[str, bytes] = {
    "tls.crt": OWN.pem + CA.pem,
    "ca.crt": CA.pem + OTHER.pem,
    "policy.yaml": ("version: 1\ncallers:\n" + CALLER.format("a") + CALLER.format("b")).encode(),
    "campaigns.yaml": ("version: 1\ncampaigns:\n" + CAMPAIGN.format("a") + CAMPAIGN.format("b")).encode(),
    "token": f"{TOKEN}-before".encode(),
}


def chain(started: Started) -> bytes:
    assert started.access.pair is not None
    return started.access.pair.value.certificate


def authorities(started: Started) -> bytes | None:
    assert started.access.pair is not None
    return started.access.pair.value.client_ca


def callers(started: Started) -> list[str]:
    assert started.access.policy is not None
    return [entry.in_words().partition(":")[0] for entry in started.access.policy.value.entries]


def campaigns(started: Started) -> list[str]:
    return [name for name, _ in started.directory.table.names()]


def token(started: Started) -> bool:
    return started.access.operator_authorizer.denied(f"Bearer {TOKEN}-before") is None


class Case(NamedTuple):
    """A file, what it decides, and a valid part of it, which is used after `shrunk_s` without a change."""

    name: str
    setting: str
    decided: Callable[[Started], object]
    part: bytes
    shrunk_s: float


CASES = [
    Case("tls.crt", "DIAL_GATEWAY_TLS_CERT_FILE", chain, OWN.pem, WRITTEN_QUIET_S),
    Case("ca.crt", "_TLS_CLIENT_CA_FILE", authorities, CA.pem, WRITTEN_QUIET_S),
    Case(
        "policy.yaml",
        "DIAL_GATEWAY_POLICY_FILE",
        callers,
        ("version: 1\ncallers:\n" + CALLER.format("a")).encode(),
        WRITTEN_QUIET_S,
    ),
    Case(
        "campaigns.yaml",
        "DIAL_GATEWAY_CAMPAIGN_DIRECTORY",
        campaigns,
        ("version: 1\ncampaigns:\n" + CAMPAIGN.format("a")).encode(),
        COMPUTED_QUIET_S,
    ),
    Case("token", "DIAL_GATEWAY_ADMIN_TOKEN_FILE", token, TOKEN.encode(), QUIET_S),
]
each_file = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_file
def test_a_part_of_a_file_that_is_written_in_place_decides_nothing(case: Case, tmp_path: Path) -> None:
    """The part is valid. What was read before decides until all of the file is there."""
    started = Started(tmp_path)
    before = case.decided(started)
    path = tmp_path / case.name
    path.write_bytes(case.part)
    started.look()
    started.look(0.9 * case.shrunk_s)
    assert case.decided(started) == before
    with path.open("ab") as writing:
        writing.write(BEFORE[case.name][len(case.part) :])
    for _ in range(2):
        started.look()
        assert case.decided(started) == before
    assert not any(file.refused or file.complaint or not file.settled for file in started.access.files)


@each_file
def test_a_smaller_file_decides_when_it_has_not_changed_for_its_time(case: Case, tmp_path: Path) -> None:
    """A smaller file is used after its quiet time, so a right or token that was removed ends soon."""
    started = Started(tmp_path)
    before = case.decided(started)
    (tmp_path / case.name).write_bytes(case.part)
    started.look()
    started.look(case.shrunk_s)
    assert case.decided(started) != before


@each_file
def test_a_smaller_file_that_is_renamed_into_place_decides_at_once(case: Case, tmp_path: Path) -> None:
    started = Started(tmp_path)
    before = case.decided(started)
    put(tmp_path / case.name, case.part)
    started.look()
    assert case.decided(started) != before


@each_file
def test_a_file_that_was_just_written_is_not_settled_at_the_start(case: Case, tmp_path: Path) -> None:
    """A file that was just written is not settled, so the start waits for it."""
    started = Started(tmp_path)
    assert all(file.settled for file in started.access.files)
    path = tmp_path / case.name
    path.write_bytes(case.part)
    started.clock.ahead = path.stat().st_mtime - started.clock.now
    started.access = started.read()
    part = case.decided(started)
    with path.open("ab") as writing:
        writing.write(BEFORE[case.name][len(case.part) :])
    started.look()
    assert not all(file.settled for file in started.access.files)
    assert case.decided(started) == part
    started.look()
    assert all(file.settled for file in started.access.files)
    assert case.decided(started) != part


@each_file
def test_the_documentation_has_the_time_of_each_file(case: Case) -> None:
    rows = (ROOT / "docs" / "files.md").read_text().splitlines()
    (row,) = (row for row in rows if f"`{case.setting}`" in row and row.startswith("|"))
    assert row.split("|")[3].strip().startswith(f"{math.ceil(case.shrunk_s)} s")


def test_a_pair_that_is_written_in_place_is_used_when_both_files_are_complete(tmp_path: Path) -> None:
    """A key of another certificate is no complaint while one of them may still be written."""
    started = Started(tmp_path)
    (tmp_path / "tls.crt").write_bytes(RENEWED.pem + CA.pem)
    started.look()
    (tmp_path / "tls.key").write_bytes(RENEWED.key_pem)
    started.look()
    assert chain(started) == BEFORE["tls.crt"]
    started.look(WRITTEN_QUIET_S)
    assert chain(started) == RENEWED.pem + CA.pem
    assert started.access.files_refused["certificate"] == 0


def test_a_pair_whose_files_are_renamed_one_after_the_other_is_no_complaint(tmp_path: Path) -> None:
    """The gateway may look between the two. A pair that stays wrong is a complaint a second later."""
    started = Started(tmp_path)
    put(tmp_path / "tls.crt", RENEWED.pem)
    started.look()
    put(tmp_path / "tls.key", RENEWED.key_pem)
    started.look()
    assert chain(started) == RENEWED.pem
    put(tmp_path / "tls.crt", OWN.pem)
    started.look()
    assert started.access.files_refused["certificate"] == 0
    started.look()
    started.look()
    assert started.access.files_refused["certificate"] == 1


def test_a_token_file_that_is_removed_ends_the_right_at_the_next_look(tmp_path: Path) -> None:
    """A token that is being written meanwhile does not bring the right back before it is complete."""
    started = Started(tmp_path)
    (tmp_path / "token").unlink()
    started.look()
    (tmp_path / "token").write_bytes(BEFORE["token"])
    assert not token(started)
    started.look()
    assert not token(started)
    started.look()
    assert token(started)


@pytest.mark.parametrize("content", [b"", b"short", b"a token with white space", b"\xff" * 20])
def test_an_invalid_token_is_counted_once(content: bytes, tmp_path: Path) -> None:
    """It ends the right to change anything, which nobody has asked for."""
    started = Started(tmp_path)
    (tmp_path / "token").write_bytes(content)
    for _ in range(5):
        started.look()
    assert not token(started)
    assert started.access.files_refused["admin_token"] == 1
    put(tmp_path / "token", BEFORE["token"])
    started.look()
    assert token(started)
    assert started.access.files_refused["admin_token"] == 1


def test_a_token_file_that_is_removed_is_logged_and_not_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Removing it is how to end the right. An invalid file in its place is counted."""
    started = Started(tmp_path)
    (tmp_path / "token").unlink()
    for _ in range(3):
        started.look()
    assert started.access.files_refused["admin_token"] == 0
    (warning,) = [record for record in caplog.records if "the admin token" in record.getMessage()]
    assert (warning.levelname, "was removed" in warning.getMessage()) == ("WARNING", True)
    put(tmp_path / "token", b"short")
    started.look()
    assert started.access.files_refused["admin_token"] == 1


def test_any_other_file_that_is_removed_is_counted(tmp_path: Path) -> None:
    """What was read before stays in use, so removing the file does not do what somebody may expect."""
    started = Started(tmp_path)
    (tmp_path / "policy.yaml").unlink()
    started.look()
    assert started.access.files_refused["policy"] == 1
