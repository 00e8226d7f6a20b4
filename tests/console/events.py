"""Read the console's stream of events, and post changes, as the page does but without a browser."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.integration.world import PATIENCE_S

TIMEOUT = aiohttp.ClientTimeout(total=PATIENCE_S)


def own(port: int) -> dict[str, str]:
    """Return the headers that a browser sends from the console's own page."""
    return {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def events(port: int) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open a stream of events; the value is an iterator over their messages."""
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT) as session,
        session.get(f"http://127.0.0.1:{port}/api/events") as response,
    ):
        assert response.status == 200, await response.text()
        yield _messages(response)


async def _messages(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    unread = b""
    async for part in response.content.iter_any():
        *whole, unread = (unread + part).split(b"\n\n")
        for event in whole:
            yield json.loads(event.removeprefix(b"data: "))


async def post(
    port: int, kind: str, fields: object, token: str | None = None, *, source: str = "", **headers: str
) -> tuple[int, str]:
    """Post a change from the address `source`; return the status and the text.

    The headers are those of the console's own page unless others are given. Underscores in their names stand
    for dashes; an empty value leaves the header out.
    """
    sent = own(port) | {"Content-Type": "application/json"}
    sent |= {"Authorization": f"Bearer {token}"} if token is not None else {}
    sent |= {name.replace("_", "-"): text for name, text in headers.items()}
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    left = {name: text for name, text in sent.items() if text}
    async with (
        aiohttp.ClientSession(
            timeout=TIMEOUT,
            skip_auto_headers=["Content-Type"],
            connector=aiohttp.TCPConnector(local_addr=(source, 0) if source else None),
        ) as session,
        session.post(f"http://127.0.0.1:{port}/api/campaigns/{kind}", data=body, headers=left) as response,
    ):
        return response.status, await response.text()
