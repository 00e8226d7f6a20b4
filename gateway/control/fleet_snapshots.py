"""Snapshots of the campaigns of a whole fleet, whichever replica is asked.

While somebody looks at a listing of any replica, every replica publishes a report about its campaigns once a
second. The replica that is asked reads the reports of the others, and adds them to its own rows.
"""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.control import fleet_report
from gateway.control.fleet_report import BadReport, Report
from gateway.control.snapshots import Parts, ReplicaSeen, StatusSnapshot, StatusSnapshots
from gateway.core.views.campaign_status import CampaignRow, CampaignState, Rows
from gateway.core.views.fleet_rows import merged_row, merged_rows
from gateway.fleet.control import FleetControl
from gateway.shared_state.port import SharedStateError

log = logging.getLogger(__name__)

PUBLISHED_EVERY_S, KEPT_S = 1.0, 4.0
"""Seconds between two reports of a replica while somebody looks, and for which a report is kept."""
READ_EVERY_S = 0.5
"""Seconds for which the reports that were read are recent."""
FIRST_ATTEMPTS, ASKED_EVERY_S = 6, 0.1
"""How often to ask for the first reports after nobody has looked for a while, and the seconds in between."""
CAMPAIGNS_REPORTED = 10_000
"""The largest number of campaigns in one report. Campaigns that do not flow go first, then the largest
backlogs."""


class ReportStore(Protocol):
    """Where replicas leave their reports for each other: a part of the shared state."""

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        """Publish a member's report. Raises `SharedStateError`."""
        ...

    async def reports(self) -> Mapping[str, bytes]:
        """Return the present report of each member. Raises `SharedStateError`."""
        ...


class FleetSnapshots(StatusSnapshots):
    """Snapshots of the fleet's campaigns. `rows` makes those of this replica in parts."""

    def __init__(
        self,
        rows: Callable[[Mapping[str, CampaignRow]], Rows],
        now: Callable[[], float],
        control: FleetControl,
        store: ReportStore,
        parts: Parts | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(self._fleet_rows, now, parts, self._replicas_seen)
        self._here = StatusSnapshots(rows, now, self.parts)
        self._own_rows = rows
        self._control = control
        self._store = store
        self._pause = pause
        self._own: dict[str, CampaignRow] = {}
        self._raw: dict[str, bytes] = {}
        self._reports: dict[str, Report] = {}
        self._read_at = self._tried_at = self._looked_at = float("-inf")
        self._reading: asyncio.Task[object] | None = None
        self._publish_now = asyncio.Event()

    async def fresh(self) -> StatusSnapshot:
        """Return a recent snapshot of the fleet, with the replicas that have reported."""
        await self._look()
        return await super().fresh()

    async def as_listed(self, row: CampaignRow) -> CampaignRow:
        """Return a campaign as listings show it right after an operation, given the row of this replica.

        The reports of the other replicas are waited for until they show the operation, for some tenths of a
        second at most.
        """
        self._control.look()
        attempts = 0
        while await self._read() and self._outdated_for(row) and attempts < FIRST_ATTEMPTS:
            attempts += 1
            await self._pause(ASKED_EVERY_S)
        others = [(name, rows[row.campaign_id]) for name, rows in self._by_name() if row.campaign_id in rows]
        return merged_row([(self._control.this_member.name, row), *others])

    def outdated(self) -> None:
        """Note that a campaign was changed, so that the next snapshots and reports show it."""
        super().outdated()
        self._here.outdated()
        self._publish_now.set()

    async def publish_reports(self) -> None:
        """Publish this replica's report while somebody looks at a listing elsewhere, until cancelled."""
        while True:
            await self._control.watched.wait()
            self._publish_now.clear()
            try:
                await self._publish()
            except SharedStateError as error:
                log.debug("the report of this replica could not be published: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PUBLISHED_EVERY_S):
                    await self._publish_now.wait()

    async def _publish(self) -> None:
        chosen = list((await self._here.fresh()).rows.values())
        if len(chosen) > CAMPAIGNS_REPORTED:
            chosen = heapq.nlargest(CAMPAIGNS_REPORTED, chosen, key=_weight)
        report = await self.parts.run(fleet_report.written(chosen, self._control.clock))
        await self._store.publish(self._control.this_member.member, report, KEPT_S)

    # --- reading ------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Read the reports unless they are recent; wait for the first after nobody has looked for long."""
        now = self._now()
        again, self._looked_at = now - self._looked_at < KEPT_S, now
        self._control.look()
        if self._reading is None or self._reading.done():
            if again and now - self._tried_at < READ_EVERY_S:
                return
            self._reading = asyncio.create_task(
                self._read() if again else self._read_first(), name="fleet-reports"
            )
        await asyncio.shield(self._reading)

    async def _read_first(self) -> None:
        """Read the reports until all live replicas have reported, for some tenths of a second at most."""
        attempts = 0
        while await self._read() and self._missing() and attempts < FIRST_ATTEMPTS:
            attempts += 1
            await self._pause(ASKED_EVERY_S)

    async def _read(self) -> bool:
        """Read the reports of the others; return whether the store has answered.

        If it has not, the reports that were read before stay for as long as the store would keep them.
        """
        self._tried_at = self._now()
        try:
            raw = dict(await self._store.reports())
        except SharedStateError as error:
            log.debug("the reports of other replicas could not be read: %s", error)
            if self._now() - self._read_at >= KEPT_S:
                self._raw, self._reports = {}, {}
            return False
        raw.pop(self._control.this_member.member, None)
        reports: dict[str, Report] = {}
        for member, report in raw.items():
            if report == self._raw.get(member) and member in self._reports:
                reports[member] = self._reports[member]
                continue
            try:
                reports[member] = await self.parts.run(fleet_report.read(report, self._control.clock))
            except BadReport as error:
                log.debug("a report of another replica could not be read: %s", error)
        self._raw, self._reports, self._read_at = raw, reports, self._now()
        return True

    def _missing(self) -> bool:
        """Whether a live replica has not reported."""
        return any(not each.lost and each.member not in self._reports for each in self._control.others())

    def _outdated_for(self, row: CampaignRow) -> bool:
        """Whether a live replica has not reported since a campaign was held or released as in `row`."""
        for each in self._control.others():
            reported = self._reports.get(each.member, {}).get(row.campaign_id)
            is_held = reported is not None and reported.hold is not None
            if not each.lost and (each.member not in self._reports or is_held != (row.hold is not None)):
                return True
        return False

    def _by_name(self) -> list[tuple[str, Report]]:
        """Return the reports of the present members, by name."""
        others = [each for each in self._control.others() if each.member in self._reports]
        return [(each.name, self._reports[each.member]) for each in others]

    # --- snapshots ----------------------------------------------------------------------------------

    def _fleet_rows(self, before: Mapping[str, CampaignRow]) -> Rows:
        self._own = yield from self._own_rows(self._own)
        return (
            yield from merged_rows([(self._control.this_member.name, self._own), *self._by_name()], before)
        )

    def _replicas_seen(self) -> tuple[ReplicaSeen, ...]:
        here = ReplicaSeen(self._control.this_member.name, reported=True)
        others = [ReplicaSeen(each.name, each.member in self._reports) for each in self._control.others()]
        return tuple(sorted([here, *others]))


def _weight(row: CampaignRow) -> tuple[bool, int]:
    return row.state is not CampaignState.FLOWING, row.queued + row.in_flight
