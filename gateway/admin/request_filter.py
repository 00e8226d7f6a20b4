"""Refuses requests of other sites' pages, and requests under a foreign host name, on the admin port.

Any web page can make a browser send requests to loopback addresses and, through a port-forward, to addresses
of a cluster. Browsers state the origin of a request (`Sec-Fetch-Site`, `Origin`), and a page whose name was
made to resolve to this port (DNS rebinding) sends that name as `Host`: both are refused. A name under a
public domain counts as this port's own only if a setting lists it. Names that cannot be registered publicly
need no setting. Changes are accepted only from the console's own page and only as JSON, which neither a form
nor another page can send.
"""

import ipaddress
import re
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.runtime.patterns import Pattern, matches_any, text_pattern

HOSTS_SETTING = "DIAL_GATEWAY_ADMIN_HOSTS"
SAFE_METHODS = ("GET", "HEAD")
_INSIDE = (".svc", ".cluster.local", ".internal", ".local")
"""Suffixes that cannot be registered publicly, so no foreign page has such a name."""
_ONE_LABEL = re.compile(r"[a-z0-9_-]+")
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


def request_filter(listen: str, changes: Collection[str] = (), hosts: Collection[str] = ()) -> Middleware:
    """Return the middleware that filters requests to a server on `listen`, HOST:PORT.

    `changes` are the paths that accept POST. `hosts` are additional names of the server; `*.example.org`
    stands for all names under that domain.
    """
    on_loopback = is_loopback(listen.rpartition(":")[0])
    names = [text_pattern(host) for host in hosts]

    @web.middleware
    async def filtered(request: web.Request, handler: Handler) -> web.StreamResponse:
        may_change = request.path in changes
        own_name = is_own_name(request.headers.get("Host"), names, on_loopback=on_loopback)
        refusal = _refusal(request, own_name=own_name, may_change=may_change)
        return refusal if refusal is not None else await handler(request)

    return filtered


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of all responses, before the response is sent."""
    response.headers.update(_HEADERS)


def is_own_name(host: str | None, names: Collection[Pattern], *, on_loopback: bool) -> bool:
    """Whether a `Host` is a name of this server.

    Those are loopback names, `names` and, unless the server listens on loopback, addresses and names of
    internal networks. None stands for a request without the header: browsers always send it, old probes do
    not.
    """
    if host is None:
        return not on_loopback
    name = _without_port(host).strip("[]").rstrip(".").lower()
    if is_loopback(name) or matches_any(names, name):
        return True
    return not on_loopback and (_is_address(name) or _is_inside(name))


def is_loopback(host: str) -> bool:
    """Whether a name or address refers to this host's loopback. IPv6 addresses may be in brackets."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_inside(name: str) -> bool:
    return name.endswith(_INSIDE) or _ONE_LABEL.fullmatch(name) is not None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(request: web.Request, *, own_name: bool, may_change: bool) -> web.Response | None:
    changing = request.method == "POST" and may_change
    if request.method not in SAFE_METHODS and not changing:
        allowed = "POST" if may_change else "GET, HEAD"
        return web.Response(status=405, text="this changes nothing\n", headers={"Allow": allowed})
    if not own_name:
        return web.Response(status=421, text=f"this port has no such host name; {HOSTS_SETTING} can add it\n")
    if not _is_own_site(request):
        return web.Response(status=403, text="pages of other sites are not answered\n")
    return _refusal_of_change(request) if changing else None


def _refusal_of_change(request: web.Request) -> web.Response | None:
    """Return the refusal of a changing request that does not come from the console's own page."""
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
