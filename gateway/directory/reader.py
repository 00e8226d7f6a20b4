"""Reads the campaign directory from Amazon Connect, again and again, within a pace of its own.

ListCampaigns returns 50 campaigns a call, without their tags; ListTagsForResource returns the tags of one
campaign. So all names are read first, and tags after that, one campaign at a time. Only what uses names waits
for this reader: a failure affects no dial request that names its campaign by its id.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from gateway.core.errors import AccessDenied, CallFailure, CallTransient, RateThrottled
from gateway.directory.change_log import log_changes
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import MAX_CAMPAIGNS, CampaignEntry, CampaignTable
from gateway.telemetry import DirectoryFigures

log = logging.getLogger(__name__)

CALLS_PER_S = 5.0
"""Calls a second of all replicas together: the quota of ListCampaigns."""
TAGS_EVERY_S = 900.0
"""Seconds after which the tags of a campaign are read again."""
ATTEMPTS = 4
"""Attempts of one call, if Connect throttles it or does not answer."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0
"""Seconds of the first pause between attempts, at most, and of the longest; each is twice the one before."""
PUBLISH_EVERY = 25
"""Campaigns whose tags are read between two tables."""
SOONEST_S = 5.0
"""Seconds between two readings that callers cause by asking for unknown names."""

Result = TypeVar("Result")


class ListedPage(NamedTuple):
    """One page of a list: its campaigns, without tags, and the token of the next page, empty for the last."""

    entries: Sequence[CampaignEntry]
    next_token: str


