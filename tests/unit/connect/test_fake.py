"""The Connect in memory follows its script."""

import asyncio
from collections import deque

import pytest

from gateway.connect.fake import FakeConnect
from gateway.core import errors


async def test_scripted_states() -> None:
    """Each question takes the next step; after the last one campaigns are as set, and else Running."""
    gate = asyncio.Event()
    fake = FakeConnect(
        states={"b": "Paused"}, state_script=deque([errors.AccessDenied(), {"a": "NotFound"}, gate])
    )
    with pytest.raises(errors.AccessDenied):
        await fake.campaign_states(["a", "b"])
    assert await fake.campaign_states(["a", "b"]) == {"a": "NotFound"}
    waiting = asyncio.create_task(_states(fake))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting == {"a": "Running", "b": "Paused"}
    assert await _states(fake) == {"a": "Running", "b": "Paused"}
    assert fake.asked == [("a", "b")] * 4


async def _states(fake: FakeConnect) -> dict[str, str]:
    return dict(await fake.campaign_states(["a", "b"]))
