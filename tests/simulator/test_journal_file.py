from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator import (
    Delivery,
    Fault,
    FaultKind,
    JournalFile,
    SimulatedConnect,
    SimulatorSettings,
    read_journal,
)
from tests.simulator.conftest import Account


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


Open = Callable[[], JournalFile]


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Open the journal's file; close it at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(JournalFile(path)))


def account(file: JournalFile, **settings: Any) -> Account:
    """Make an account that keeps its journal in a file, and continues from the file's records."""
    chosen = SimulatorSettings(verify_signatures=False, call_rate=0, **settings)
    connect = SimulatedConnect(chosen, file.add)
    connect.remember(file.records())
    return Account(connect)


def ids(account: Account, *tokens: str) -> dict[str, str]:
    document = json.loads(account.put_tokens(*tokens).body)
    return {item["clientToken"]: item["id"] for item in document["successfulRequests"]}


def test_calls_are_read_back_unchanged(path: Path, opened: Open) -> None:
    """Each call and the fate of its answer are in the file before the answer is sent."""
    file = opened()
    before = account(file)
    before.put_tokens("a", "b")
    before.connect.add_fault(Fault(kind=FaultKind.RESET, after_work=True, count=1))
    before.put_tokens("c")
    before.connect.add_fault(Fault(kind=FaultKind.ITEM_FAILURE, code="UnknownError", token="d"))
    before.put_tokens("d", "a")
    before.put_tokens("e", "e")
    calls = list(read_journal(path))
    assert calls == list(before.connect.journal)
    assert [call.tokens for call in calls] == [["a", "b"], ["c"], ["d", "a"], ["e", "e"]]
    assert calls[1].delivery is Delivery.RESET
    assert calls[3].illegal


def test_a_token_is_known_after_a_restart(path: Path, opened: Open) -> None:
    """A simulator that continues from a file answers a known token with its old id, and gives no id twice."""
    first = opened()
    before = ids(account(first), "a", "b")
    second = opened()
    again = account(second)
    after = ids(again, "b", "c")
    assert after["b"] == before["b"]
    assert after["c"] not in before.values()
    assert again.connect.journal.dials() == {("campaign", token): 1 for token in "abc"}
    assert again.connect.stats().items == {"accepted": 3, "replayed": 1}


def test_an_incomplete_line_is_cut_off(path: Path, opened: Open) -> None:
    """An incomplete last line, whose call was never answered, is not read and is cut off."""
    first = opened()
    ids(account(first), "a")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert len(list(read_journal(path))) == 1
    opened()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("spoil", [lambda line: b"{}\n", lambda line: b"[1]\n", lambda line: b"x" + line])
def test_a_file_that_is_not_a_journal(path: Path, opened: Open, spoil: Callable[[bytes], bytes]) -> None:
    """A line that is not a record of a journal raises an error that names the line."""
    first = opened()
    ids(account(first), "a")
    path.write_bytes(path.read_bytes() + spoil(path.read_bytes()))
    with pytest.raises(ValueError, match="line 2 is not one of a journal"):
        list(read_journal(path))


def test_the_file_holds_no_phone_number(path: Path, opened: Open) -> None:
    """Neither the number nor the attributes of a dial request are written to the file."""
    file = opened()
    one = account(file)
    one.put(one.item("a", attributes={"name": "Jane"}))
    mail = one.outbound_item("mail")
    parameters = {"destinationEmailAddress": "jane@example.com", "templateParameters": {}}
    one.put_outbound(mail | {"channelSubtypeParameters": {"email": parameters}})
    assert [call.channels for call in read_journal(path)] == [{}, {"mail": "email"}]
    text = path.read_text()
    assert '"a"' in text
    assert "jane@example.com" not in text
    assert one.item("a")["phoneNumber"] not in text
    assert "Jane" not in text
