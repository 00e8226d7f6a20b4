"""Converts between the messages of CampaignService and the core's campaign rows."""

import base64
import json
from bisect import bisect_right
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dialgateway.v1 import campaign_service_pb2 as pb
from gateway.control.snapshots import ReplicaSeen
from gateway.core.campaigns.holds import Hold, OperatorAction
from gateway.core.model import Outcome
from gateway.core.views.campaign_status import CampaignRow, CampaignState, ReplicaPart
from gateway.directory.table import NO_CAMPAIGNS, CampaignTable
from gateway.fleet.membership import ActionResult

PAGE_SIZE, LARGEST_PAGE = 100, 1000
SHORTEST_INTERVAL_S, USUAL_INTERVAL_S, LONGEST_INTERVAL_S = 0.25, 1.0, 60.0
PAGED_PART = 4_000
"""Rows that are searched at once for those of a page: a millisecond or two."""
MADE = 5_000
"""Messages of campaigns that are kept for other watches; watches read at about the same pace."""
MESSAGE_CAMPAIGNS = 500
"""Campaigns in one message of a watch, at most: far below gRPC's default limit of 4 MiB. In a fleet each
replica's part counts as one."""
MADE_PART = 250
"""Campaigns and parts of replicas whose messages are made at once: some milliseconds of work."""


_OUTCOMES = [outcome.name.lower() for outcome in Outcome]

Item = TypeVar("Item")


class BadRequest(Exception):  # noqa: N818 - says what it is, like other answers
    """A request breaks a rule. The text names the field and the rule, never the value."""


# --- requests ----------------------------------------------------------------------------------------


def is_answering(held_requests: int) -> bool:
    """Whether a hold answers waiting requests. Raises `BadRequest` for an unknown choice."""
    if held_requests not in pb.HeldRequests.values():
        raise BadRequest("held_requests: WAIT or ANSWER")
    return held_requests == pb.HELD_REQUESTS_ANSWER


def interval_s(request: pb.WatchCampaignsRequest) -> float:
    """Return the interval of a watch in seconds. Raises `BadRequest`."""
    if not request.HasField("min_interval"):
        return USUAL_INTERVAL_S
    seconds = request.min_interval.seconds + request.min_interval.nanos * 1e-9
    if not SHORTEST_INTERVAL_S <= seconds <= LONGEST_INTERVAL_S:
        raise BadRequest(f"min_interval: {SHORTEST_INTERVAL_S:g} to {LONGEST_INTERVAL_S:g} seconds")
    return seconds


def page(
    request: pb.ListCampaignsRequest, rows: Collection[CampaignRow]
) -> Generator[None, None, tuple[list[CampaignRow], str, int]]:
    """Return, in parts, the rows of a page, the token of the next page, and the number of rows of all pages.

    `rows` are in the order of their ids.

    Raises `BadRequest` for a negative size, an unknown state, or a token of another listing.
    """
    if request.page_size < 0:
        raise BadRequest("page_size: 0 or more")
    wanted = sorted(map(int, set(request.states)))
    if any(state not in tuple(CampaignState) for state in wanted):
        raise BadRequest("states: FLOWING, COOLING, PARKED or HELD")
    listing = _listing(wanted, request.campaign)
    after = _after(request.page_token, listing)
    size = min(request.page_size or PAGE_SIZE, LARGEST_PAGE)
    if wanted:
        found, count = yield from _in_states(rows, wanted, after, size + 1)
    else:
        everything, count = list(rows), len(rows)
        begin = bisect_right(everything, after, key=attrgetter("campaign_id"))
        found = everything[begin : begin + size + 1]
    token = _token(found[size - 1].campaign_id, listing) if len(found) > size else ""
    return found[:size], token, count


def _in_states(
    rows: Iterable[CampaignRow], wanted: list[int], after: str, limit: int
) -> Generator[None, None, tuple[list[CampaignRow], int]]:
    """Return, in parts, the first rows in the wanted states `after` an id, and the number of all of them."""
    found: list[CampaignRow] = []
    count, left = 0, iter(rows)
    while part := list(islice(left, PAGED_PART)):
        chosen = [row for row in part if row.state in wanted]
        count += len(chosen)
        if len(found) < limit:
            found += [row for row in chosen if row.campaign_id > after][: limit - len(found)]
        yield
    return found, count


def _listing(states: Sequence[int], campaign: str) -> list[object]:
    """Return what distinguishes one listing from another."""
    return [list(states), campaign] if campaign else [list(states)]


def _token(campaign_id: str, listing: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps([campaign_id, *listing]).encode()).decode()


def _after(token: str, listing: Sequence[object]) -> str:
    """Return the campaign id after which a page begins."""
    if not token:
        return ""
    try:
        campaign_id, *asked = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest("page_token: not one that ListCampaigns has given") from error
    if not isinstance(campaign_id, str) or asked != listing:
        raise BadRequest("page_token: of a listing of other campaigns or states")
    return campaign_id


# --- responses ---------------------------------------------------------------------------------------


class RowContext(NamedTuple):
    """What the messages of rows need: the instant `now`, the names of campaigns, and an offset.

    `offset` is the core's time minus seconds since the epoch.
    """

    now: float
    offset: float
    table: CampaignTable = NO_CAMPAIGNS


