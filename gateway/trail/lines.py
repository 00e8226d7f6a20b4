"""The lines of a trail: JSON objects with a sequence number, in a chain of hashes.

A line is about one dial request, about an act of an operator, or about the trail itself. Numbers appear only
as keyed hashes.
"""

import enum
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from gateway.core.channels import Email
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.model import Reason
from gateway.trail.chain import Chain

Value = str | int | bool
Line = tuple[Mapping[str, Value], bytes]
"""A line as its fields, and as its text with the line end."""
TRAIL_ID_BYTES = 4
_NAMES = {decision: decision.value for decision in GuardDecision}
FIRST_BYTES = b'{"seq":'
"""The beginning of each line."""


class TrailEnd(NamedTuple):
    """The last line of a trail.

    `clean`: the process that wrote it has ended after it had written everything.
    """

    trail: str
    sequence: int
    chain: str
    clean: bool


class OperatorAct(NamedTuple):
    """What an operator has done about a number: `decision` is `suppressed` or `allowed`."""

    decision: str
    number_hash: bytes
    actor: str
    reason: str


class TrailEvent(enum.Enum):
    """What happened to the trail itself."""

    START = "start"  # a process begins to write
    FILE = "file"  # a new file begins
    STOP = "stop"  # the process ends, and has written everything
    LOST = "lost"  # records are missing


class Lines:
    """Makes the lines of one trail. `hash_of` hashes a number. A trail continues after its `end`.

    Without an `end`, or with one that has another key, a new trail begins. Its name begins with that of the
    key.
    """

    def __init__(
        self, replica: str, key: bytes, hash_of: Callable[[str], bytes], end: TrailEnd | None = None
    ) -> None:
        self._replica = replica
        self._hash_of = hash_of
        self._after = "" if end is None else end.chain
        self._is_clean = end is None or end.clean
        self._chain = Chain(key)
        self._trail = f"{self._chain.key_id}-{secrets.token_hex(TRAIL_ID_BYTES)}"
        self._sequence = 0
        if end is not None and end.trail.startswith(f"{self._chain.key_id}-"):
            self._chain = Chain(key, end.chain)
            self._trail, self._sequence = end.trail, end.sequence
        self._at, self._time = -1.0, ""

    def decisions(self, at: float, records: Sequence[GuardRecord | OperatorAct]) -> list[Line]:
        """Return the lines of records; `at` is when they were made, in seconds since the epoch."""
        time = self._text_of(at)
        return [self._decision(time, record) for record in records]

    def start(self, at: float) -> Line:
        """Return the line that a process writes first. It names the line before."""
        return self._event(at, TrailEvent.START, after=self._after, clean=self._is_clean)

    def new_file(self, at: float) -> Line:
        """Return the line that a new file of the same process begins with. It names the line before."""
        return self._event(at, TrailEvent.FILE, after=self._chain.last)

    def stop(self, at: float) -> Line:
        """Return the line that a process writes last."""
        return self._event(at, TrailEvent.STOP)

    def lost(self, at: float, count: int) -> Line:
        """Return the line that says how many records are missing here."""
        return self._event(at, TrailEvent.LOST, records=count)

    def _decision(self, time: str, record: GuardRecord | OperatorAct) -> Line:
        if isinstance(record, OperatorAct):
            return self._act(time, record)
        decision, request, caller, verdict, dial_request_id, trace_id = record
        channel = request.channel
        to = channel.address if isinstance(channel, Email) else request.phone_number
        fields = self._begun(time)
        fields["decision"] = _NAMES[decision]
        fields["number"] = self._hash_of(to).hex()
        fields["channel"] = "telephony" if channel is None else channel.name
        fields["campaign"] = request.campaign_id
        fields["token"] = request.client_token
        fields["caller"] = caller
        fields["rule"] = verdict.rule
        fields["version"] = verdict.version
        if verdict.reason is not Reason.NONE:
            fields["reason"], fields["detail"] = verdict.reason.name, verdict.detail
        if dial_request_id:
            fields["dial_request_id"] = dial_request_id
        fields["trace_id"] = trace_id
        return self._chained(fields)

    def _act(self, time: str, act: OperatorAct) -> Line:
        fields = self._begun(time)
        fields["decision"] = act.decision
        fields["number"] = act.number_hash.hex()
        fields["caller"] = act.actor
        fields["detail"] = act.reason
        return self._chained(fields)

    def _event(self, at: float, event: TrailEvent, **more: Value) -> Line:
        fields = self._begun(self._text_of(at))
        fields["event"] = event.value
        return self._chained({**fields, **more})

    def _begun(self, time: str) -> dict[str, Value]:
        """Return the first fields of the next line."""
        self._sequence += 1
        return {"seq": self._sequence, "time": time, "trail": self._trail, "replica": self._replica}

    def _chained(self, fields: dict[str, Value]) -> Line:
        text = self._chain.line(_json(fields))
        fields["chain"] = self._chain.last
        return fields, text

    def _text_of(self, at: float) -> str:
        if at != self._at:
            text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
            self._at, self._time = at, text.replace("+00:00", "Z")
        return self._time


def end_of(line: bytes) -> TrailEnd | None:
    """Return where a trail stands after a line, None if that is no line of a trail."""
    try:
        fields: Any = orjson.loads(line)
        end = TrailEnd(
            fields["trail"],
            fields["seq"],
            fields["chain"],
            fields.get("event") == TrailEvent.STOP.value,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return end if [type(value) for value in end] == [str, int, str, bool] else None


def _json(fields: Mapping[str, Value]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:  # a text that is not valid Unicode
        return json.dumps(fields, separators=(",", ":")).encode()
