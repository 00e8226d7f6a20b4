"""What the oracle records: callers, their outstanding dial requests, and what waits in each campaign.

Every figure is kept up to date as events pass by, so that a check after each step costs as little in a
campaign of ten thousand dial requests as in one of ten.
"""

import enum
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from gateway.core.model import (
    Answer,
    CampaignNotice,
    DialRequest,
    NoticeKind,
    Outcome,
    Priority,
    Settled,
    Source,
)
from gateway.core.tokens.outstanding import ENTRY_BYTES

Key = tuple[str, str]
"""A campaign's id and a client token: what identifies a dial request."""
EXACT_S = 1e-6
"""Seconds by which sums of instants may be off because of rounding."""


def memory_of(request: DialRequest) -> int:
    """Return the bytes that an outstanding dial request counts for."""
    return ENTRY_BYTES + request.size_bytes


@dataclass(eq=False)
class Caller:
    """A stream or unary call: what it sent, what it waits for and what it was told.

    `service` is the identity that callers share calls by. `owed` holds the answers that must come although
    the request goes on without this caller, by index, with the outcomes that are true for each.
    """

    name: str = ""
    service: str = ""
    source: Source = field(default_factory=Source)
    sent: int = 0
    closed: bool = False
    gone: bool = False
    waiting: dict[int, Key] = field(default_factory=dict)
    owed: dict[int, tuple["Outstanding", set[Outcome]]] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    noticed: dict[str, NoticeKind] = field(default_factory=dict)
    ending: bool = False

    def __post_init__(self) -> None:
        self.source.owner = self
        self.source.caller = self.service

    def deliver(self, settled: Settled) -> None:
        """Do nothing: the oracle keeps the answers that it has checked."""

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Do nothing: the oracle keeps the notices that it has checked."""


def caller_of(source: Source) -> Caller:
    """Return the caller behind a source."""
    assert isinstance(source.owner, Caller)
    return source.owner


Waiting = tuple[Caller, int]
"""Who waits for an answer, and the index of its dial request."""


class Place(enum.Enum):
    """Where an outstanding dial request is, as far as one can tell from outside."""

    QUEUED = "waits for a call"
    RETURNED = "came back from a call and waits, perhaps for a pause first"
    IN_CALL = "in a call"


@dataclass(eq=False, slots=True)
class Outstanding:
    """A dial request that is not answered yet.

    `must_doubt`: Connect must be thought to have it, so that a denial would be a lie. `may_doubt`: Connect
    may be thought to have it. `called`: a call has carried it and ended. `suspects` is the most that may
    travel with it while Connect has refused a call that carried it as invalid, else 0; `group` is that call,
    and only requests of the same call may go with it. `refused`: its campaign was refused, and its answer
    must say so.
    """

    request: DialRequest
    give_up_at: float
    since: float
    priority: Priority
    waiters: list[Waiting]
    must_doubt: bool = False
    may_doubt: bool = False
    called: bool = False
    place: Place = Place.QUEUED
    suspects: int = 0
    group: int = 0
    refused: bool = False
    service: str = ""

    @property
    def key(self) -> Key:
        """Its campaign's id and client token."""
        return (self.request.campaign_id, self.request.client_token)


