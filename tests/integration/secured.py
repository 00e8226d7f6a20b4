"""A gateway with TLS, a certificate authority, and callers with its certificates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from tests import pki
from tests.files import put
from tests.integration.world import Caller, World, stub_of, world_of

if TYPE_CHECKING:
    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub

BILLING = "spiffe://example.org/ns/billing/sa/dialer"
OPS = "spiffe://example.org/ns/ops/sa/console"
POLICY = f"""
version: 1
callers:
  - identities: ["{OPS}"]
    hold: ["*"]
    release: ["*"]
    see: ["*"]
  - name: billing
    identities: ["spiffe://example.org/ns/billing/sa/*"]
    dial:
      - campaigns: ["debt-*", "reminders"]
"""


@dataclass
class Folder:
    """The files of a gateway, and the authority that issued them."""

    path: Path
    ca: pki.Authority

    @property
    def policy(self) -> Path:
        """Return the path of the policy."""
        return self.path / "policy.yaml"

    def change_policy(self, text: str) -> None:
        """Replace the policy."""
        put(self.policy, text)

    def settings(self, *, mutual: bool = True, policy: str | None = None) -> dict[str, str]:
        """Write certificate, key, and the policy if there is one; return the settings that name them."""
        certificate, key = self.ca.issue(dns="localhost", ip="127.0.0.1").write(self.path)
        ca = self.path / "ca.crt"
        put(ca, self.ca.pem)
        settings = {"tls_cert_file": str(certificate), "tls_key_file": str(key)}
        if mutual:
            settings["tls_client_ca_file"] = str(ca)
        if policy is not None:
            put(self.policy, policy)
            settings["policy_file"] = str(self.policy)
        return settings


def folder_of(path: Path) -> Folder:
    """Make an authority whose files go into a folder."""
    return Folder(path, pki.Authority())


@dataclass
class SecureCaller:
    """A caller with or without a certificate, and its channel."""

    channel: grpc.aio.Channel

    def stream(self, **options: Any) -> Caller:
        """Open a stream."""
        return Caller(stub_of(self.channel).StreamDialRequests(**options))

    @property
    def campaigns(self) -> "CampaignServiceAsyncStub":
        """Return the stub of CampaignService."""
        return cast("CampaignServiceAsyncStub", CampaignServiceStub(self.channel))


@asynccontextmanager
async def caller_of(
    world: World,
    ca: pki.Authority,
    identity: str | None = None,
    *,
    ip: str | None = None,
    own: pki.Issued | None = None,
) -> AsyncIterator[SecureCaller]:
    """Connect with a certificate for `identity`, or with `own`; without a certificate if neither is given."""
    if own is None and (identity or ip):
        own = ca.issue(spiffe=identity, ip=ip)
    shown = (own.key_pem, own.pem) if own is not None else (None, None)
    credentials = grpc.ssl_channel_credentials(ca.pem, *shown)
    options = (("grpc.use_local_subchannel_pool", 1),)  # do not share connections with other callers
    async with grpc.aio.secure_channel(world.target, credentials, options) as channel:
        yield SecureCaller(channel)


@asynccontextmanager
async def secured(
    path: Path, policy: str | None = POLICY, *, mutual: bool = True, **settings: Any
) -> AsyncIterator[tuple[World, Folder]]:
    """Run a gateway with TLS, mutual by default, and a policy."""
    folder = folder_of(path)
    settings |= folder.settings(mutual=mutual, policy=policy)
    async with world_of(**settings) as world:
        yield world, folder
