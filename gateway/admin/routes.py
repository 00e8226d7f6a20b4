"""Every route of the admin port. Those under CHANGES do what they are asked for; all others only read."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.admin import commands, page
from gateway.admin.event_stream import EventStream
from gateway.admin.port import CommandRefused, Console, Monitoring, Readiness

KINDS = ("hold", "release", "purge")
EVENTS = "/api/events"
CHANGES = frozenset(f"/api/campaigns/{kind}" for kind in KINDS)


def routes(monitoring: Monitoring, console: Console, feed: EventStream) -> list[web.RouteDef]:
    """Return the routes, each with its handler."""
    pages, live = _Pages(monitoring), _Live(console, feed)
    return [
        web.get("/livez", pages.live),
        web.get("/readyz", pages.ready),
        web.get("/metrics", pages.metrics),
        web.get(EVENTS, live.events, allow_head=False),  # its answer is a body without an end
        *(web.post(f"/api/campaigns/{kind}", live.doing(kind)) for kind in KINDS),
        *_files(),
    ]


class _Pages:
    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    async def live(self, _: web.Request) -> web.Response:
        """Answer at all: this runs on the loop that everything runs on, so it turns."""
        return web.Response(text="live\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Say whether dial requests should come here, and why not."""
        found = self._monitoring.readiness()
        return web.json_response(_document(found), status=200 if found.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Give all metrics as Prometheus reads them."""
        found = await self._monitoring.metrics()
        if found is None:
            return web.Response(status=404, text="nothing is counted: OTEL_SDK_DISABLED is set\n")
        text, content_type = found
        return web.Response(body=text.encode(), headers={"Content-Type": content_type})


class _Live:
    def __init__(self, console: Console, feed: EventStream) -> None:
        self._console = console
        self._feed = feed

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Tell how things stand, and how they change, until the reader goes."""
        if self._feed.full:
            return web.Response(status=503, text="as many pages as may be are open already\n")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        try:
            await self._feed.tell(response.write)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # what is buffered for it is not waited for
        return response

    def doing(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return the handler that holds, releases or purges a campaign."""

        async def handler(request: web.Request) -> web.Response:
            try:
                body = await request.read()
                command = commands.command(
                    kind, body, request.headers.get("Authorization"), request.remote or ""
                )
                # A page that is closed does not leave a purge half done.
                answered = await asyncio.shield(asyncio.ensure_future(self._console.carry_out(command)))
            except CommandRefused as refused:
                after = {} if refused.after_s is None else {"Retry-After": str(math.ceil(refused.after_s))}
                return web.json_response({"error": refused.words}, status=refused.status, headers=after)
            return web.json_response({"answered": answered})

        return handler


def _files() -> list[web.RouteDef]:
    found = page.files()
    paths = {"/": found.pop(page.START), **{f"/console/{name}": file for name, file in found.items()}}
    return [web.get(path, _giving(*file)) for path, file in paths.items()]


def _giving(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return handler


def _document(found: Readiness) -> dict[str, object]:
    checks = {name: {"ok": holds, "is": words} for name, (holds, words) in found.checks.items()}
    return {"ready": found.ready, "checks": checks, "notes": found.notes}
