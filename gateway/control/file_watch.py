"""Reads files again that have changed: certificates, policy, token, campaigns and settings."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.access.errors import AccessError
from gateway.access.key_pair import ClientTls
from gateway.access.reloading import Reloaded
from gateway.access.setup import Access
from gateway.control.file_check_timer import FileCheckTimer, until_settled
from gateway.control.guard_keeper import GuardKeeper
from gateway.control.live_settings import LiveSettings
from gateway.telemetry import FileFigures


class FileWatch:
    """Checks the files of `access` and the settings file from time to time, and at once when asked.

    `state_tls` are the certificates for connections to the shared state, None without TLS. The `guard` reads
    its own files, since that may take long: here they are asked for and counted.
    """

    def __init__(
        self,
        access: Access,
        live: LiveSettings,
        guard: GuardKeeper,
        state_tls: Reloaded[ClientTls] | None = None,
    ) -> None:
        self._access = access
        self._state_tls = state_tls
        self._live = live
        self._guard = guard
        self._looks = FileCheckTimer()

    def look(self) -> None:
        """Check all files at once, instead of at the next regular time."""
        self._looks.ask()
        self._guard.look()

    async def settled(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Wait until the files are complete, and read them again if they were not at first.

        A part of a file may be valid, and mean something else. Raises `AccessError` if the complete files
        cannot be used, or change too long, or if the start has used settings that were not complete.
        """
        await until_settled(self._changing, self._reread, sleep)
        for file in self._files():
            if file.complaint:
                raise AccessError(file.complaint)
        self._live.check_start()
        await self._guard.settled(sleep)

    async def run(self) -> None:
        """Read changed files until cancelled."""
        while True:
            await self._looks.next()
            await self._reread()

    async def _reread(self) -> None:
        await asyncio.to_thread(self._access.reread)
        self._access.publish_campaigns()
        if self._state_tls is not None:
            await asyncio.to_thread(self._state_tls.reread)
        if await asyncio.to_thread(self._live.reread):
            self._live.take_over()

    def _files(self) -> list[Reloaded[Any]]:
        others = (self._live.file, self._state_tls)
        return [*self._access.files, *(file for file in others if file is not None)]

    def _changing(self) -> str:
        return next((file.name for file in self._files() if not file.settled), "")

    def figures(self) -> FileFigures:
        """Return the figures about files for metrics."""
        refused = self._access.files_refused
        if self._live.refused is not None:
            refused["settings"] = self._live.refused
        if self._guard.refused is not None:
            refused["guard"] = self._guard.refused
        state_ends_at = None
        if self._state_tls is not None:
            refused["shared_state_certificate"] = self._state_tls.refused
            state_ends_at = self._state_tls.value.ends_at
        return FileFigures(self._access.certificate_ends_at, refused, state_ends_at)
