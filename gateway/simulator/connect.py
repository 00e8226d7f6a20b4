"""Amazon Connect without a network: one request in, one reply out, at a time given by the caller.

The order in which a call is judged:

1. the signature, since AWS must know the account before it can count its calls;
2. the route;
3. the quota: AWS throttles first, so a malformed call spends a token too, but an unsigned one does not;
4. the constraints of the service model;
5. injected faults before the work: a call that AWS would have refused uses up none of them;
6. the work itself;
7. injected faults after the work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.simulator.callers import OtherCaller, OtherCallers
from gateway.simulator.campaigns import BufferSize, Campaigns, CampaignState
from gateway.simulator.dialing import AcceptedTokens, Dialer
from gateway.simulator.errors import CallError, IllegalCallError, throttled
from gateway.simulator.faults import Fault, FaultBoard, FaultKind
from gateway.simulator.journal import NOT_DONE, CallRecord, Delivery, Journal, Statistics
from gateway.simulator.operations import Handler, Operations, Output, Version
from gateway.simulator.quota import ACCOUNT_QUOTAS, PUT_BATCH, Quota, Quotas
from gateway.simulator.service import Operation, Service, service_of
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.signing import HttpRequest, SignatureChecker, access_key_of
from gateway.simulator.v1 import V1
from gateway.simulator.v2 import V2

SIGNING_NAME = "connect-campaigns"

_MOST_CALLS = 100_000

_SERVICES = {"v1": V1.service, "v2": V2.service}

_LOST = {FaultKind.RESET: Delivery.RESET, FaultKind.NO_ANSWER: Delivery.NO_ANSWER}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: the HTTP answer, when it is sent, and whether it is sent at all."""

    status: int
    body: bytes
    request_id: str
    error_code: str | None = None
    latency_s: float = 0.0
    delivery: Delivery = Delivery.SENT


@dataclass(frozen=True, slots=True)
class _Api:
    """One version of the API: its service model and its operations."""

    service: Service
    operations: Operations
    handlers: Mapping[str, Handler]


