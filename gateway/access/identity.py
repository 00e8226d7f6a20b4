"""Who a caller is: the name in its certificate, or what a trusted proxy says of that.

An identity is a URI, `spiffe://example.org/ns/billing/sa/dialer`, or a DNS name. Envoy, and what is
built on it, puts the certificate of whom it speaks for into the header `x-forwarded-client-cert`: elements
with commas between, the last of them from the nearest proxy, each of `key=value` with semicolons
between, and values that hold one of these in double quotes. Its names stand there as `URI` and `DNS`, or
the certificate itself does as `Cert`, as nginx and HAProxy have it.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

HEADER = "x-forwarded-client-cert"
LONGEST_IDENTITY = 2048
"""Characters; SPIFFE's own bound."""
LONGEST_HEADER = 65_536
_SPIFFE = "spiffe://"
_KEYS = ("uri", "dns", "cert")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CallerEvidence(NamedTuple):
    """What can be seen of a call: where it comes from, the names in its certificate, and the header.

    `peer` is as gRPC has it: `ipv4:10.0.0.7:50514`.
    """

    peer: str
    uris: Sequence[str] = ()
    dns: Sequence[str] = ()
    forwarded: Sequence[str] = ()


class Names(NamedTuple):
    """The names in a certificate."""

    uris: Sequence[str]
    dns: Sequence[str]


class Identification(NamedTuple):
    """Who a caller is, None where that is not known; `forged`: it claims to be somebody, and may not."""

    identity: str | None
    forged: bool = False


def identify(
    shown: CallerEvidence, trusted: Iterable[Network], names_in: Callable[[str], Names]
) -> Identification:
    """Return who a caller is; `names_in` reads a certificate in PEM.

    A proxy that is trusted speaks for others only: what it says of them counts, its own certificate does
    not. What anybody else says in the header is not believed.
    """
    if is_trusted(shown.peer, trusted):
        return Identification(_forwarded_identity(shown.forwarded, names_in))
    return Identification(identity_of(shown.uris, shown.dns), forged=bool(shown.forwarded))


def identity_of(uris: Iterable[str], dns: Iterable[str]) -> str | None:
    """Return the identity among the names of a certificate: a SPIFFE id, another URI, a DNS name."""
    usable = [name for name in uris if _is_usable(name) and ":" in name]
    spiffe = [name for name in usable if name.lower().startswith(_SPIFFE)]
    if len(spiffe) > 1:
        return None  # SPIFFE has it that such a certificate is not valid
    names = [*spiffe, *usable, *(name.lower() for name in dns if _is_usable(name) and ":" not in name)]
    return names[0] if names else None


def is_trusted(peer: str, trusted: Iterable[Network]) -> bool:
    """Whether a gRPC peer is at an address of one of the networks."""
    address = address_of(peer)
    return address is not None and any(
        address.version == network.version and address in network for network in trusted
    )


def address_of(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of a gRPC peer; None where it has none, as on a socket of this host."""
    scheme, _, rest = peer.partition(":")
    if scheme not in {"ipv4", "ipv6"}:
        return None
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _forwarded_identity(values: Sequence[str], names_in: Callable[[str], Names]) -> str | None:
    """Return whom the nearest proxy speaks for; None where the header is not there, or is not in order."""
    header = ",".join(values)
    if not header or len(header) > LONGEST_HEADER:
        return None
    try:
        nearest = _split(header, ",")[-1]
        pairs = [_pair(part) for part in _split(nearest, ";") if part.strip()]
    except ValueError:
        return None
    # Empty is what a proxy writes of names that a certificate has not: it says nothing, and hides nothing.
    uris, dns, certificates = ([value for name, value in pairs if name == key and value] for key in _KEYS)
    if not uris and not dns and len(certificates) == 1:
        return identity_of(*names_in(unquote(certificates[0])))
    return identity_of(uris, dns)


def _split(text: str, separator: str) -> list[str]:
    """Split where a separator stands outside quotes; raises `ValueError` where quotes are left open."""
    parts, begin, quoted, escaped = [], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[begin:at])
            begin = at + 1
    if quoted:
        raise ValueError
    return [*parts, text[begin:]]


def _pair(part: str) -> tuple[str, str]:
    key, equals, value = part.strip().partition("=")
    if not equals or '"' in key:
        raise ValueError
    return key.strip().lower(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        if '"' in value:
            raise ValueError
        return value
    if len(value) < 2 or not value.endswith('"'):
        raise ValueError
    plain, escaped = [], False
    for character in value[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if character == '"' and not escaped:
            raise ValueError
        plain.append(character)
        escaped = False
    if escaped:
        raise ValueError
    return "".join(plain)


def _is_usable(name: str) -> bool:
    """Whether a name may be an identity: it is logged, and a label of metrics."""
    return 0 < len(name) <= LONGEST_IDENTITY and name.isascii() and name.isprintable() and " " not in name
