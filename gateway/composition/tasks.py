"""The tasks that run as long as the gateway does."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.runtime.supervision import Supervisor


class Tasks:
    """Begins tasks, has them supervised, and cancels them all at the end."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._running: list[asyncio.Task[None]] = []

    def begin(
        self, work: Coroutine[Any, Any, None], name: str, *, endless: bool = False
    ) -> asyncio.Task[None]:
        """Begin a task. If it is `endless`, its end is a bug too, not only an exception."""
        task = asyncio.create_task(work, name=name)
        self._supervisor.watch(task, endless=endless)
        self._running.append(task)
        return task

    def cancel(self) -> None:
        """Cancel all tasks."""
        for task in self._running:
            task.cancel()
