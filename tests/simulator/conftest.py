"""Fixtures of the simulator's tests: an account without a network, and a real boto3 client over a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_connectcampaigns import ConnectCampaignServiceClient
from mypy_boto3_connectcampaigns.type_defs import DialRequestTypeDef

from gateway.simulator import SimulatedConnect, Simulator, SimulatorSettings
from gateway.simulator.connect import Reply
from gateway.simulator.signing import HttpRequest

PHONE_NUMBER = "+12065550100"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@dataclass
class Account:
    """A simulated account with a clock that stands still; its methods are operations of the HTTP API."""

    connect: SimulatedConnect
    now: float = field(default_factory=NOW.timestamp)

    def call(self, method: str, target: str, document: object = None) -> Reply:
        body = b"" if document is None else json.dumps(document).encode()
        return self.connect.answer(HttpRequest(method, target, {}, body), self.now)

    def put(self, *items: dict[str, Any], campaign: str = "campaign") -> Reply:
        return self.call("PUT", f"/campaigns/{campaign}/dial-requests", {"dialRequests": items})

    def put_tokens(self, *tokens: str, campaign: str = "campaign") -> Reply:
        return self.put(*(self.item(token) for token in tokens), campaign=campaign)

    def put_outbound(self, *items: dict[str, Any], campaign: str = "campaign") -> Reply:
        document = {"outboundRequests": items}
        return self.call("PUT", f"/v2/campaigns/{campaign}/outbound-requests", document)

    def outbound_item(self, token: str, **telephony: Any) -> dict[str, Any]:
        item = self.item(token)
        parameters = {"destinationPhoneNumber": item.pop("phoneNumber"), "attributes": item.pop("attributes")}
        return item | {"channelSubtypeParameters": {"telephony": parameters | telephony}}

    def item(self, token: str, **changes: Any) -> dict[str, Any]:
        expires = datetime.fromtimestamp(self.now, UTC) + timedelta(minutes=5)
        return {
            "clientToken": token,
            "phoneNumber": PHONE_NUMBER,
            "expirationTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "attributes": {"name": "Jane"},
        } | changes


class MakeAccount(Protocol):
    def __call__(self, **settings: Any) -> Account: ...


@pytest.fixture
def make_account() -> MakeAccount:
    def make(**settings: Any) -> Account:
        return Account(SimulatedConnect(SimulatorSettings(verify_signatures=False, **settings)))

    return make


@pytest.fixture
def account(make_account: MakeAccount) -> Account:
    return make_account(call_rate=0)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorSettings(call_rate=0)) as running:
        yield running


class MakeClient(Protocol):
    def __call__(
        self, url: str, *, key: str = ..., secret: str = ..., read_timeout_s: float = ...
    ) -> ConnectCampaignServiceClient: ...


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    clients: list[ConnectCampaignServiceClient] = []

    def make(
        url: str,
        *,
        key: str = "simulator",
        secret: str = "simulator",  # noqa: S107
        read_timeout_s: float = 5,
    ) -> ConnectCampaignServiceClient:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout_s)
        client = boto3.client(
            "connectcampaigns",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=config,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(simulator: Simulator, make_client: MakeClient) -> ConnectCampaignServiceClient:
    return make_client(simulator.url)


class DialRequests(Protocol):
    def __call__(self, *tokens: str) -> Sequence[DialRequestTypeDef]: ...


@pytest.fixture
def dial_requests() -> DialRequests:
    def make(*tokens: str) -> Sequence[DialRequestTypeDef]:
        expires = datetime.now(UTC) + timedelta(minutes=5)
        return [
            {
                "clientToken": token,
                "phoneNumber": PHONE_NUMBER,
                "expirationTime": expires,
                "attributes": {"name": "Jane"},
            }
            for token in tokens
        ]

    return make
