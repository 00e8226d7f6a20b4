"""The list of campaigns of a whole fleet: the rows of its replicas, added up."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter, itemgetter

from gateway.core.views.campaign_status import SORTED_PART, CampaignRow, ReplicaPart, Rows, in_order

PART = 200
"""Campaigns that are added up in one part: some milliseconds of work with some replicas."""
ReplicaRows = tuple[str, Mapping[str, CampaignRow]]
"""The name of a replica, and its rows by campaign."""


def merged_rows(replicas: Sequence[ReplicaRows], before: Mapping[str, CampaignRow] | None = None) -> Rows:
    """Add the rows of replicas up, in parts; the first is the replica that is asked.

    Returns the rows by their campaigns' ids in order. Rows that equal those of `before` are the same objects.
    """
    names = yield from _names(replicas)
    known, found = before or {}, dict[str, CampaignRow]()
    for number, name in enumerate(names):
        latest = merged_row([(replica, rows[name]) for replica, rows in replicas if name in rows])
        earlier = known.get(name)
        found[name] = earlier if earlier is not None and earlier == latest else latest
        if number % PART == PART - 1:
            yield
    return found


def _names(replicas: Sequence[ReplicaRows]) -> Generator[None, None, Iterator[str]]:
    """Return the ids of all campaigns in order."""
    names: set[str] = set()
    for _, rows in replicas:
        ids = iter(rows)
        while part := list(islice(ids, SORTED_PART)):
            names.update(part)
            yield
    return (yield from in_order(names))


def merged_row(rows: Sequence[tuple[str, CampaignRow]]) -> CampaignRow:
    """Return one campaign of the fleet, given the row of each replica that knows it, at least one.

    The state is the first that any replica is in, of held, parked, cooling and flowing; why and since when is
    what the first replica in that state says.
    """
    leading = max((row for _, row in rows), key=attrgetter("state"))  # the first of equal ones
    waiting = [row.waiting_since for _, row in rows if row.waiting_since is not None]
    actions = [row.action for _, row in rows if row.action is not None]
    return leading._replace(
        queued=sum(row.queued for _, row in rows),
        in_flight=sum(row.in_flight for _, row in rows),
        waiting_since=min(waiting, default=None),
        counts=tuple(map(sum, zip(*(row.counts for _, row in rows), strict=True))),
        rate=round(sum(row.rate for _, row in rows), 1),
        action=max(actions, key=attrgetter("at"), default=None),
        parts=tuple(_part(replica, row) for replica, row in sorted(rows, key=itemgetter(0))),
    )


def _part(replica: str, row: CampaignRow) -> ReplicaPart:
    return ReplicaPart(replica, row.state, row.queued, row.in_flight, row.waiting_since, row.counts, row.rate)
