"""The commands about contacts: they are counted under limits, withdrawn, and written again after a loss.

The contacts of a number under one limit are in one text, a line for each: `AT_MS CALL MEMBER NUMBER DOUBT`.
That is when it was placed in a call last, the hash of its dial request, a hash of the replica that placed it,
the number of that replica's call, and `1` if an earlier call may have carried the request. Any other text was
not written by a gateway, and makes the limit count as full.

All contacts are in the fleet's own slot of a cluster: one script counts all contacts of a call, and sees at
the same instant whether the store has lost data. For each replica the store keeps when it has counted last.
If that is before what the replica knows, contacts are lost.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2s

from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit, Counts, KeptContact
from gateway.core.fleet.messages import Claim, Settlement
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.ledger import MARKS, marked_keys
from gateway.shared_state.commands.script_call import Argument, Reply, ScriptCall

LOST = "contacts-lost"
"""The key that says when the store has lost contacts. Removing it lets limits count from zero."""
MEMBER_BYTES = 6
MEMBERS_KNOWN = 100
LONGEST_MS = 400 * 86_400_000
"""The longest period of a limit (`gateway/compliance/guard_file.py`). The store keeps for as long when
contacts were lost, and when a replica has counted last."""


def count_call(
    keys: Keys, member: str, counted_ms: int, claims: Sequence[Claim], *, marked: bool = False
) -> ScriptCall:
    """Return the call that counts the contacts of claims that have one; `marked` returns the marks as well.

    `counted_ms` is when this member has counted last, by the store's clock, 0 if never. The marks are those
    that `ledger.marks_reply` reads.
    """
    marks = marked_keys(keys) if marked else []
    touched = [*marks, *_notes(keys, member)]
    args: list[Argument] = [len(marks), member_hash(member), counted_ms, LONGEST_MS]
    for claim in claims:
        contact = claim.contact
        if contact is not None:
            touched += places(keys, contact)
            args += (_text(contact.call), claim.number, int(claim.in_doubt))
            args += (len(contact.limits), len(contact.observed))
            for limit in (*contact.limits, *contact.observed):
                args += (limit.calls, limit.period_ms)
    return ScriptCall("count_contacts", touched, args)


def count_reply(reply: Reply, claims: Sequence[Claim]) -> Counts:
    """Return what was counted. Raises `ValueError` for a reply that none of our scripts gives."""
    if isinstance(reply, bytes | int) or reply is None or len(reply) <= MARKS:
        raise ValueError("the script of contacts has returned no list")
    at_ms, *words = map(_word, reply[MARKS:])
    if words == ["behind"]:
        return Counts(int(at_ms), None)
    contacts = [claim.contact for claim in claims]
    if len(words) != len(contacts) - contacts.count(None):
        raise ValueError("the script of contacts has returned another number of contacts")
    texts = iter(words)
    counts = [None if contact is None else _counted(contact, next(texts)) for contact in contacts]
    return Counts(int(at_ms), counts)


def look_call(keys: Keys, looked_at: Sequence[Contact]) -> ScriptCall:
    """Return the call that tells whether contacts would have room now."""
    touched = [keys.of_fleet(LOST)]
    args: list[Argument] = []
    for contact in looked_at:
        touched += places(keys, contact)
        args += (_text(contact.call), len(contact.limits), len(contact.observed))
        for limit in (*contact.limits, *contact.observed):
            args += (limit.calls, limit.period_ms)
    return ScriptCall("look_at_contacts", touched, args)


def look_reply(reply: Reply, looked_at: Sequence[Contact]) -> list[ContactCount]:
    """Return what would be counted. Raises `ValueError` for a reply that no script of ours gives."""
    if isinstance(reply, bytes | int) or reply is None or len(reply) != len(looked_at):
        raise ValueError("the script of contacts has returned another number of contacts")
    return [_counted(contact, _word(text)) for contact, text in zip(looked_at, reply, strict=True)]


def withdraw_call(keys: Keys, member: str, settlements: Sequence[Settlement]) -> ScriptCall | None:
    """Return the call that withdraws contacts whose calls have certainly not reached Connect, if any."""
    touched: list[str] = []
    args: list[Argument] = [member_hash(member)]
    for one in settlements:
        if one.withdrawn is not None:
            touched += places(keys, one.withdrawn)
            args += (_text(one.withdrawn.call), one.number, _limits_of(one.withdrawn))
    return ScriptCall("withdraw_contacts", touched, args) if touched else None


def restore_call(
    keys: Keys, member: str, counted_ms: int, covered_ms: int, kept: Sequence[KeptContact]
) -> ScriptCall:
    """Return the call that writes contacts again which the store may have lost.

    `counted_ms` is when this member has counted last. `kept` are some of the contacts that it has counted
    in the last `covered_ms`. If the store has lost more than those, that is noted.
    """
    touched = _notes(keys, member)
    args: list[Argument] = [member_hash(member), counted_ms, covered_ms, LONGEST_MS]
    for contact, number, in_doubt, age_ms in kept:
        touched += places(keys, contact)
        args += (_text(contact.call), number, int(in_doubt), age_ms, _limits_of(contact))
        args += [limit.period_ms for limit in (*contact.limits, *contact.observed)]
    return ScriptCall("restore_contacts", touched, args)


def lost_call(keys: Keys) -> ScriptCall:
    """Return the call that notes that the store has lost contacts."""
    return ScriptCall("lose_contacts", [keys.of_fleet(LOST)], [LONGEST_MS])


@lru_cache(MEMBERS_KNOWN)
def member_hash(member: str) -> str:
    """Return the hash that stands for a replica in the lines of contacts, since its name may be long."""
    return _text(blake2s(member.encode(), digest_size=MEMBER_BYTES).digest())


def _word(reply: Reply) -> str:
    if not isinstance(reply, bytes):
        raise ValueError("the script of contacts has returned something other than texts")  # noqa: TRY004
    return reply.decode(errors="replace")


def _counted(contact: Contact, text: str) -> ContactCount:
    match text.split():
        case ["counted", *over]:
            return ContactCount(over=tuple(_limit(contact.observed, place) for place in over))
        case ["full" | "lost" as how, place, wait_ms]:
            limit = _limit(contact.limits, place)
            return ContactCount(limit, int(wait_ms) / 1000, how == "lost")
    raise ValueError("the script of contacts has returned an unknown text")


def _limit(limits: Sequence[ContactLimit], place: str) -> ContactLimit:
    number = int(place)
    if not 1 <= number <= len(limits):
        raise ValueError("the script of contacts names a limit that was not passed")
    return limits[number - 1]


def _notes(keys: Keys, member: str) -> list[str]:
    """Return the keys that say when contacts were lost, and when a member has counted last."""
    return [keys.of_fleet(LOST), keys.of_fleet(f"contacts-of:{member_hash(member)}")]


def places(keys: Keys, contact: Contact) -> list[str]:
    """Return the keys of a contact, one for each limit."""
    number = _text(contact.number)
    return [keys.contacts(limit.name, number) for limit in (*contact.limits, *contact.observed)]


def _limits_of(contact: Contact) -> int:
    return len(contact.limits) + len(contact.observed)


def _text(hashed: bytes) -> str:
    return urlsafe_b64encode(hashed).rstrip(b"=").decode()