class CampaignBacklog:
    """The outstanding dial requests of one campaign.

    `waiting` are those that surely wait for a call, in the order in which they began to; `suspects` those
    that must travel without others. Both leave out requests whose time is up. `passed_over` counts, for each
    priority that waits, the calls in a row that carried none of its requests. Requests of a priority may all
    leave between two calls; then later ones have not been passed over yet. `services` counts the requests
    that wait, by service; `of_services` has the campaigns in which something of a service waits.
    """

    def __init__(self, campaign_id: str, of_services: "dict[str, dict[str, CampaignBacklog]]") -> None:
        self.campaign_id = campaign_id
        self.outstanding: dict[Key, Outstanding] = {}
        self.waiting: dict[Key, Outstanding] = {}
        self.suspects: dict[Key, Outstanding] = {}
        self.priorities: Counter[Priority] = Counter()
        self.passed_over: Counter[Priority] = Counter()
        self.services: Counter[str] = Counter()
        self.lingers_from = float("-inf")
        self._of_services = of_services

    def wait(self, one: Outstanding) -> None:
        """Count a request as waiting for a call."""
        if one.suspects:
            self.suspects[one.key] = one
            return
        self.waiting[one.key] = one
        self.priorities[one.priority] += 1
        self._count_service(one)

    def end_wait(self, one: Outstanding) -> None:
        """Count a request as waiting no longer, if it did."""
        self.suspects.pop(one.key, None)
        if self.waiting.pop(one.key, None) is not None:
            self._end_priority(one.priority)
            self._end_service(one.service)

    def raise_priority(self, one: Outstanding, priority: Priority) -> None:
        """Take the priority of a caller that joins a request, if it is higher."""
        if one.key in self.waiting and priority < one.priority:
            self._end_priority(one.priority)
            self.priorities[priority] += 1
        one.priority = min(one.priority, priority)

    def refile(self, one: Outstanding) -> None:
        """Count a request for the service of its first caller, after callers have left it."""
        if one.key in self.waiting and one.waiters and one.waiters[0][0].service != one.service:
            self._end_service(one.service)
            self._count_service(one)

    def _count_service(self, one: Outstanding) -> None:
        service = one.service = one.waiters[0][0].service if one.waiters else ""
        self.services[service] += 1
        if self.services[service] == 1:
            self._of_services[service][self.campaign_id] = self

    def _end_priority(self, priority: Priority) -> None:
        self.priorities[priority] -= 1
        if not self.priorities[priority]:
            del self.priorities[priority], self.passed_over[priority]

    def _end_service(self, service: str) -> None:
        self.services[service] -= 1
        if not self.services[service]:
            del self.services[service], self._of_services[service][self.campaign_id]