class CampaignLister(Protocol):
    """The lists of one version of Connect's API. Each method makes one call and raises `CallFailure` only."""

    @property
    def api(self) -> str:
        """The version, such as `v1`."""
        ...

    async def page(self, token: str) -> ListedPage:
        """Return a page, the first one for an empty token."""
        ...

    async def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a campaign."""
        ...

    async def close(self) -> None:
        """Give up connections and threads."""
        ...


@dataclass(slots=True)
class ApiReading:
    """What was read from one API, and how that went.

    `succeeded`: its names have been read at least once. A problem is empty if the last reading succeeded.
    """

    lister: CampaignLister
    succeeded: bool = False
    entries: dict[str, CampaignEntry] = field(default_factory=dict)
    problem: str = ""
    tags_problem: str = ""


class DirectoryReader:
    """Keeps a directory fresh from the lists of one or several APIs.

    `now` returns seconds, `sleep` waits for so many. `replicas` returns how many gateways read at the same
    time: the pace is divided by it. `interval_s` is the time between two readings of all names.
    """

    def __init__(
        self,
        directory: CampaignDirectory,
        listers: Sequence[CampaignLister],
        now: Callable[[], float],
        *,
        interval_s: float,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        replicas: Callable[[], int] = lambda: 1,
    ) -> None:
        self._directory = directory
        self._readings = [ApiReading(lister) for lister in listers]
        self._now, self._sleep = now, sleep
        self._interval_s = interval_s
        self._rng = rng
        self._replicas = replicas
        self._next_call_at = float("-inf")
        self._names_due_at = float("-inf")
        self._complete_at: float | None = None
        self._read_at = float("-inf")
        self._tags_read_at: dict[str, float] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._woken = asyncio.Event()
        self._read_once = asyncio.Event()
        directory.wanted = self._woken.set

    def figures(self) -> DirectoryFigures:
        """Return the state of the directory for metrics."""
        age_s = None if self._complete_at is None else self._now() - self._complete_at
        return DirectoryFigures(len(self._directory.table), age_s, dict(self._failures))

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.read_names()
            await self.read_tags()
            await self._until_due()

    async def read_within(self, longest_s: float) -> bool:
        """Wait until all names were asked for once; return whether all of them are known."""
        try:
            async with asyncio.timeout(longest_s):
                await self._read_once.wait()
        except TimeoutError:
            pass
        return self._directory.known

    async def close(self) -> None:
        """Give up the connections of all APIs."""
        for reading in self._readings:
            await reading.lister.close()

    # --- names ------------------------------------------------------------------------------------

    async def read_names(self) -> None:
        """Read all names of all APIs. What an API does not tell keeps what it told before."""
        began = self._now()
        self._woken.clear()
        self._read_at = began
        self._names_due_at = began + self._interval_s * self._rng.uniform(0.9, 1.1)
        for reading in self._readings:
            await self._read_api(reading)
        self._publish()
        self._read_once.set()
        if not any(reading.problem for reading in self._readings):
            self._complete_at = began

    async def _read_api(self, reading: ApiReading) -> None:
        try:
            entries = await self._all_pages(reading)
        except CallFailure as failure:
            self._failed(reading, "ListCampaigns", failure)
            return
        if reading.problem:
            log.info("the names of campaigns can be read again", extra={"api": reading.lister.api})
        reading.problem, reading.succeeded = "", True
        reading.entries = {one: entry._replace(tags=_tags_of(reading, one)) for one, entry in entries.items()}

    async def _all_pages(self, reading: ApiReading) -> dict[str, CampaignEntry]:
        found: dict[str, CampaignEntry] = {}
        token, seen = "", set[str]()
        while token not in seen and len(found) < MAX_CAMPAIGNS:
            seen.add(token)
            page = await self._called(lambda token=token: reading.lister.page(token))  # type: ignore[misc]
            found |= {entry.campaign_id: entry for entry in page.entries[: MAX_CAMPAIGNS - len(found)]}
            token = page.next_token
            if not token:
                break
        return found

    # --- tags -------------------------------------------------------------------------------------

    async def read_tags(self) -> None:
        """Read tags that are missing or old, the oldest first, until names are due."""
        for reading in self._readings:
            await self._read_tags_of(reading)
        self._publish()
        listed = {one for reading in self._readings for one in reading.entries}
        self._tags_read_at = {one: at for one, at in self._tags_read_at.items() if one in listed}

    async def _read_tags_of(self, reading: ApiReading) -> None:
        for number, campaign_id in enumerate(self._with_old_tags(reading), start=1):
            if self._now() >= self._names_due_at:
                return
            try:
                await self._read_tags_for(reading, campaign_id)
            except CallFailure as failure:
                self._failed(reading, "ListTagsForResource", failure)
                self._wait_with_tags(reading, failure)
                return
            if number % PUBLISH_EVERY == 0:
                self._publish()

    async def _read_tags_for(self, reading: ApiReading, campaign_id: str) -> None:
        entry = reading.entries[campaign_id]
        tags = await self._called(lambda: reading.lister.tags(entry.arn))
        reading.entries[campaign_id] = entry._replace(tags=tags)
        self._tags_read_at[campaign_id] = self._now()
        reading.tags_problem = ""

    def _with_old_tags(self, reading: ApiReading) -> list[str]:
        oldest = self._now() - TAGS_EVERY_S
        read_at = self._tags_read_at
        due = [
            one for one, entry in reading.entries.items() if entry.arn and read_at.get(one, oldest) <= oldest
        ]
        return sorted(due, key=lambda one: read_at.get(one, float("-inf")))

    def _wait_with_tags(self, reading: ApiReading, failure: CallFailure) -> None:
        """Do not ask for tags again soon without the right to."""
        if isinstance(failure, AccessDenied):
            now = self._now()
            self._tags_read_at |= dict.fromkeys(self._with_old_tags(reading), now)

    # --- calls ------------------------------------------------------------------------------------

    async def _called(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Make a call, within the pace, and again if that may help. Raises `CallFailure`."""
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            await self._turn()
            try:
                return await call()
            except (RateThrottled, CallTransient):
                if attempt == ATTEMPTS:
                    raise
            await self._sleep(self._rng.uniform(0.0, pause_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        raise AssertionError("unreachable")  # pragma: no cover

    async def _turn(self) -> None:
        """Wait until the pace allows the next call."""
        wait_s = self._next_call_at - self._now()
        if wait_s > 0:
            await self._sleep(wait_s)
        self._next_call_at = self._now() + max(1, self._replicas()) / CALLS_PER_S

    def _failed(self, reading: ApiReading, operation: str, failure: CallFailure) -> None:
        """Count a failure, and log it once for each kind."""
        kind = type(failure).__name__
        self._failures[operation, kind] = self._failures.get((operation, kind), 0) + 1
        known = reading.problem if operation == "ListCampaigns" else reading.tags_problem
        if operation == "ListCampaigns":
            reading.problem = kind
        else:
            reading.tags_problem = kind
        if known == kind:
            return
        missing = (
            f"; the role needs connect-campaigns:{operation}" if isinstance(failure, AccessDenied) else ""
        )
        log.warning(
            "the campaign directory could not be read, so names or tags are missing or old%s",
            missing,
            extra={"api": reading.lister.api, "operation": operation, "error": kind},
        )

    def _publish(self) -> None:
        merged: dict[str, CampaignEntry] = {}
        for reading in self._readings:
            merged |= reading.entries
        complete = all(reading.succeeded for reading in self._readings)
        log_changes(self._directory.publish(CampaignTable(merged.values()), complete=complete))

    async def _until_due(self) -> None:
        """Wait until names are due, or until a caller asks for an unknown name, but not too often."""
        woken = asyncio.ensure_future(self._woken.wait())
        due = asyncio.ensure_future(self._sleep(max(0.0, self._names_due_at - self._now())))
        try:
            await asyncio.wait([woken, due], return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            due.cancel()
        await self._sleep(max(0.0, min(self._names_due_at, self._read_at + SOONEST_S) - self._now()))


def _tags_of(reading: ApiReading, campaign_id: str) -> Mapping[str, str] | None:
    known = reading.entries.get(campaign_id)
    return None if known is None else known.tags
