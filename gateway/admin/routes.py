"""The routes of the admin port. Only those in CHANGES change anything."""

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


def routes(monitoring: Monitoring, console: Console, events: EventStream) -> list[web.RouteDef]:
    """Return the routes, each with its handler."""
    pages, live = _Pages(monitoring), _Live(console, events)
    return [
        web.get("/livez", pages.live),
        web.get("/readyz", pages.ready),
        web.get("/metrics", pages.metrics),
        web.get(EVENTS, live.events, allow_head=False),  # its answer is a body without an end
        web.get("/api/me", live.me),
        *(web.post(f"/api/campaigns/{kind}", live.operation(kind)) for kind in KINDS),
        *_files(),
    ]


class _Pages:
    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    async def live(self, _: web.Request) -> web.Response:
        """Answer. An answer shows that the event loop runs, since this handler runs on it."""
        return web.Response(text="live\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Answer whether the gateway is ready for dial requests, with the reasons."""
        found = self._monitoring.readiness()
        return web.json_response(_document(found), status=200 if found.ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with all metrics in Prometheus' text format, or as OpenMetrics if the reader prefers it."""
        found = await self._monitoring.metrics(",".join(request.headers.getall("Accept", ())))
        if found is None:
            return web.Response(status=404, text="nothing is counted: OTEL_SDK_DISABLED is set\n")
        text, content_type = found
        return web.Response(body=text, headers={"Content-Type": content_type, "Vary": "Accept"})


class _Live:
    def __init__(self, console: Console, events: EventStream) -> None:
        self._console = console
        self._events = events

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send the state and its changes until the reader disconnects."""
        if self._events.full:
            return web.Response(status=503, text="the limit of open pages is reached\n")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        try:
            await self._events.serve(response.write)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # drops the buffered output instead of waiting for the reader
        return response

    async def me(self, request: web.Request) -> web.Response:
        """Answer who a trusted proxy says is looking at the page; null if nobody vouches for it."""
        return web.json_response({"identity": self._identity(request)})

    def _identity(self, request: web.Request) -> str | None:
        def values(header: str) -> list[str]:
            return request.headers.getall(header, [])

        return self._console.identity(request.remote or "", values)

    def operation(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return the handler that holds, releases or purges a campaign."""

        async def handler(request: web.Request) -> web.Response:
            try:
                body = await request.read()
                command = commands.command(
                    kind,
                    body,
                    request.headers.get("Authorization"),
                    request.remote or "",
                    self._identity(request),
                )
                # Shielded, so that a purge is completed even if the page is closed meanwhile.
                done = await asyncio.shield(asyncio.ensure_future(self._console.carry_out(command)))
            except CommandRefused as refused:
                after = {} if refused.after_s is None else {"Retry-After": str(math.ceil(refused.after_s))}
                return web.json_response({"error": refused.words}, status=refused.status, headers=after)
            fleet = done._asdict() if done.confirmed else {}
            return web.json_response({"answered": done.answered} | fleet)

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