class Backlog:
    """All outstanding dial requests, with the sums that the engine must agree with."""

    def __init__(self) -> None:
        self.campaigns: dict[str, CampaignBacklog] = {}
        self.outstanding: dict[Key, Outstanding] = {}
        self.joins = 0
        self.bytes = 0
        self.in_no_call = 0
        self.refused: set[Key] = set()
        self._of_services: dict[str, dict[str, CampaignBacklog]] = defaultdict(dict)
        self._order = count()
        self._by_expiry: list[tuple[float, int, Outstanding]] = []
        self._overdue: list[tuple[float, int, Outstanding]] = []

    def __contains__(self, key: Key) -> bool:
        return key in self.outstanding

    def __len__(self) -> int:
        return len(self.outstanding)

    def get(self, key: Key) -> Outstanding | None:
        """Return an outstanding request, None where there is none."""
        return self.outstanding.get(key)

    def of(self, campaign_id: str) -> CampaignBacklog | None:
        """Return what is outstanding in a campaign, None where nothing is."""
        return self.campaigns.get(campaign_id)

    def campaigns_of(self, service: str) -> Mapping[str, CampaignBacklog]:
        """Return the campaigns in which requests of a service wait for a call."""
        return self._of_services.get(service, {})

    def surely_waiting(self, campaign_id: str) -> int:
        """Return how many requests of a campaign surely wait for a call, suspects included."""
        campaign = self.campaigns.get(campaign_id)
        return len(campaign.waiting) + len(campaign.suspects) if campaign is not None else 0

    def in_no_call_of(self, campaign_id: str) -> list[Outstanding]:
        """Return the requests of a campaign that are in no call."""
        campaign = self.campaigns.get(campaign_id)
        everything = campaign.outstanding.values() if campaign is not None else ()
        return [one for one in everything if one.place is not Place.IN_CALL]

    def add(self, one: Outstanding) -> None:
        """Take a new request in, which waits for a call."""
        key = one.key
        campaign = self.campaigns.get(key[0])
        if campaign is None:
            campaign = self.campaigns[key[0]] = CampaignBacklog(key[0], self._of_services)
        campaign.outstanding[key] = self.outstanding[key] = one
        campaign.wait(one)
        self.bytes += memory_of(one.request)
        self.in_no_call += 1
        self._watch(one)

    def join(self, one: Outstanding, waiter: Waiting, priority: Priority) -> None:
        """Let one more caller wait for a request."""
        self.joins += bool(one.waiters)
        one.waiters.append(waiter)
        self.campaigns[one.key[0]].raise_priority(one, priority)
        self.campaigns[one.key[0]].refile(one)

    def leave(self, one: Outstanding, waiter: Waiting) -> None:
        """Let a caller wait for a request no longer."""
        one.waiters.remove(waiter)
        self.joins -= bool(one.waiters)
        self.campaigns[one.key[0]].refile(one)

    def remove(self, one: Outstanding) -> None:
        """Take out a request that is answered or dropped."""
        key = one.key
        campaign = self.campaigns[key[0]]
        campaign.end_wait(one)
        del campaign.outstanding[key], self.outstanding[key]
        if not campaign.outstanding:
            del self.campaigns[key[0]]
        self.joins -= max(0, len(one.waiters) - 1)
        self.bytes -= memory_of(one.request)
        self.in_no_call -= one.place is not Place.IN_CALL
        self.refused.discard(key)

    def sent(self, one: Outstanding) -> None:
        """Note that a call carries a request."""
        self.campaigns[one.key[0]].end_wait(one)
        one.place = Place.IN_CALL
        self.in_no_call -= 1

    def returned(self, one: Outstanding) -> None:
        """Note that the call of a request has ended."""
        one.place = Place.RETURNED
        self.in_no_call += 1

    def waits_again(self, one: Outstanding, now: float, *, at_once: bool) -> None:
        """Note that a request waits for another call: at once, or perhaps after a pause first."""
        one.since = now
        if at_once:
            one.place = Place.QUEUED
            self.campaigns[one.key[0]].wait(one)
        self._watch(one)

    def refuse(self, campaign_id: str) -> None:
        """Note that a campaign is refused: what is in no call must be answered, and cannot be sent."""
        for one in self.in_no_call_of(campaign_id):
            one.refused = True
            self.refused.add(one.key)
            self.campaigns[campaign_id].end_wait(one)

    def flows(self, campaign_id: str, now: float) -> None:
        """Note that a campaign flows again; what waits for it may linger anew."""
        campaign = self.campaigns.get(campaign_id)
        if campaign is not None:
            campaign.lingers_from = now

    def expire(self, now: float) -> None:
        """Count requests whose time is up as waiting no longer."""
        while self._by_expiry and self._by_expiry[0][0] <= now:
            one = heapq.heappop(self._by_expiry)[2]
            if self.outstanding.get(one.key) is one and one.place is not Place.IN_CALL:
                self.campaigns[one.key[0]].end_wait(one)
                heapq.heappush(self._overdue, (one.give_up_at, next(self._order), one))

    def earliest_expiry(self) -> float | None:
        """Return when the time of the first request that is in no call is up, or was."""
        for heap in (self._overdue, self._by_expiry):
            while heap and not self._is_in_no_call(heap[0][2]):
                heapq.heappop(heap)
            if heap:
                return heap[0][0]
        return None

    def in_campaigns(self) -> Iterator[tuple[str, CampaignBacklog]]:
        """Yield each campaign in which something is outstanding."""
        return iter(self.campaigns.items())

    def _is_in_no_call(self, one: Outstanding) -> bool:
        return self.outstanding.get(one.key) is one and one.place is not Place.IN_CALL

    def _watch(self, one: Outstanding) -> None:
        heapq.heappush(self._by_expiry, (one.give_up_at, next(self._order), one))
