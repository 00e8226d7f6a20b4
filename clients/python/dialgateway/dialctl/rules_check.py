"""Asks a gateway what it would do with the leads of a list. It sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

from grpc import StatusCode

from dialgateway.compliance import DialCheck
from dialgateway.dialctl.connection import Connection
from dialgateway.dialctl.leads import Lead
from dialgateway.errors import CallFailed, GatewayUnavailable
from dialgateway.retry import NO_RETRIES
from dialgateway.sync import SyncDialGatewayClient

ASKED_AT_ONCE, WAITING = 500, 5_000
"""Leads of one campaign that are asked about at once, and those of all campaigns that wait for that."""


class RulesCheck:
    """Asks about leads, those of one campaign together. `expires_in` is the time of leads without a time.

    `problem` says why the gateway cannot be asked, "" while it can. `guard_version` is the version of its
    guard file.
    """

    def __init__(self, gateway: Connection | None, expires_in: timedelta | None) -> None:
        self.problem = "" if gateway is not None else "--offline was given"
        self.guard_version = ""
        self.asked = 0
        self._target = "" if gateway is None else gateway.target
        self._expires_in = expires_in
        self._waiting: dict[str, list[Lead]] = {}
        self._count = 0
        self._stack = ExitStack()
        self._client: SyncDialGatewayClient | None = None
        if gateway is not None:
            client = SyncDialGatewayClient(
                gateway.target,
                credentials=gateway.credentials(),
                server_name=gateway.server_name,
                retry=NO_RETRIES,
            )
            self._client = self._stack.enter_context(client)

    def __enter__(self) -> RulesCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, lead: Lead) -> Iterator[tuple[Lead, DialCheck | None]]:
        """Take a lead; yield leads with what would happen to them, None if that is not known."""
        if self.problem:
            yield lead, None
            return
        leads = self._waiting.setdefault(lead.campaign_id, [])
        leads.append(lead)
        self._count += 1
        if len(leads) >= ASKED_AT_ONCE:
            yield from self._ask(lead.campaign_id)
        elif self._count >= WAITING:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[Lead, DialCheck | None]]:
        """Yield the leads that are left, with what would happen to them."""
        for campaign_id in list(self._waiting):
            yield from self._ask(campaign_id)

    def _ask(self, campaign_id: str) -> Iterator[tuple[Lead, DialCheck | None]]:
        leads = self._waiting.pop(campaign_id)
        self._count -= len(leads)
        checks: tuple[DialCheck, ...] = ()
        if self._client is not None and not self.problem:
            requests = [lead.request(self._expires_in) for lead in leads]
            try:
                found = self._client.check_dial_requests(campaign_id, requests)
                checks, self.guard_version = found.checks, found.guard_version
                self.asked += len(checks)
            except CallFailed as error:
                self.problem = _why(error, self._target)
        if len(checks) != len(leads):
            self.problem = self.problem or "the gateway has not told what happens to each lead"
            yield from ((lead, None) for lead in leads)
            return
        yield from zip(leads, checks, strict=True)


def _why(error: CallFailed, target: str) -> str:
    if isinstance(error, GatewayUnavailable):
        return f"cannot reach the gateway at {target}"
    if error.code is StatusCode.UNIMPLEMENTED:
        return f"the gateway at {target} is too old to tell what it would do"
    return str(error)