class SimulatedConnect:
    """An AWS account with outbound campaigns. `keep` is handed each call for dial requests, before its reply.

    Attributes:
        campaigns: every campaign, its state and its buffer.
        faults: the injected faults.
        journal: what was done, and the counts.
        quotas: the account's call quotas.
        callers: other clients that spend these quotas.

    """

    def __init__(self, settings: SimulatorSettings, keep: Callable[[CallRecord], None] | None = None) -> None:
        self._settings = settings
        self._keep = keep
        self._signatures = SignatureChecker(settings.credentials, SIGNING_NAME)
        self._make()

    def _make(self) -> None:
        settings = self._settings
        # Ids have their own generator: drawing one must not change later faults.
        self._ids = Random(settings.seed)
        self.faults = FaultBoard(Random(settings.seed))
        self.journal = Journal(settings.journal_limit)
        self.campaigns = Campaigns(BufferSize(settings.buffer_capacity, settings.buffer_drain_per_s))
        for named in settings.campaigns:
            details = {"name": named.name, "tags": dict(named.tags)}
            service = _SERVICES[named.api]
            self.campaigns.create(named.id, details, service, CampaignState.RUNNING)
        self.quotas = Quotas({**ACCOUNT_QUOTAS, PUT_BATCH: Quota(settings.call_rate, settings.call_burst)})
        self._tokens = AcceptedTokens(settings.token_limit)
        dialer = Dialer(self.faults, self._tokens, self._new_id, settings.max_expiration_ahead_s)
        self.callers = OtherCallers(self.quotas.take)
        self._apis = [self._make_api(version, dialer) for version in (V1, V2)]

    def _make_api(self, version: Version, dialer: Dialer) -> _Api:
        operations = Operations(version, self.campaigns, dialer, self._new_id)
        handlers = operations.handlers()
        return _Api(service_of(version.service, frozenset(handlers)), operations, handlers)

    def add_fault(self, fault: Fault) -> int:
        """Add a fault; return the number by which it can be removed."""
        return self.faults.add(fault)

    def clear_faults(self) -> None:
        """Remove every fault."""
        self.faults.clear()

    def set_state(self, campaign: str, state: CampaignState) -> None:
        """Put a campaign into any state. One that was missing exists again."""
        self.campaigns.set_state(campaign, state)

    def rename_campaign(self, campaign: str, name: str | None, tags: Mapping[str, str] | None) -> None:
        """Give a campaign another name, other tags, or both."""
        self.campaigns.rename(campaign, name, tags)

    def forget_campaign(self, campaign: str) -> None:
        """Make a campaign unknown to every call from now on."""
        self.campaigns.forget(campaign)

    def set_buffer(self, campaign: str | None, size: BufferSize) -> None:
        """Give one campaign, or (None) all present and later ones, an empty buffer of this size."""
        self.campaigns.set_buffer(campaign, size)

    def set_quota(self, operation: str, quota: Quota) -> None:
        """Change the quota of an operation, for example `PutDialRequestBatch`.

        Raises:
            ValueError: the simulator has no such operation.

        """
        self._require(operation)
        self.quotas.set(operation, quota)

    def consume_quota(self, operation: str, calls: int, now: float) -> int:
        """Spend calls of a quota at `now`, in Unix seconds, like another client; return the number granted.

        Raises:
            ValueError: the simulator has no such operation, or `calls` is out of its range.

        """
        self._require(operation)
        if not 0 <= calls <= _MOST_CALLS:
            raise ValueError(f"calls must be from 0 to {_MOST_CALLS}, not {calls}")
        self.callers.catch_up(now)
        return sum(self.quotas.take(operation, now) for _ in range(calls))

    def add_caller(self, caller: OtherCaller) -> int:
        """Add a client that spends quota as well; return the number by which it can be removed.

        Raises:
            ValueError: the simulator has no such operation.

        """
        self._require(caller.operation)
        return self.callers.add(caller)

    def stats(self) -> Statistics:
        """Return the counts since the start or the last reset."""
        return self.journal.statistics()

    def reset(self) -> None:
        """Restore the initial state of campaigns, tokens, quotas, other callers, faults and journal."""
        self._make()

    def remember(self, calls: Iterable[CallRecord]) -> None:
        """Restore the accepted tokens, journal and counts of an earlier run, without faults and states."""
        count = 0
        for count, record in enumerate(calls, start=1):  # noqa: B007 - the last number is the count
            self.journal.add(record, is_batch=True)
            for item in record.accepted:
                self._tokens.add(record.campaign or "", item.token, item.id)
        if count:  # an id of the earlier run must not be given again
            self._ids = Random(f"{self._settings.seed} after {count}")

    def answer(self, request: HttpRequest, now: float) -> Reply:
        """Judge and carry out one request that arrives at `now`, in Unix seconds."""
        request_id = self._new_id()
        try:
            if self._settings.verify_signatures:
                self._signatures.check(request, now)
            api, operation, labels = self._route(request)
        except CallError as error:
            self.journal.refuse(error.code)
            return Reply(error.status or 500, _error_body(error, None), request_id, error.code)
        record = CallRecord(
            request_id=request_id,
            at=now,
            operation=operation.name,
            campaign=labels.get("id"),
            access_key=access_key_of(request.headers),
        )
        reply = self._perform(api, operation, labels, request.body, record)
        is_batch = operation.name == api.operations.version.put
        self.journal.add(record, is_batch=is_batch)
        if is_batch and self._keep is not None:
            self._keep(record)
        return reply

    def _route(self, request: HttpRequest) -> tuple[_Api, Operation, dict[str, str]]:
        path = request.target.partition("?")[0]
        for api in self._apis:
            if found := api.service.match(request.method, path):
                return api, *found
        message = "The simulator has no operation at this method and path"
        raise CallError("UnknownOperationException", message, status=404)

    def _perform(
        self, api: _Api, operation: Operation, labels: Mapping[str, str], body: bytes, record: CallRecord
    ) -> Reply:
        latency_s = self._settings.latency_s
        try:
            arguments, tokens = self._admit(api, operation, labels, body, record)
            injected = self.faults.for_call(operation.name, record.campaign, tokens)
            latency_s += injected.latency_s
            output = _carry_out(api.handlers[operation.name], arguments, record, injected.fault)
        except CallError as error:
            record.result, record.illegal = error.code, isinstance(error, IllegalCallError)
            status = error.status or api.service.status_of(error.code)
            text = _error_body(error, api.operations.word(error.state))
            return Reply(status, text, record.request_id, error.code, latency_s, record.delivery)
        text = b"" if output is None else _dump(output)
        return Reply(operation.status, text, record.request_id, None, latency_s, record.delivery)

    def _admit(
        self, api: _Api, operation: Operation, labels: Mapping[str, str], body: bytes, record: CallRecord
    ) -> tuple[dict[str, Any], Sequence[str]]:
        self.callers.catch_up(record.at)
        if not self.quotas.take(operation.name, record.at):
            raise throttled()
        arguments = operation.read(labels, body)
        tokens = api.operations.tokens(arguments)
        record.items, record.tokens = len(tokens), tokens
        if len(set(tokens)) != len(tokens):
            raise IllegalCallError("The same clientToken occurs more than once in the call")
        return arguments, tokens

    def _require(self, operation: str) -> None:
        if not any(operation in api.handlers for api in self._apis):
            raise ValueError(f"the simulator has no operation {operation!r}")

    def _new_id(self) -> str:
        digits = f"{self._ids.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _carry_out(
    handler: Handler, arguments: Mapping[str, Any], record: CallRecord, fault: Fault | None
) -> Output:
    if fault is None:
        return handler(arguments, record)
    record.delivery = _LOST.get(fault.kind, Delivery.SENT)
    output = None
    if fault.after_work:
        output = handler(arguments, record)
    else:
        record.result = NOT_DONE
    if fault.kind is FaultKind.EXCEPTION and fault.code is not None:
        raise CallError(fault.code, fault.message, status=fault.status)
    return output


def _error_body(error: CallError, state: str | None) -> bytes:
    members = {"message": error.message, "state": state}
    return _dump({name: text for name, text in members.items() if text is not None})


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
