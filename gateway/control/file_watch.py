"""Reads files again that have changed: certificates, policy, token, campaigns and settings."""

import asyncio

from gateway.access.setup import Access
from gateway.control.file_looks import FileLooks
from gateway.control.guard_keeper import GuardKeeper
from gateway.control.live_settings import LiveSettings
from gateway.telemetry import FileFigures


class FileWatch:
    """Checks the files of `access` and the settings file from time to time, and at once when asked.

    The `guard` reads its own files, since that may take long: here they are asked for and counted.
    """

    def __init__(self, access: Access, live: LiveSettings, guard: GuardKeeper) -> None:
        self._access = access
        self._live = live
        self._guard = guard
        self._looks = FileLooks()

    def look(self) -> None:
        """Check all files at once, instead of at the next regular time."""
        self._looks.ask()
        self._guard.look()

    async def run(self) -> None:
        """Read changed files until cancelled."""
        while True:
            await self._looks.next()
            await asyncio.to_thread(self._access.reread)
            self._access.publish_campaigns()
            if await asyncio.to_thread(self._live.reread):
                self._live.take_over()

    def figures(self) -> FileFigures:
        """Return the figures about files for metrics."""
        refused = self._access.files_refused
        if self._live.refused is not None:
            refused["settings"] = self._live.refused
        if self._guard.refused is not None:
            refused["guard"] = self._guard.refused
        return FileFigures(self._access.certificate_ends_at, refused)
