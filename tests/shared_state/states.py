"""The shared state of one replica over a real server, for tests."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.access.client_tls import read_client_tls
from gateway.access.key_pair import ClientTlsFiles
from gateway.core.fleet.messages import (
    Claim,
    ClaimVerdict,
    ControlRequest,
    FleetSettings,
    Settlement,
    TickRequest,
    TokenState,
)
from gateway.shared_state.address import parse
from gateway.shared_state.port import Beat, BeatReply
from gateway.shared_state.server import ServerAccess
from gateway.shared_state.valkey_state import StateSettings, ValkeyState

CAMPAIGN = "c-1"
TIMEOUT_S = 2.0
"""Longer than in production, since tests share their machine."""


@asynccontextmanager
async def state_at(
    url: str, member: str = "m-1", *, access: ServerAccess | None = None, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[ValkeyState]:
    """Run the shared state of one replica at an address."""
    address = parse(url)
    access = access or ServerAccess(database=address.database)
    state = ValkeyState(StateSettings(address, access, timeout_s=timeout_s), member)
    state.start()
    tasks = [asyncio.create_task(work) for work in state.tasks()]
    try:
        yield state
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await state.close()


def tls_context(folder: Path | None, *, certificate: bool = False) -> ssl.SSLContext:
    """Return the TLS settings of `ca.crt` in a folder, with `tls.crt` and `tls.key` if asked.

    Without a folder the authorities are those of the system.
    """
    if folder is None:
        return read_client_tls(ClientTlsFiles(), time.time()).context
    own = (str(folder / "tls.crt"), str(folder / "tls.key")) if certificate else (None, None)
    return read_client_tls(ClientTlsFiles(str(folder / "ca.crt"), *own), time.time()).context


async def claim(state: ValkeyState, *tokens: str, member: str = "m-1") -> list[ClaimVerdict]:
    """Claim tokens of one campaign; return the verdicts."""
    claims = [Claim(token, f"f-{token}", 1) for token in tokens]
    return [claimed.verdict for claimed in await state.claim(CAMPAIGN, member, [member], claims)]


async def accept(state: ValkeyState, token: str, dial_request_id: str, member: str = "m-1") -> None:
    """Settle a token as accepted."""
    settlement = Settlement(token, f"f-{token}", 1, TokenState.ACCEPTED, dial_request_id, "t-1")
    await state.settle(CAMPAIGN, member, [settlement])


SETTINGS = FleetSettings(call_rate=10.0, call_burst=10.0, replay_window_s=1200.0)


async def beat(state: ValkeyState, sequence: int, member: str = "m-1", **fields: object) -> BeatReply:
    """Exchange a beat that asks for nothing."""
    told = {"name": f"name of {member}"} | fields
    tick = TickRequest(member=member, sequence=sequence, settings=SETTINGS, **told)  # type: ignore[arg-type]
    return await state.beat(Beat(tick, ControlRequest(member, 0)))
