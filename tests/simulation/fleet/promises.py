"""What a fleet promises across all its replicas, checked against what Connect has and who asked for what.

- Exactly one answer for each dial request that a living replica has read.
- True answers: ACCEPTED means that Connect has the request. A denial means that Connect does not have it, and
  that no call of any replica which carries it is on its way.
- Nothing is sent that nobody waits for after a denial.
- A token is not sent while another replica sends it, nor after Connect has accepted it, as long as the store
  works and no replica crashes.
- The quota of the account is not exceeded: Connect's bucket never runs empty because of the fleet.
- No call for a campaign arrives more than a second after it was held, from any replica that reaches the
  store.

A promise that is broken inside of the gateway's own callbacks must not be mistaken for a bug of the gateway,
so it is noted, and raised by whoever runs the simulation.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.errors import RateThrottled
from gateway.core.model import DENIALS, Answer, DialRequest, Outcome, Reason
from tests.oracle.records import Key
from tests.simulation.connect_model import Connect
from tests.simulation.fleet.account import Attempt
from tests.simulation.fleet.memory import Memory

HOLD_WITHIN_S = 1.0
"""Seconds within which a hold stops all replicas that reach the store."""
ABOUT_THE_ITEM = frozenset({Reason.INVALID_REQUEST, Reason.TOKEN_CONFLICT})
"""Reasons that say nothing about whether Connect has a request of that token."""


class BrokenPromise(AssertionError):  # noqa: N818 - says what happened
    """A promise of the fleet is broken."""


class Told(NamedTuple):
    """One answer: when, by which replica, to which service, after how long, and for what."""

    at: float
    replica: str
    service: str
    waited_s: float
    key: Key
    answer: Answer


class Held(NamedTuple):
    """A hold, since it was requested. `only`: the one replica that holds, if not all do."""

    at: float
    only: str = ""


@dataclass(eq=False, repr=False)
class Promises:
    """Follows all requests, attempts, answers and holds of a fleet. `now` is the instant of the simulation.

    `store_works`: no fault of the store and no crash has happened, so that no token may be sent twice.
    `quota_as_set`: the account's quota is at least what the fleet is set to, and nobody else uses it.
    """

    connect: Connect
    now: Callable[[], float]
    quota_as_set: bool = True
    store_works: bool = True
    told: list[Told] = field(default_factory=list)
    trace: deque[tuple[object, ...]] = field(default_factory=lambda: deque(maxlen=5000))
    broken: str = ""
    reaches_store: Callable[[str, float], bool] = lambda replica, since: True
    memory: Memory = field(default_factory=Memory)
    _has_since: dict[Key, float] = field(default_factory=dict)
    _outstanding: Counter[Key] = field(default_factory=Counter)
    _denied: set[Key] = field(default_factory=set)
    _flying: dict[Key, list[Attempt]] = field(default_factory=dict)
    _accepted: dict[Key, str] = field(default_factory=dict)
    _holds: dict[str, Held] = field(default_factory=dict)
    _releasing: Counter[str] = field(default_factory=Counter)

    def check(self, is_kept: bool, promise: str, *about: object) -> None:
        """Note the first promise that is broken."""
        if not is_kept and not self.broken:
            words = " ".join(map(str, about))
            self.broken = f"at {self.now():.4f} s: {promise}: {words}"

    def raise_if_broken(self) -> None:
        """Raise `BrokenPromise` with the last events."""
        if self.broken:
            last = "\n".join(" ".join(map(str, event)) for event in self.trace)
            raise BrokenPromise(f"{self.broken}\n{last}")

    # --- requests and answers ----------------------------------------------------------------------

    def submitted(self, replica: str, request: DialRequest) -> None:
        """Note a dial request that a replica reads."""
        key = request.campaign_id, request.client_token
        self._outstanding[key] += 1
        self._denied.discard(key)

    def lost(self, key: Key) -> None:
        """Note that a replica has crashed, or its caller is gone, before the answer."""
        self._outstanding[key] -= 1

    def answered(self, told: Told, request: DialRequest) -> None:
        """Check an answer."""
        self.told.append(told)
        answer, key = told.answer, told.key
        self.trace.append(
            (f"{told.at:.4f}", told.replica, "answers", key, answer.outcome.name, answer.reason.name)
        )
        self._outstanding[key] -= 1
        if answer.outcome is Outcome.ACCEPTED:
            known = answer.dial_request_id in self.connect.ids.get(key, ())
            self.check(known, "ACCEPTED, and Connect has no such request", told)
        elif answer.outcome in DENIALS and answer.reason not in ABOUT_THE_ITEM:
            self._check_denial(told, request)

    def _check_denial(self, told: Told, request: DialRequest) -> None:
        key = told.key
        self.check(not request.in_doubt, "denied, though its caller is in doubt", told)
        known = self._has_since.get(key, float("inf")) > self.memory.nothing_before
        self.check(key not in self.connect.journal or not known, "denied, and Connect has it", told)
        self.check(not self._flying.get(key), "denied, while a call carries it to Connect", told)
        if not self._outstanding[key]:
            self._denied.add(key)

    # --- calls -------------------------------------------------------------------------------------

    def leaves(self, attempt: Attempt) -> None:
        """Check a call whose first byte leaves a replica."""
        self.trace.append(
            (f"{self.now():.4f}", attempt.replica, "sends", attempt.campaign_id, len(attempt.keys))
        )
        for key in attempt.keys:
            self.check(key not in self._denied, "sent after a denial", attempt.replica, key)
            if self.store_works:
                others = [other for other in self._flying.get(key, ()) if other.replica != attempt.replica]
                self.check(not others, "sent while another replica sends it", attempt.replica, key)
                self.check(
                    key not in self._accepted, "sent again after Connect accepted it", attempt.replica, key
                )
            self._flying.setdefault(key, []).append(attempt)

    def arrived(self, attempt: Attempt) -> None:
        """Check a call that has arrived at Connect, with its reply."""
        now, reply = self.now(), attempt.reply
        assert reply is not None
        name = type(reply.failure).__name__ if reply.failure is not None else ""
        self.trace.append(
            (f"{now:.4f}", attempt.replica, "arrived", attempt.campaign_id, len(reply.accepted), name)
        )
        for key in attempt.keys:
            self._flying[key].remove(attempt)
            if not self._flying[key]:
                del self._flying[key]
            if key in self.connect.journal:
                self._has_since.setdefault(key, now)
            if key[1] in reply.accepted:
                self._accepted[key] = reply.accepted[key[1]]
        throttled = isinstance(reply.failure, RateThrottled) and not self.connect.bucket.shared
        self.check(not (throttled and self.quota_as_set), "the quota is exceeded", attempt.replica)
        held = self._holds.get(attempt.campaign_id)
        if held is not None and now - held.at > HOLD_WITHIN_S:
            if held.only:
                holds = held.only == attempt.replica
            else:
                holds = self.reaches_store(attempt.replica, held.at)
            self.check(not holds, "a call for a held campaign", attempt.replica, attempt.campaign_id, held)

    def ended(self, replica: str, member: str) -> None:
        """Note the end of a process: its own holds, which no other replica has, end with it."""
        self.memory.ended(self.now(), member)
        self._holds = {name: held for name, held in self._holds.items() if held.only != replica}

    # --- operators ---------------------------------------------------------------------------------

    def held(self, campaign_id: str) -> None:
        """Note that an operator asks some replica to hold a campaign."""
        self.trace.append((f"{self.now():.4f}", "hold", campaign_id))
        if not self._releasing[campaign_id]:  # otherwise either may come first
            self._holds.setdefault(campaign_id, Held(self.now()))

    def held_here_only(self, campaign_id: str, replica: str) -> None:
        """Note that a hold could not be recorded: only the replica that was asked holds."""
        held = self._holds.get(campaign_id)
        if held is not None:
            self._holds[campaign_id] = held._replace(only=replica)

    def releasing(self, campaign_id: str) -> None:
        """Note that an operator asks some replica to release a campaign."""
        self.trace.append((f"{self.now():.4f}", "release", campaign_id))
        self._holds.pop(campaign_id, None)
        self._releasing[campaign_id] += 1

    def released(self, campaign_id: str) -> None:
        """Note that a request to release a campaign has been answered."""
        self._releasing[campaign_id] -= 1
