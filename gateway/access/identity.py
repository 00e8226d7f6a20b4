"""The identity of a caller: a name in its certificate, or a name that a trusted proxy forwards.

An identity is a URI such as `spiffe://example.org/ns/billing/sa/dialer`, or a DNS name. Envoy, and proxies
built on it, forward the certificate of the original caller in the header `x-forwarded-client-cert`. Its
elements are separated by commas, and the last is from the nearest proxy. An element is a list of `key=value`
with semicolons in between. A value with a separator is in double quotes. The names are in `URI` and `DNS`, or
the certificate itself is in `Cert`, as nginx and HAProxy send it.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

HEADER = "x-forwarded-client-cert"
LONGEST_IDENTITY = 2048
"""Characters; SPIFFE's own bound."""
LONGEST_HEADER = 65_536
_SPIFFE = "spiffe://"
_KEYS = ("uri", "dns", "cert")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CallerEvidence(NamedTuple):
    """The facts about a call from which its caller is identified: peer, certificate names, and header.

    `peer` has gRPC's format: `ipv4:10.0.0.7:50514`, `ipv6:%5B2001:db8::7%5D:50514`.
    """

    peer: str
    uris: Sequence[str] = ()
    dns: Sequence[str] = ()
    forwarded: Sequence[str] = ()

    @property
    def readable_peer(self) -> str:
        """The peer for people: gRPC escapes the brackets of an IPv6 address."""
        return unquote(self.peer)


class Names(NamedTuple):
    """The names in a certificate."""

    uris: Sequence[str]
    dns: Sequence[str]


class Identification(NamedTuple):
    """The identity of a caller, None if unknown. `by_proxy`: a trusted proxy vouches for it.

    `forged`: the caller sent a header that it has no right to send.
    """

    identity: str | None
    forged: bool = False
    by_proxy: bool = False


def identify(
    evidence: CallerEvidence, trusted: Iterable[Network], names_in: Callable[[str], Names]
) -> Identification:
    """Return the identity of a caller. `names_in` reads a certificate in PEM.

    A trusted proxy only speaks for others: the identity comes from its header, not from its own certificate.
    The header of any other caller is ignored.
    """
    if is_trusted(evidence.peer, trusted):
        identity = _forwarded_identity(evidence.forwarded, names_in)
        return Identification(identity, by_proxy=identity is not None)
    return Identification(identity_of(evidence.uris, evidence.dns), forged=bool(evidence.forwarded))


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
    return _is_within(address_of(peer), trusted)


def operator_identity(host: str, values: Sequence[str], trusted: Iterable[Network]) -> str | None:
    """Return the identity that a trusted proxy at `host` states in a header of an HTTP request.

    None if another peer sent the header, or if there is not exactly one usable value.
    """
    if not _is_within(_address(host), trusted) or len(values) != 1:
        return None
    return values[0] if _is_usable(values[0]) else None


@lru_cache(maxsize=4096)  # a connection makes many calls
def address_of(peer: str) -> Address | None:
    """Return the address of a gRPC peer, None if it has no address, such as a Unix socket."""
    scheme, _, rest = peer.partition(":")
    if scheme not in {"ipv4", "ipv6"}:
        return None
    return _address(unquote(rest).rpartition(":")[0].strip("[]"))


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def _forwarded_identity(values: Sequence[str], names_in: Callable[[str], Names]) -> str | None:
    """Return the identity in the element of the nearest proxy, None if the header is missing or malformed."""
    header = ",".join(values)
    if not header or len(header) > LONGEST_HEADER:
        return None
    try:
        nearest = _split(header, ",")[-1]
        pairs = [_pair(part) for part in _split(nearest, ";") if part.strip()]
    except ValueError:
        return None
    # A proxy writes an empty value for a name that the certificate does not have. It is skipped.
    uris, dns, certificates = ([value for name, value in pairs if name == key and value] for key in _KEYS)
    if not uris and not dns and len(certificates) == 1:
        return identity_of(*names_in(unquote(certificates[0])))
    return identity_of(uris, dns)


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside quotes. Raises `ValueError` for an unterminated quote."""
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
