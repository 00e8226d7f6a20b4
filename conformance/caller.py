"""A client's program as a process, with the record of what it sent and what it was answered."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from conformance.programs import ROOT, command
from tests.history.history import Recorder, StreamRecorder

Document = Mapping[str, Any]

PATIENCE_S = 90.0
"""How long a scenario waits for anything before it fails; far longer than anything takes."""
EXPIRES_IN_S = 600.0
PHONE = "+12025550123"
LINE_BYTES = 16 << 20
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
LEAVING = ("close_after", "throw_after")
"""Options with which a caller leaves before it has all answers."""


@dataclass(eq=False)
class Call:
    """One command of a program, and what the program wrote about it."""

    id: str
    record: StreamRecorder
    sent: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    answers: list[Document] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    notices: list[Document] = field(default_factory=list)
    others: list[Document] = field(default_factory=list)
    offered: int | None = None
    end: Document | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def outcomes(self) -> set[str]:
        """The outcomes of all answers."""
        return {answer["outcome"] for answer in self.answers}

    @property
    def error(self) -> Document:
        """The end of a call that failed; empty if it did not."""
        return self.end if self.end is not None and self.end["end"] == "error" else {}

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two answers, in seconds."""
        return max((later - one for one, later in itertools.pairwise(self.answered_at)), default=0.0)

    def kinds(self) -> list[str]:
        """Return the kinds of the notices, in order."""
        return [notice["kind"] for notice in self.notices]

    async def until_answers(self, count: int) -> None:
        """Wait until there are `count` answers, or the call has ended."""
        await self._until(lambda: len(self.answers) >= count)

    async def until_notice(self, kind: str) -> None:
        """Wait for a notice of a kind. Raises `RuntimeError` if the call ends before."""
        await self._until(lambda: kind in self.kinds())
        if kind not in self.kinds():
            raise RuntimeError(f"{self.id} ended without the notice {kind}: {self.end}")

    async def ended(self, within_s: float = PATIENCE_S) -> None:
        """Wait for the end of the call. Raises `TimeoutError`."""
        await self._until(lambda: False, within_s)

    async def _until(self, condition: Any, within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not condition() and self.end is None:
                self.changed.clear()
                await self.changed.wait()


class Caller:
    """A running program of one client. `said` is the file with its stderr.

    Campaigns of different clients have different ids, so that Connect's journal tells them apart.
    """

    def __init__(
        self, client: str, process: asyncio.subprocess.Process, said: Path, recorder: Recorder
    ) -> None:
        self.client = client
        self.recorder = recorder
        self.said = said
        self._process = process
        self._calls: dict[str, Call] = {}
        self._reading = asyncio.create_task(self._read(), name=f"read-{client}")

    def campaign(self, name: str) -> str:
        """Return the id of a campaign of this client."""
        return f"{self.client}-{name}"

    def generate(self, count: int, prefix: str = "t-", *campaigns: str, **options: Any) -> Call:
        """Let the program send requests that it makes itself, to one campaign or to several in turn."""
        expires_in_s = options.pop("expires_in_s", EXPIRES_IN_S)
        attribute_bytes = options.pop("attribute_bytes", 0)
        ids = [self.campaign(name) for name in campaigns or ("c1",)]
        call = self._call("dial")
        expires_at = time.time() + expires_in_s
        for number in range(count):
            self._sent(call, ids[number % len(ids)], f"{prefix}{number}", expires_at)
        where = {"campaigns": ids} if len(ids) > 1 else {"campaign": ids[0]}
        many = {
            "count": count,
            "prefix": prefix,
            "expires_in_s": expires_in_s,
            "attribute_bytes": attribute_bytes,
        }
        return self._begin(call, {"do": "dial", **where, "generate": many, **options})

    def send(
        self, requests: Sequence[Document], campaign: str = "c1", do: str = "dial", **options: Any
    ) -> Call:
        """Let the program send these requests, by `dial` or `put`."""
        call, id_ = self._call(do), self.campaign(campaign)
        for each in requests:
            expires_at = time.time() + each["expires_in_s"]
            in_doubt = each.get("in_doubt", False)
            self._sent(call, id_, each["token"], expires_at, each["phone"], in_doubt=in_doubt)
        return self._begin(call, {"do": do, "campaign": id_, "requests": list(requests), **options})

    async def operate(self, do: str, campaign: str = "", **options: Any) -> Call:
        """Let the program hold, release, purge or list campaigns, or tell its memory; wait for the end."""
        call = self._call(do)
        named = {"campaign": self.campaign(campaign)} if campaign else {}
        self._begin(call, {"do": do, **named, **options})
        await call.ended()
        return call

    async def memory_mb(self) -> float:
        """Return the resident memory of the program, in MB."""
        call = await self.operate("memory")
        return float(call.others[0]["rss_bytes"]) / 1e6

    async def left(self, within_s: float = 20.0) -> int:
        """Close the program's stdin, and wait for its end; return the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(within_s):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            code = await self._process.wait()
        await self._reading
        return code

    def _call(self, do: str) -> Call:
        id_ = f"{self.client}-{do}-{len(self._calls) + 1}"
        call = self._calls[id_] = Call(id_, self.recorder.stream(id_))
        return call

    def _sent(
        self,
        call: Call,
        campaign: str,
        token: str,
        expires_at: float,
        phone: str = PHONE,
        *,
        in_doubt: bool = False,
    ) -> None:
        call.sent.setdefault((campaign, token), []).append(call.record.sent_count)
        call.record.sent(campaign, token, expires_at, phone, in_doubt=in_doubt)

    def _begin(self, call: Call, command: Document) -> Call:
        if any(option in command for option in LEAVING):
            call.record.left()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": call.id, **command}).encode() + b"\n")
        if self._reading.done():
            self._note(call, {"end": "error", "error": "the program has exited"})
        return call

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            document = json.loads(line)
            self._note(self._calls[document["id"]], document)
        code = await self._process.wait()
        for call in self._calls.values():
            if call.end is None:  # so that nobody waits for it
                self._note(call, {"end": "error", "error": f"the program exited with {code}"})

    def _note(self, call: Call, document: Document) -> None:
        if "answer" in document:
            self._heard(call, document["answer"])
        elif "notice" in document:
            call.notices.append(document["notice"])
        elif "end" in document:
            call.end = document
        elif "offered" in document:
            call.offered = document["offered"]
        else:
            call.others.append(document)
        call.changed.set()

    def _heard(self, call: Call, answer: Document) -> None:
        call.answers.append(answer)
        call.answered_at.append(time.monotonic())
        positions = call.sent.get((answer["campaign"], answer["token"]), [])
        # An answer too many is recorded for a position that was never sent, or for the last one again.
        position = positions.pop(0) if len(positions) > 1 else (positions or [-1])[0]
        call.record.heard(
            position,
            answer["token"],
            answer["outcome"],
            answer["reason"],
            answer["dial_request_id"],
            replayed=answer["replayed"],
        )


@asynccontextmanager
async def caller_of(
    client: str, folder: Path, target: str, options: Mapping[str, str] = NO_OPTIONS
) -> AsyncIterator[Caller]:
    """Run a client's program until the end of the block. `options` are its command line."""
    said = folder / f"{client}-{time.monotonic_ns()}.log"
    with said.open("wb") as stderr:
        process = await _started(client, target, stderr, options)
    caller = Caller(client, process, said, Recorder())
    try:
        yield caller
    finally:
        code = await caller.left()
    if code:
        raise RuntimeError(f"the program of {client} exited with {code}: {said.read_text()[-2000:]}")


async def _started(
    client: str, target: str, stderr: IO[bytes], options: Mapping[str, str]
) -> asyncio.subprocess.Process:
    arguments = itertools.chain.from_iterable((f"--{name}", value) for name, value in options.items())
    return await asyncio.create_subprocess_exec(
        *command(client),
        "--target",
        target,
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        limit=LINE_BYTES,
    )
