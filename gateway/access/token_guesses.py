"""Limits wrong tokens on the admin port, without locking out operators who have the right one."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FREE = 5
"""Wrong tokens that a source may show before it has to wait."""
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
"""Seconds of the first wait; each further wrong token doubles it, up to the longest."""
ALL_FREE, ALL_PER_S = 100, 1.0
"""Wrong tokens of all sources together after which each source has one free try, and how many are forgotten
a second."""
SOURCES = 10_000
"""The number of remembered sources. The one with the oldest wrong token is dropped first."""


@dataclass(slots=True)
class _Source:
    failures: int = 0
    until: float = 0.0


class GuessLimiter:
    """Counts wrong tokens by source, and says who has to wait. `now` is in seconds on any steady clock.

    A source is an IPv4 address or an IPv6 /64 network, since one host can use every address of its network.
    A source without a wrong token never waits, so the right token works while others guess.
    """

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._all, self._all_at = 0.0, 0.0

    def wait_s(self, now: float, address: str) -> float:
        """Return the seconds until the next token from an address is checked; 0 for now."""
        source = self._sources.get(_network(address))
        return 0.0 if source is None else max(0.0, source.until - now)

    def record_failure(self, now: float, address: str) -> None:
        """Note that an address has sent a wrong token."""
        network = _network(address)
        source = self._sources.pop(network, None) or _Source()
        self._sources[network] = source
        if len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
        if source.until + LONGEST_WAIT_S < now:
            source.failures = 0  # it has been quiet for long
        source.failures += 1
        beyond = source.failures - (1 if self._many(now) else FREE)
        waits_s = FIRST_WAIT_S * 2.0 ** min(beyond, 20) if beyond >= 0 else 0.0
        source.until = now + min(waits_s, LONGEST_WAIT_S)

    def record_success(self, address: str) -> None:
        """Note that an address has sent the right token."""
        self._sources.pop(_network(address), None)

    def _many(self, now: float) -> bool:
        """Count a wrong token of any source; return whether there were many recently."""
        self._all = max(0.0, self._all - (now - self._all_at) * ALL_PER_S) + 1.0
        self._all_at = now
        return self._all > ALL_FREE


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
