"""A call of a script in the store, and the text of the scripts.

The file of every script in `gateway/shared_state/scripts` begins with the line `#!lua`. With it the server
refuses a script that touches a key which the call does not name; without it such a script may write to
another slot. Files without that line are parts: the prologue is one of every script, others are of `PARTS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

SHEBANG = "#!lua\n"
PROLOGUE = "prologue"
PARTS: Mapping[str, Sequence[str]] = {
    "tick": ("quota_state", "bucket", "membership", "turns"),
    "count_contacts": ("contacts",),
    "look_at_contacts": ("contacts",),
    "withdraw_contacts": ("contacts",),
    "restore_contacts": ("contacts",),
}
"""The parts that stand before the text of a script, in this order."""

Argument = str | bytes | int
"""What a script receives as text. A float would depend on how the client library writes it."""
Reply = int | bytes | None | Sequence["Reply"]
"""What a script returns: an integer, a text as bytes, nothing, or a list of these."""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One run of the script `script`: the keys that it touches, all of one slot, and its arguments.

    The script sees `keys` as KEYS and `args` as ARGV, both from 1. The function `now_ms()` of the prologue
    is its clock.
    """

    script: str
    keys: Sequence[str]
    args: Sequence[Argument] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script as the server gets it, and the hash by which the server knows it."""

    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """Return a script with its parts. Raises `ValueError` if its first line is not `#!lua`."""
    text = _read(name)
    if not text.startswith(SHEBANG):
        raise ValueError(f"{name}.lua: the first line must be {SHEBANG.strip()}")
    parts = "".join(map(_read, (PROLOGUE, *PARTS.get(name, ()))))
    whole = (SHEBANG + parts + text.removeprefix(SHEBANG)).encode()
    return Script(whole, sha1(whole, usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return files("gateway.shared_state").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")
