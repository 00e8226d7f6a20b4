"""The fleet's holds as one replica knows them, and what follows from the changes that it reads.

A hold is in force here from the moment that this replica knows of it, whether the store has it or not. Holds
that the store does not have, new ones made while it was away and those that it has lost, are kept as
`unrecorded` and offered with each request until its table has them. A hold ends only if the table lacks it
and the store has lost nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from gateway.core.fleet.messages import ControlReply, FleetAction, FleetActionKind

OFFERED = 50
"""Unrecorded holds in one request, at most, so that the store is not kept busy for long."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a replica has to carry out: new or replaced holds, ended ones, and purges, oldest first.

    `released` are the actions that ended holds; one that the history does not have any more has no caller.
    """

    held: tuple[FleetAction, ...] = ()
    released: tuple[FleetAction, ...] = ()
    purged: tuple[FleetAction, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything has changed."""
        return bool(self.held or self.released or self.purged)


class FleetHolds:
    """The holds in force in this replica, and the version of the changes that it knows.

    `in_force` has the hold of each campaign. `seen` is 0 before the first reply.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.in_force: Mapping[str, FleetAction] = {}
        self._table: dict[str, FleetAction] = {}
        self._unrecorded: dict[str, FleetAction] = {}
        self._carried_out: set[int] = set()
        self._acted_since = False

    @property
    def carried_out(self) -> tuple[int, ...]:
        """The versions of own actions that were recorded since the last reply."""
        return tuple(self._carried_out)

    def requested(self) -> None:
        """Note that a request is on its way: its reply tells of every action recorded before."""
        self._acted_since = False

    def offered(self) -> tuple[FleetAction, ...]:
        """Return unrecorded holds for the next request. Those offered before come later again."""
        offered = tuple(self._unrecorded.values())[:OFFERED]
        for hold in offered:
            self._unrecorded[hold.campaign_id] = self._unrecorded.pop(hold.campaign_id)
        return offered

    def read(self, reply: ControlReply) -> Changes:
        """Take the reply to the last request; return what to carry out.

        A reply that may be older than an action of this replica is ignored: its table may lack that action.
        """
        if self._acted_since:
            return Changes()
        self.seen = reply.version
        carried_out, self._carried_out = self._carried_out, set()
        if reply.holds is None and not self._unrecorded:
            return Changes()
        if reply.holds is not None:
            self._table = {hold.campaign_id: hold for hold in reply.holds}
        if reply.lost:
            missing = {name: hold for name, hold in self.in_force.items() if name not in self._table}
            self._unrecorded = missing | self._unrecorded
        # The request has offered some of them: the store has these now, if it did not have them before.
        self._unrecorded = {
            name: hold for name, hold in self._unrecorded.items() if _is_missing(hold, self._table.get(name))
        }
        return self._changes(self._table | self._unrecorded, reply, carried_out)

    def recorded(self, action: FleetAction) -> Changes:
        """Take an action of this replica that the store has recorded; `read` will not repeat it."""
        self._acted_since = True
        self._carried_out.add(action.version)
        if action.kind is FleetActionKind.PURGE:
            return Changes(purged=(action,))
        self._unrecorded.pop(action.campaign_id, None)
        self._table.pop(action.campaign_id, None)
        others = {name: hold for name, hold in self.in_force.items() if name != action.campaign_id}
        if action.kind is FleetActionKind.RELEASE:
            ended = len(others) < len(self.in_force)
            self.in_force = others
            return Changes(released=(action,) if ended else ())
        self._table[action.campaign_id] = action
        self.in_force = others | {action.campaign_id: action}
        return Changes(held=(action,))

    def hold_here(self, hold: FleetAction) -> Changes:
        """Hold a campaign in this replica, and offer the hold to the store when it is back."""
        hold = replace(hold, version=0)
        self._unrecorded[hold.campaign_id] = hold
        self.in_force = {**self.in_force, hold.campaign_id: hold}
        return Changes(held=(hold,))

    def release_here(self, action: FleetAction) -> Changes:
        """End a hold that the store does not have; return nothing to carry out if it is not in force."""
        if self._unrecorded.pop(action.campaign_id, None) is None:
            return Changes()
        self.in_force = {name: hold for name, hold in self.in_force.items() if name != action.campaign_id}
        return Changes(released=(action,))

    def _changes(
        self, holds: Mapping[str, FleetAction], reply: ControlReply, carried_out: Collection[int]
    ) -> Changes:
        before, self.in_force = self.in_force, holds
        held = [hold for name, hold in holds.items() if not _is_same(before.get(name), hold)]
        ended = [name for name in before if name not in holds]
        purged = [
            action
            for action in reply.actions
            if action.kind is FleetActionKind.PURGE and action.version not in carried_out
        ]
        return Changes(tuple(held), tuple(_release_of(name, reply) for name in ended), tuple(purged))


def _is_missing(hold: FleetAction, stored: FleetAction | None) -> bool:
    """Whether the store still lacks an unrecorded hold. A newer one may replace a hold that it has lost."""
    if stored is None:
        return True
    return hold.version == 0 and not _says_same(hold, stored)


def _is_same(one: FleetAction | None, other: FleetAction) -> bool:
    return one is not None and one.at_ms == other.at_ms and _says_same(one, other)


def _says_same(one: FleetAction, other: FleetAction) -> bool:
    return (one.caller, one.reason, one.answering) == (other.caller, other.reason, other.answering)


def _release_of(campaign_id: str, reply: ControlReply) -> FleetAction:
    """Return the action that ended a hold."""
    for action in reversed(reply.actions):
        if action.kind is FleetActionKind.RELEASE and action.campaign_id == campaign_id:
            return action
    return FleetAction(
        FleetActionKind.RELEASE, campaign_id, "", "", version=reply.version, at_ms=reply.now_ms
    )
