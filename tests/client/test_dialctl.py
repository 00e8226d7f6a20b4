"""The command `dialctl send` from end to end, as a process with a scripted gateway."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import pty
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests import preloaded
from tests.client.scripted import PHONE, SECRET, Answers, Received, ScriptedGateway, accepted, answer

if TYPE_CHECKING:
    from tests.client.scripted import Context

HEADER = "client_token,phone_number,first_name\n"


def leads(count: int) -> str:
    return HEADER + "".join(f"t-{number},{PHONE},{SECRET}\n" for number in range(count))


class Dialctl:
    """Runs dialctl in its own directory and keeps its output."""

    def __init__(self, directory: Path, target: str) -> None:
        self.directory = directory
        self.environment = {**os.environ, "DIAL_GATEWAY_TARGET": target}
        self.out = self.err = ""

    async def start(self, *arguments: str) -> preloaded.Process:
        return await preloaded.start(
            "dialgateway.dialctl",
            *arguments,
            cwd=self.directory,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def wait(
        self, process: preloaded.Process, stdin: bytes | None = None, *, patience_s: float = 20
    ) -> int:
        out, err = await asyncio.wait_for(process.communicate(stdin), patience_s)
        self.out, self.err = out.decode(), err.decode()
        assert PHONE not in self.out + self.err
        assert SECRET not in self.out + self.err
        assert "Traceback" not in self.err
        assert (self.out + self.err).replace("\n", "").isprintable()
        assert process.returncode is not None
        return process.returncode

    async def send(self, text: str, *arguments: str) -> int:
        (self.directory / "leads.csv").write_text(text)
        return await self.wait(await self.start("send", "leads.csv", "--expires-in", "10m", *arguments))

    def results(self, name: str = "leads.results.csv") -> list[dict[str, str]]:
        with (self.directory / name).open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def dialctl(tmp_path: Path, gateway: ScriptedGateway) -> Dialctl:
    return Dialctl(tmp_path, gateway.target)


async def test_all_accepted_is_exit_0(dialctl: Dialctl) -> None:
    """When every lead was accepted, the exit code is 0 and each has its line."""
    assert await dialctl.send(leads(250), "--campaign", "c") == 0
    results = dialctl.results()
    assert len(results) == 250
    assert results[0].pop("digest")
    assert results[0] == {
        "line": "2",
        "client_token": "t-0",
        "campaign_id": "c",
        "outcome": "ACCEPTED",
        "reason": "",
        "detail": "",
        "dial_request_id": "id-0",
        "retry_advice": "",
        "attempts": "1",
        "replayed": "false",
        "trace_id": "ab" * 16,
    }
    assert "250 leads" in dialctl.out
    assert "250  ACCEPTED" in dialctl.out


async def test_the_summary_as_json(dialctl: Dialctl) -> None:
    """It is the only output, also with `--quiet`, and has the exit code."""
    assert await dialctl.send(leads(3), "--campaign", "c", "--quiet", "-o", "json") == 0
    summary = json.loads(dialctl.out)
    assert (summary["leads"], summary["exit_code"], summary["results"]) == (3, 0, "leads.results.csv")
    assert summary["counts"] == [{"campaign_id": "c", "outcome": "ACCEPTED", "reason": "", "count": 3}]


async def test_a_rejected_lead_is_exit_1(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """One lead that was not accepted makes the exit code 1, and its trace is shown."""

    async def reject(received: Received, context: Context) -> Answers:
        await received.read(1)
        yield answer(
            pb.DialResult(
                client_token="t-0",
                outcome=pb.OUTCOME_REJECTED,
                reason=pb.REASON_INVALID_REQUEST,
                retry_advice=pb.RETRY_ADVICE_NEVER,
                trace_id="cd" * 16,
            )
        )

    gateway.script = reject
    assert await dialctl.send(leads(1), "--campaign", "c") == 1
    assert dialctl.results()[0]["reason"] == "INVALID_REQUEST"
    assert "cd" * 16 in dialctl.out


async def test_bad_rows_are_reported_by_line_and_the_others_are_sent(dialctl: Dialctl) -> None:
    """Bad rows are named by line and column, and written as INVALID_ROW."""
    text = f"{HEADER}t-0,{PHONE},{SECRET}\n,{PHONE},{SECRET}\nt-2,,{SECRET}\nt-0,{PHONE},x\nt-3,{PHONE},\n"
    assert await dialctl.send(text, "--campaign", "c") == 1
    outcomes = {row["line"]: row["outcome"] for row in dialctl.results()}
    assert outcomes == {
        "2": "ACCEPTED",
        "3": "INVALID_ROW",
        "4": "INVALID_ROW",
        "5": "INVALID_ROW",
        "6": "ACCEPTED",
    }
    assert "line 3: client_token: is empty" in dialctl.err
    assert "line 4: phone_number: is empty" in dialctl.err
    assert "line 5: client_token: an earlier line has the same token" in dialctl.err


async def test_rows_are_sent_to_the_campaign_in_their_column(
    dialctl: Dialctl, gateway: ScriptedGateway
) -> None:
    """A file with a campaign column opens one stream per campaign."""
    rows = "".join(f"t-{number},{PHONE},c-{number % 3}\n" for number in range(30))
    assert await dialctl.send("client_token,phone_number,campaign_id\n" + rows, "--traceparent", _TP) == 0
    assert sorted(stream.first[0].campaign_id for stream in gateway.streams) == ["c-0", "c-1", "c-2"]
    assert all(len(stream.tokens) == 10 for stream in gateway.streams)
    assert {metadata["traceparent"] for metadata in gateway.metadata} == {_TP}


_TP = f"00-{'1' * 32}-{'2' * 16}-01"


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (["--campaign", "c"], f"phone_number\n{PHONE}\n", "token of its own"),
        ([], leads(1), "--campaign"),
        (["--campaign", "c", "--results", "leads.csv"], leads(1), "the list itself"),
        (["--campaign", "c", "--results", "/dev/zero"], leads(1), "no regular file"),
        (["--campaign", "c", "--results", "."], leads(1), "a directory"),
        (["--campaign", "c", "--expires-in", "soon"], leads(1), "10m"),
        (["--campaign", "c", "--traceparent", "x"], leads(1), "hex digits"),
    ],
)
async def test_wrong_usage_is_exit_2(dialctl: Dialctl, arguments: list[str], text: str, message: str) -> None:
    """A clear message, exit code 2, and no results file."""
    assert await dialctl.send(text, *arguments) == 2
    assert message in dialctl.err
    assert not (dialctl.directory / "leads.results.csv").exists()


async def test_a_missing_file_is_exit_2(dialctl: Dialctl) -> None:
    """The message is one clear line."""
    process = await dialctl.start("send", "nowhere.csv", "--campaign", "c", "--expires-in", "5m")
    assert await dialctl.wait(process) == 2
    assert dialctl.err == "dialctl: nowhere.csv: No such file or directory\n"


async def test_a_directory_is_exit_2(dialctl: Dialctl) -> None:
    """The message is one clear line."""
    process = await dialctl.start("send", ".", "--campaign", "c", "--expires-in", "5m")
    assert await dialctl.wait(process) == 2
    assert dialctl.err == "dialctl: .: Is a directory\n"


async def test_an_unreachable_gateway_is_exit_3(dialctl: Dialctl, closed_port: int) -> None:
    """If nothing listens, every lead is written as NOT_SENT, however many there are."""
    nowhere = ("--gateway", f"127.0.0.1:{closed_port}", "--give-up-after", "0.5s")
    assert await dialctl.send(leads(3000), "--campaign", "c", *nowhere) == 3
    results = dialctl.results()
    assert {row["outcome"] for row in results} == {"NOT_SENT"}
    assert sorted(int(row["line"]) for row in results) == list(range(2, 3002))
    assert "UNAVAILABLE" in dialctl.err


async def test_a_broken_stream_keeps_its_answers(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Answers before the break are kept, other leads are UNANSWERED, and the exit code is 3."""

    async def break_later(received: Received, context: Context) -> Answers:
        await received.read(5)
        yield answer(*(accepted(index, f"t-{index}") for index in range(3)))
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "oops")

    gateway.script = break_later
    assert await dialctl.send(leads(5), "--campaign", "c") == 3
    assert [row["outcome"] for row in dialctl.results()] == ["ACCEPTED"] * 3 + ["UNANSWERED"] * 2
    assert "oops" in dialctl.err