def campaign(about: RowContext, row: CampaignRow) -> pb.Campaign:
    """Return the message of a row."""
    now, offset, table = about
    waiting_s = None if row.waiting_since is None else now - row.waiting_since
    entry = table.get(row.campaign_id)
    return pb.Campaign(
        campaign_id=row.campaign_id,
        state=row.state,  # type: ignore[arg-type] # the core's numbers are the contract's
        queued=row.queued,
        in_flight=row.in_flight,
        oldest_wait=_duration(waiting_s or 0.0),
        outcomes=_counts(row.counts),
        accepted_per_second=row.rate,
        reason=row.reason,  # type: ignore[arg-type]
        detail=row.detail,
        since=None if row.since is None else timestamp(row.since, offset),
        retry_after=None if row.until is None else _duration(row.until - now),
        hold=None if row.hold is None else _hold(row.hold, offset),
        last_action=None if row.action is None else _action(row.action, offset),
        replicas=[_part(now, part) for part in row.parts],
        name="" if entry is None else entry.name,
        tags=None if entry is None else entry.tags,
    )


def confirmation(result: ActionResult | None) -> pb.Confirmation | None:
    """Return which replicas have carried out an action; None without a shared state."""
    if result is None:
        return None
    return pb.Confirmation(
        confirmed_replicas=result.confirmed,
        unconfirmed_replicas=result.unconfirmed,
        only_here=result.only_here,
    )


def replicas(seen: Iterable[ReplicaSeen]) -> list[pb.Replica]:
    """Return the replicas of a listing."""
    return [pb.Replica(name=replica.name, reported=replica.reported) for replica in seen]


def campaigns(
    about: RowContext, rows: Sequence[CampaignRow], replicas: int
) -> Generator[None, None, list[pb.Campaign]]:
    """Return the messages of rows, made in parts. The fleet has `replicas`, 0 without a shared state."""
    made: list[pb.Campaign] = []
    for part in _parts(rows, _rows_in(MADE_PART, replicas)):
        made += [campaign(about, row) for row in part]
        yield
    return made


class Messages:
    """The messages of one snapshot, shared by all watches. Only the latest are kept.

    Not all are kept, since freeing 100,000 messages at once takes long.
    """

    def __init__(self, about: RowContext, seen: Iterable[ReplicaSeen] = ()) -> None:
        self._about = about
        self.table = about.table
        self.replicas = replicas(seen)
        self._made: dict[str, pb.Campaign] = {}
        self.as_of = timestamp(about.now, about.offset)

    def of(self, row: CampaignRow) -> pb.Campaign:
        """Return the message of a row of this snapshot. Callers must not change it."""
        found = self._made.get(row.campaign_id)
        if found is None:
            found = self._made[row.campaign_id] = campaign(self._about, row)
            if len(self._made) > MADE:
                del self._made[next(iter(self._made))]
        return found


def changes(
    messages: Messages, changed: Sequence[CampaignRow], gone: Sequence[str]
) -> Iterator[pb.WatchCampaignsResponse]:
    """Yield messages about changed rows and campaigns that are gone. Each is made when it is requested."""
    size = _rows_in(MESSAGE_CAMPAIGNS, len(messages.replicas))
    messages_left = -(-len(changed) // size) - (-len(gone) // MESSAGE_CAMPAIGNS)
    for part in _parts(changed, size):
        messages_left -= 1
        complete = messages_left == 0
        yield pb.WatchCampaignsResponse(
            campaigns=map(messages.of, part),
            as_of=messages.as_of,
            complete=complete,
            replicas=messages.replicas if complete else (),
        )
    for names in _parts(gone, MESSAGE_CAMPAIGNS):
        messages_left -= 1
        complete = messages_left == 0
        yield pb.WatchCampaignsResponse(
            gone_campaign_ids=names,
            as_of=messages.as_of,
            complete=complete,
            replicas=messages.replicas if complete else (),
        )


def nothing(messages: Messages) -> pb.WatchCampaignsResponse:
    """Return the message of a snapshot without changed campaigns."""
    return pb.WatchCampaignsResponse(complete=True, as_of=messages.as_of, replicas=messages.replicas)


def timestamp(instant: float, offset: float) -> Timestamp:
    """Return an instant of the core's clock as a timestamp."""
    milliseconds = round((instant - offset) * 1000)
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def _parts(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def _rows_in(units: int, replicas: int) -> int:
    """Return how many rows have so many units: a row, and the part of each replica, counts as one."""
    return max(1, units // (1 + replicas))


def _counts(counts: Collection[int]) -> pb.OutcomeCounts:
    return pb.OutcomeCounts(**dict(zip(_OUTCOMES, counts, strict=True)))


def _part(now: float, part: ReplicaPart) -> pb.ReplicaPart:
    waiting_s = 0.0 if part.waiting_since is None else now - part.waiting_since
    return pb.ReplicaPart(
        replica=part.replica,
        state=part.state,  # type: ignore[arg-type]
        queued=part.queued,
        in_flight=part.in_flight,
        oldest_wait=_duration(waiting_s),
        outcomes=_counts(part.counts),
        accepted_per_second=part.rate,
    )


def _hold(hold: Hold, offset: float) -> pb.Hold:
    return pb.Hold(
        caller=hold.caller,
        reason=hold.reason,
        hold_time=timestamp(hold.at, offset),
        held_requests=pb.HELD_REQUESTS_ANSWER if hold.answering else pb.HELD_REQUESTS_WAIT,
    )


def _action(action: OperatorAction, offset: float) -> pb.Action:
    return pb.Action(
        kind=action.kind,  # type: ignore[arg-type]
        caller=action.caller,
        reason=action.reason,
        action_time=timestamp(action.at, offset),
        answered=action.answered,
    )


def _duration(seconds: float) -> Duration:
    milliseconds = max(0, round(seconds * 1000))
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
