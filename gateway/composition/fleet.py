"""Connects the settings of a shared state with the parts that use it."""

import asyncio
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace

from gateway.connect.resolver import Resolver
from gateway.dispatch.fleet import FleetSetup
from gateway.settings import Settings
from gateway.shared_state.measured import MeasuredState
from gateway.shared_state.setup import StateFiles, fingerprint_key, state_settings
from gateway.shared_state.valkey_connection import Node, Resolve
from gateway.shared_state.valkey_state import StateSettings, ValkeyState
from gateway.telemetry import Telemetry

MEMBER_BYTES = 4
"""Random bytes that tell a process from earlier ones with the same name."""


def state_settings_of(settings: Settings) -> StateSettings | None:
    """Return how to reach the shared state, None without one.

    Raises `AddressError` and `SharedStateRefused`.
    """
    if settings.shared_state_url is None:
        return None
    files = StateFiles(
        tls_ca=settings.shared_state_tls_ca_file,
        tls_cert=settings.shared_state_tls_cert_file,
        tls_key=settings.shared_state_tls_key_file,
        password=settings.shared_state_password_file,
    )
    reached = state_settings(
        settings.shared_state_url,
        files,
        settings.shared_state_password,
        settings.shared_state_prefix,
        settings.shared_state_timeout,
        settings.replay_window,
    )
    return replace(reached, access=replace(reached.access, resolve=resolving(Resolver())))


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
    settings: Settings, reached: StateSettings, telemetry: Telemetry, now: Callable[[], float]
) -> FleetSetup:
    """Return this replica of the fleet that shares the state at `reached`. Raises `SharedStateRefused`."""
    key = fingerprint_key(settings.shared_state_fingerprint_key_file)
    name = replica_name(settings)
    member = f"{name}-{secrets.token_hex(MEMBER_BYTES)}"
    state = ValkeyState(reached, member)

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
        again_after_s=settings.shared_state_timeout,
    )


def replica_name(settings: Settings) -> str:
    """Return the name of this replica: as set, or that of the host, which is the pod's name in Kubernetes."""
    return settings.replica or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:100] or "replica"
