"""Every route of the admin port. All of them only read."""

from aiohttp import web

from gateway.admin.port import Overview, Readiness


def routes(overview: Overview) -> list[web.RouteDef]:
    """Return the routes, each with its handler."""
    pages = _Pages(overview)
    return [
        web.get("/livez", pages.live),
        web.get("/readyz", pages.ready),
        web.get("/metrics", pages.metrics),
    ]


class _Pages:
    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    async def live(self, _: web.Request) -> web.Response:
        """Answer at all: this runs on the loop that everything runs on, so it turns."""
        return web.Response(text="live\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Say whether dial requests should come here, and why not."""
        found = self._overview.readiness()
        return web.json_response(_document(found), status=200 if found.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Give all metrics as Prometheus reads them."""
        found = await self._overview.metrics()
        if found is None:
            return web.Response(status=404, text="nothing is counted: OTEL_SDK_DISABLED is set\n")
        text, content_type = found
        return web.Response(body=text.encode(), headers={"Content-Type": content_type})


def _document(found: Readiness) -> dict[str, object]:
    checks = {name: {"ok": holds, "is": words} for name, (holds, words) in found.checks.items()}
    return {"ready": found.ready, "checks": checks, "notes": found.notes}
