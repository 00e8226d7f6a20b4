"""The names of the keys in the store.

All keys of quota, control, reports and contacts have one hash tag, so that they are in one slot of a cluster.
The keys of client tokens are tagged by campaign, so that the tokens of one call are in one slot.
"""

import re

LAYOUT = "1"
"""The version of the layout of keys and values. Replicas with different layouts cannot share a prefix."""
DEFAULT_PREFIX = "dial-gateway"
is_prefix = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch
"""Whether a text may be a prefix of keys: without a brace, which would change the slots of a cluster."""
_UNSAFE = re.compile(r"[%{}]")


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self.prefix = prefix
        self.layout = self.of_fleet("layout")
        self.epoch = self.of_fleet("epoch")

    def of_fleet(self, name: str) -> str:
        """Return a key of the fleet's own slot, such as `{dial-gateway}:quota:members`."""
        return f"{{{self.prefix}}}:{name}"

    def tokens(self, campaign_id: str) -> str:
        """Return the prefix of the keys of a campaign's client tokens."""
        tag = _UNSAFE.sub(_escaped, campaign_id)
        return f"{self.prefix}:{{{tag}}}:"

    def contacts(self, limit: str, number: str) -> str:
        """Return the key of the contacts under a limit, by its name, of a number, by its hash."""
        return self.of_fleet(f"contacts:{number}:{limit}")


def _escaped(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"
