"""Supervision of tasks and callbacks, and how a bug is reported."""

import asyncio
import logging

import pytest

from gateway.core.errors import CampaignNotRunning
from gateway.runtime.supervision import Supervisor, TaskEnded, kept_up, trace_of

SECRET = "+12065550123"


def raise_it(error: BaseException) -> None:
    raise error


async def test_a_task_that_raises_is_reported() -> None:
    """What a watched task raises is the bug that `failed` returns; the first one counts."""
    supervisor = Supervisor()

    async def task(error: BaseException) -> None:
        raise_it(error)

    first = KeyError(SECRET)
    for error in (first, ValueError()):
        watched = asyncio.create_task(task(error))
        supervisor.watch(watched)
        await asyncio.wait([watched])
    assert await supervisor.failed() is first
    assert supervisor.failing


async def test_a_task_that_is_cancelled_or_done_is_no_bug() -> None:
    """A cancellation and a plain end are not bugs. The end of an endless task is one."""
    supervisor = Supervisor()
    tasks = [asyncio.create_task(asyncio.sleep(delay)) for delay in (0, 60)]
    for task in tasks:
        supervisor.watch(task)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)
    assert not supervisor.failing
    endless = asyncio.create_task(asyncio.sleep(0), name="dispatcher")
    supervisor.watch(endless, endless=True)
    assert isinstance(await supervisor.failed(), TaskEnded)


def test_a_guarded_callback_raises_nothing() -> None:
    """What a guarded callback raises goes to the supervisor, not to the library that runs it."""
    supervisor = Supervisor()
    supervisor.guarded(raise_it)(KeyError(SECRET))
    assert supervisor.failing


def test_the_log_says_where_and_not_what(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the places and types of a bug and its causes, and nothing that a foreign error says."""
    try:
        try:
            raise_it(KeyError(SECRET))
        except KeyError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        with caplog.at_level(logging.CRITICAL):
            Supervisor().report(error)
    assert "builtins.ValueError" in caplog.text
    assert "builtins.KeyError" in caplog.text
    assert "in test_the_log_says_where_and_not_what" in caplog.text
    assert SECRET not in caplog.text


def test_our_own_errors_may_speak() -> None:
    """The texts of our own errors contain no personal data, and are reported."""
    assert "the campaign is Paused" in trace_of(CampaignNotRunning("Paused"))


def test_errors_that_cause_each_other_end() -> None:
    """A cycle of causes is reported once."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert trace_of(first).count("builtins.") == 2


async def test_work_that_is_kept_up_begins_again_after_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """The log says where the bug was, and not what a foreign error says. A plain end is followed too."""
    ends: list[BaseException | None] = [KeyError(SECRET), None, ZeroDivisionError()]
    begun, last = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if not ends:
            last.set()
            await asyncio.Event().wait()
        if (error := ends.pop(0)) is not None:
            raise_it(error)

    task = asyncio.create_task(kept_up(work, "a watch", 0.0))
    async with asyncio.timeout(60):
        await last.wait()
    assert (begun, task.done()) == (4, False)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all(line.startswith("a watch met a bug, and begins again:") for line in said)
    assert "KeyError" in said[0]
    assert SECRET not in said[0]