async def test_ctrl_c_keeps_the_results(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """When interrupted, dialctl writes a line for every lead and exits with 130."""

    async def answer_three(received: Received, context: Context) -> Answers:
        await received.read(3)
        yield answer(*(accepted(index, f"t-{index}") for index in range(3)))
        await received.read(5000)

    gateway.script = answer_three
    (dialctl.directory / "leads.csv").write_text(leads(5000))
    process = await dialctl.start("send", "leads.csv", "--campaign", "c", "--expires-in", "10m")
    file = dialctl.directory / "leads.results.csv"
    while not file.exists() or file.read_text().count("ACCEPTED") < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert await dialctl.wait(process) == 130
    outcomes = [row["outcome"] for row in dialctl.results()]
    sent = len(gateway.streams[0].tokens)
    assert outcomes[:sent] == ["ACCEPTED"] * 3 + ["UNANSWERED"] * (sent - 3)
    assert set(outcomes[sent:]) <= {"UNANSWERED", "NOT_SENT"}  # some may have been handed over but not sent
    assert outcomes[-1] == "NOT_SENT"
    assert len(outcomes) == 5000


async def test_a_lead_from_a_pipe_is_sent_at_once(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """It is sent before the pipe has more."""
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m", "--quiet")
    assert process.stdin is not None
    process.stdin.write(leads(1).encode())
    await asyncio.wait_for(gateway.opened.wait(), 10)
    await asyncio.wait_for(gateway.streams[0].changed.wait(), 10)
    assert await dialctl.wait(process, f"t-1,{PHONE},\n".encode()) == 0
    assert [row["line"] for row in dialctl.results("stdin.results.csv")] == ["2", "3"]
    assert dialctl.out + dialctl.err == ""


async def test_ctrl_c_ends_a_wait_for_standard_input(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """dialctl exits although the pipe has no data."""
    process = await dialctl.start("send", "-", "--campaign", "c", "--expires-in", "10m")
    assert process.stdin is not None
    process.stdin.write(leads(1).encode())
    await asyncio.wait_for(gateway.opened.wait(), 10)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 10) == 130


async def test_a_terminal_shows_the_progress_bar(dialctl: Dialctl) -> None:
    """On a terminal `dialctl send` draws the bar from start to end, and then the summary."""
    (dialctl.directory / "leads.csv").write_text(leads(300))
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialgateway.dialctl", "send", "leads.csv", "--campaign", "c"),
        *("--expires-in", "10m"),
        cwd=dialctl.directory,
        env={**dialctl.environment, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # the terminal is closed at the end of the process
            while block := os.read(ours, 65_536):
                written.extend(block)

    try:
        async with asyncio.timeout(20):
            await asyncio.to_thread(read)
            assert await process.wait() == 0
    finally:
        os.close(ours)
    text = written.decode()
    assert "Traceback" not in text
    assert "━" in text
    assert "300/300" in text
    assert text.index("300/300") < text.index("300 leads in")


# --- errors during a run ------------------------------------------------------------------------------


async def test_a_full_disk_is_exit_4(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """Leads have been sent, so "nothing was sent" would be wrong. The next run sends the rest, in doubt."""
    limited = [sys.executable, "-c", _WITH_A_SMALL_DISK]
    (dialctl.directory / "leads.csv").write_text(leads(500))
    process = await asyncio.create_subprocess_exec(
        *limited,
        "send",
        "leads.csv",
        "--campaign",
        "c",
        "--expires-in",
        "10m",
        cwd=dialctl.directory,
        env=dialctl.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await dialctl.wait(process) == 4
    assert "leads have been sent" in dialctl.err
    assert (dialctl.directory / "leads.results.csv.under-way").exists()
    written = {row["client_token"] for row in dialctl.results() if row["outcome"] == "ACCEPTED"}
    assert await dialctl.send(leads(500), "--campaign", "c") == 0
    assert len(written) < 500
    assert {row["client_token"] for row in dialctl.results()} == {f"t-{number}" for number in range(500)}


_WITH_A_SMALL_DISK = """
import resource, sys
from dialgateway.dialctl import main
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
sys.exit(main(sys.argv[1:]))
"""


async def test_a_closed_pipe_does_not_end_a_run(dialctl: Dialctl, gateway: ScriptedGateway) -> None:
    """`dialctl send ... | head -1` sends everything, and the exit code is that of the run."""
    (dialctl.directory / "leads.csv").write_text(leads(300))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", 'set -o pipefail; "$@" 2>&1 | exec 0<&- true', "-", sys.executable, "-m"),
        *("dialgateway.dialctl", "send", "leads.csv", "--campaign", "c", "--expires-in", "10m"),
        cwd=dialctl.directory,
        env=dialctl.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await dialctl.wait(process) == 0
    assert len(dialctl.results()) == 300
    assert not (dialctl.directory / "leads.results.csv.under-way").exists()


async def test_ctrl_c_leaves_unsent_leads_not_sent(dialctl: Dialctl, closed_port: int) -> None:
    """While the gateway is unreachable nothing can have been sent, so no lead is in doubt."""
    (dialctl.directory / "leads.csv").write_text(leads(300))
    arguments = ("--campaign", "c", "--expires-in", "10m", "--gateway", f"127.0.0.1:{closed_port}")
    process = await dialctl.start("send", "leads.csv", *arguments)
    under_way = dialctl.directory / "leads.results.csv.under-way"
    async with asyncio.timeout(20):
        while not under_way.exists() or not under_way.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert await dialctl.wait(process) == 130
    assert [row["outcome"] for row in dialctl.results()] == ["NOT_SENT"] * 300
