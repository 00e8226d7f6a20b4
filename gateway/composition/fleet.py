"""Connects the settings of a shared state with the parts that use it."""

import asyncio
import secrets
from collections.abc import Callable
from typing import NamedTuple

from gateway.access.client_tls import reloaded_client_tls
from gateway.access.key_pair import ClientTls, ClientTlsFiles
from gateway.access.reloading import Reloaded
from gateway.composition.replica_name import replica_name
from gateway.connect.resolver import Resolver
from gateway.fleet.fleet import FleetSetup
from gateway.settings import Settings
from gateway.shared_state.measured import MeasuredState
from gateway.shared_state.server import ServerAccess
from gateway.shared_state.setup import StateFiles, checked_address, fingerprint_key, password_reader
from gateway.shared_state.valkey_connection import Node, Resolve
from gateway.shared_state.valkey_state import StateSettings, ValkeyState
from gateway.telemetry import Telemetry

MEMBER_BYTES = 4
"""Random bytes that tell a process from earlier ones with the same name."""


class ReachedState(NamedTuple):
    """How to reach the shared state, and its certificates, which may change; None for one without TLS."""

    settings: StateSettings
    tls: Reloaded[ClientTls] | None


def reached_state_of(settings: Settings) -> ReachedState | None:
    """Return how to reach the shared state, None without one.

    Raises `AddressError`, `SharedStateRefused` and, for certificates that cannot be used, `AccessError`.
    """
    if settings.shared_state_url is None:
        return None
    files = StateFiles(
        tls_ca=settings.shared_state_tls_ca_file,
        tls_cert=settings.shared_state_tls_cert_file,
        tls_key=settings.shared_state_tls_key_file,
        password=settings.shared_state_password_file,
    )
    address = checked_address(settings.shared_state_url, files, settings.shared_state_password)
    tls = _reloaded_tls(files) if address.tls else None
    access = ServerAccess(
        user=address.user,
        password=password_reader(settings.shared_state_password, files.password),
        database=address.database,
        tls=lambda: None if tls is None else tls.value.context,
        resolve=resolving(Resolver()),
    )
    reached = StateSettings(
        address, access, settings.shared_state_prefix, settings.shared_state_timeout, settings.replay_window
    )
    return ReachedState(reached, tls)


def _reloaded_tls(files: StateFiles) -> Reloaded[ClientTls]:
    return reloaded_client_tls(ClientTlsFiles(files.tls_ca, files.tls_cert, files.tls_key))


def resolving(resolver: Resolver) -> Resolve:
    """Return what resolves names in threads of its own.

    A look-up that hangs would otherwise take a thread of the event loop with each attempt to connect, and
    leave none for metrics and files.
    """

    async def resolve(node: Node) -> list[str]:
        # Shielded: the look-up is shared, and goes on if one attempt to connect is given up.
        found = await asyncio.shield(asyncio.wrap_future(resolver.begin(node.host, node.port)))
        return [address[0] for *_, address in found]

    return resolve


def fleet_setup_of(
    settings: Settings, reached: ReachedState, telemetry: Telemetry, now: Callable[[], float]
) -> FleetSetup:
    """Return this replica of the fleet that shares the state at `reached`. Raises `SharedStateRefused`."""
    key = fingerprint_key(settings.shared_state_fingerprint_key_file)
    name = replica_name(settings)
    member = f"{name}-{secrets.token_hex(MEMBER_BYTES)}"
    state = ValkeyState(reached.settings, member)

    def start(returned: Callable[[], None]) -> None:
        state.returned = returned
        state.start()

    return FleetSetup(
        MeasuredState(state, now, telemetry.state_asked),
        member,
        name,
        longest_outage_s=settings.shared_state_longest_outage,
        fingerprint_key=key,
        ended=state.ended,
        start=start,
        tasks=state.tasks,
        again_after_s=settings.shared_state_timeout,
        tls=reached.tls,
    )
