"""What callers sent and heard, and what Connect did: the material that the checker judges.

Times are Unix seconds of one machine. No phone number and no attribute is kept: a request holds a keyed
fingerprint of them, which tells whether two requests under one token are the same dial.
"""

import hashlib
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.simulator import CallRecord

Key = tuple[str, str]
"""Campaign id and client token: what names a dial."""


class Request(NamedTuple):
    """A dial request that a caller has sent, as the `position`-th of its logical stream."""

    stream: str
    position: int
    campaign: str
    token: str
    dial: int
    """Fingerprint of phone number and attributes."""
    expires_at: float
    sent_at: float
    in_doubt: bool = False
    """Whether the caller said that an earlier attempt may have been made."""

    @property
    def key(self) -> Key:
        return self.campaign, self.token


class Answer(NamedTuple):
    """An answer that a caller got. `outcome` and `reason` are the contract's names, without prefix."""

    stream: str
    position: int
    token: str
    outcome: str
    reason: str
    id: str
    replayed: bool
    heard_at: float


class Hold(NamedTuple):
    """A hold that an operator has requested through one replica.

    It is in force from `within_s` after `asked_at` until `released_at`, at all replicas or at one `replica`.
    """

    campaign: str
    asked_at: float
    released_at: float = math.inf
    within_s: float = 1.0
    replica: str = ""


@dataclass(slots=True)
class History:
    """Everything recorded. `left` has the streams whose callers left, and when: answers may be missing.

    `calls` are those of all replicas: the access key of a call is the name of its replica.
    """

    requests: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    calls: list[CallRecord] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)


class Recorder:
    """Records a history while it happens."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.history = History()
        self._clock = clock
        self._secret = secrets.token_bytes(16)
        self._streams = 0

    def stream(self, name: str = "stream") -> "StreamRecorder":
        """Begin a logical stream: one that may run over any number of connections."""
        self._streams += 1
        return StreamRecorder(self, f"{name}-{self._streams}")

    def now(self) -> float:
        return self._clock()

    def held(self, campaign: str, *, within_s: float = 1.0, replica: str = "") -> None:
        """Record that a hold is requested, which is in force within a time, at all replicas or at one."""
        self.history.holds.append(Hold(campaign, self.now(), within_s=within_s, replica=replica))

    def released(self, campaign: str) -> None:
        """Record that the holds of a campaign are about to be released."""
        now = self.now()
        self.history.holds = [
            hold._replace(released_at=min(now, hold.released_at)) if hold.campaign == campaign else hold
            for hold in self.history.holds
        ]

    def fingerprint(self, phone_number: str, attributes: Mapping[str, str]) -> int:
        digest = hashlib.blake2b(phone_number.encode(), key=self._secret, digest_size=8)
        for pair in sorted(attributes.items()):
            digest.update(repr(pair).encode())
        return int.from_bytes(digest.digest())

    def judged_with(self, calls: Iterable[CallRecord]) -> History:
        """Return the history, with what Connect did."""
        self.history.calls = list(calls)
        return self.history


class StreamRecorder:
    """Records one logical stream."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.name = name
        self.sent_count = 0
        self._recorder = recorder

    def sent(
        self,
        campaign: str,
        token: str,
        expires_at: float,
        phone_number: str,
        attributes: Mapping[str, str] | None = None,
        *,
        in_doubt: bool = False,
    ) -> None:
        """Record a request before it can leave."""
        recorder = self._recorder
        dial = recorder.fingerprint(phone_number, attributes or {})
        now = recorder.now()
        recorder.history.requests.append(
            Request(self.name, self.sent_count, campaign, token, dial, expires_at, now, in_doubt)
        )
        self.sent_count += 1

    def heard(
        self,
        position: int,
        token: str,
        outcome: str,
        reason: str = "",
        id_: str = "",
        *,
        replayed: bool = False,
    ) -> None:
        """Record an answer when it has arrived."""
        now = self._recorder.now()
        self._recorder.history.answers.append(
            Answer(self.name, position, token, outcome, reason, id_, replayed, now)
        )

    def left(self) -> None:
        """Record that the caller is about to leave without waiting for the rest."""
        self._recorder.history.left[self.name] = self._recorder.now()
