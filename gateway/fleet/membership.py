"""The replicas of a fleet as one of them knows them, and which of them have carried out an action."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.fleet.messages import Member


class SharedStateAway(Exception):  # noqa: N818 - says what happened
    """The shared state could not record an action that must not be carried out by this replica alone."""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action: the dial requests answered, and the replicas by name.

    `confirmed` have carried it out, `unconfirmed` have not confirmed it in time: they may not know of it.
    `only_here`: the shared state is away, so no other replica can know of it, or this replica does not know
    whether there are others.
    """

    answered: int = 0
    confirmed: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    only_here: bool = False


class Membership(Protocol):
    """The membership of this replica."""

    @property
    def member(self) -> Member:
        """Return this replica."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """Return all replicas as the last beat named them, this one included; none before the first beat."""
        ...


class BeatingMembership(Membership, Protocol):
    """The membership of this replica, and its beats."""

    def wake(self) -> None:
        """Ask for a beat soon, since the next one may be wanted earlier now."""
        ...


def knows_members(fleet: Membership) -> bool:
    """Return whether a beat has named the replicas, this one included: until then others may exist."""
    return any(each.member == fleet.member.member for each in fleet.members)


def other_members(fleet: Membership) -> list[Member]:
    """Return the other replicas of the fleet, including lost ones."""
    here = fleet.member.member
    return [member for member in fleet.members if member.member != here]


def all_have_seen(fleet: Membership, seen_by: Mapping[str, int], version: int) -> bool:
    """Return whether all live replicas have carried out a version. `seen_by` has that of each member."""
    live = [member.member for member in other_members(fleet) if not member.lost]
    return knows_members(fleet) and all(seen_by.get(member, 0) >= version for member in live)


def result_of(
    fleet: Membership, seen_by: Mapping[str, int], version: int, began_with: Sequence[Member]
) -> ActionResult:
    """Return which replicas have carried out an action that the store has recorded as `version`.

    `began_with` are the other members when the action was requested. One of them that has not carried it
    out is named even if it is no longer a member: it may be alive without reaching the store.
    """
    confirmed, unconfirmed = [fleet.member.name], list[str]()
    for member in {each.member: each for each in [*began_with, *other_members(fleet)]}.values():
        seen = seen_by.get(member.member, 0) >= version
        (confirmed if seen else unconfirmed).append(member.name)
    return ActionResult(
        confirmed=tuple(sorted(confirmed)),
        unconfirmed=tuple(sorted(unconfirmed)),
        only_here=not knows_members(fleet),
    )
