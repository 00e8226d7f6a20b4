"""Who is answered on the admin port: no other site's page, and on loopback no other name.

A page of any site can make a browser ask addresses on loopback. Browsers say where a request comes
from (`Sec-Fetch-Site`, `Origin`), and a page whose name was made to point here sends that name as
`Host`: both are refused.
"""

import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

SAFE_METHODS = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")
_HEADERS = {
    "Cache-Control": "no-store",
    "Server": "dial-gateway",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def guard(listen: str) -> Middleware:
    """Return what stands before every route of a server on `listen`, HOST:PORT."""
    own_names_only = is_loopback(listen.rpartition(":")[0])

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request, own_names_only=own_names_only)
        if refusal is not None:
            return refusal
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    return guarded


def is_loopback(host: str) -> bool:
    """Whether a name or address, IPv6 perhaps in brackets, is this host's own and no other's."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refusal(request: web.Request, *, own_names_only: bool) -> web.Response | None:
    if request.method not in SAFE_METHODS:
        return web.Response(status=405, text="this port changes nothing\n", headers={"Allow": "GET, HEAD"})
    if own_names_only and not is_loopback(_without_port(request.headers.get("Host", ""))):
        return web.Response(status=421, text="this host is known by loopback names only\n")
    if not _is_own_site(request):
        return web.Response(status=403, text="pages of other sites are not answered\n")
    return None


def _is_own_site(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none").lower() not in _OWN_SITE:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (host.startswith("[") or ":" not in name) else host
