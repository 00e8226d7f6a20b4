"""Reads the names of campaigns from Amazon Connect, if the settings ask for that."""

import logging
from collections.abc import Sequence

from gateway.composition.basis import Basis
from gateway.composition.replica import Replica
from gateway.composition.tasks import Tasks
from gateway.directory.reader import CampaignLister, DirectoryReader
from gateway.telemetry import DirectoryFigures

log = logging.getLogger(__name__)

FIRST_NAMES_S = 5.0
"""Seconds that the start waits for the names of campaigns, if the policy or a route depends on them."""


class CampaignNames:
    """Reads names through `listers`; without listers nothing is read."""

    def __init__(self, basis: Basis, listers: Sequence[CampaignLister], replica: Replica) -> None:
        self._directory = basis.directory
        fleet = replica.fleet
        self._reader: DirectoryReader | None = None
        if listers:
            self._reader = DirectoryReader(
                basis.directory,
                listers,
                basis.clock.now,
                interval_s=basis.settings.campaign_directory_interval,
                rng=basis.rng,
                replicas=lambda: 1 if fleet is None else fleet.control.replicas,
            )

    async def start(self, tasks: Tasks) -> None:
        """Read names from now on; wait for the first ones if decisions depend on them."""
        if self._reader is None:
            return
        tasks.begin(self._reader.run(), "campaign-directory", endless=True)
        if self._directory.needed and not await self._reader.read_within(FIRST_NAMES_S):
            log.warning("the names of campaigns are not known yet, although the policy or a route uses them")

    def figures(self) -> DirectoryFigures | None:
        """Return how names are read, None if they are not."""
        return None if self._reader is None else self._reader.figures()

    async def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            await self._reader.close()
