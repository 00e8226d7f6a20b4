"""Who is answered on the admin port: no other site's page, and on loopback no other name.

A page of any site can make a browser ask addresses on loopback. Browsers say where a request comes
from (`Sec-Fetch-Site`, `Origin`), and a page whose name was made to point here sends that name as
`Host`: both are refused. What changes something is taken from the console's own page only, as JSON,
which no form and no other page can send.
"""

import ipaddress
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

SAFE_METHODS = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Server": "dial-gateway",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def guard(listen: str, changes: Collection[str] = ()) -> Middleware:
    """Return what stands before every route of a server on `listen`, HOST:PORT.

    `changes` are the paths that may be posted to.
    """
    own_names_only = is_loopback(listen.rpartition(":")[0])

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        may_change = request.path in changes
        refusal = _refusal(request, own_names_only=own_names_only, may_change=may_change)
        return refusal if refusal is not None else await handler(request)

    return guarded


async def dress(_: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on a response that belong on every one, before any of it is sent."""
    response.headers.update(_HEADERS)


def is_loopback(host: str) -> bool:
    """Whether a name or address, IPv6 perhaps in brackets, is this host's own and no other's."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refusal(request: web.Request, *, own_names_only: bool, may_change: bool) -> web.Response | None:
    changing = request.method == "POST" and may_change
    if request.method not in SAFE_METHODS and not changing:
        allowed = "POST" if may_change else "GET, HEAD"
        return web.Response(status=405, text="this changes nothing\n", headers={"Allow": allowed})
    if own_names_only and not is_loopback(_without_port(request.headers.get("Host", ""))):
        return web.Response(status=421, text="this host is known by loopback names only\n")
    if not _is_own_site(request):
        return web.Response(status=403, text="pages of other sites are not answered\n")
    return _refusal_of_change(request) if changing else None


def _refusal_of_change(request: web.Request) -> web.Response | None:
    """Return why a request that changes something is not one of the console's own page."""
    if "Origin" not in request.headers or request.headers.get("Sec-Fetch-Site") != "same-origin":
        return web.Response(status=403, text="changes are taken from this port's own page only\n")
    if request.content_type != "application/json":
        return web.Response(status=415, text="changes are sent as application/json\n")
    return None


def _is_own_site(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none").lower() not in _OWN_SITE:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (host.startswith("[") or ":" not in name) else host
