"""The gateway logs its state on a signal."""

import signal

from tests.integration.process import NO_LIMIT, serving
from tests.integration.world import dials, until


async def test_the_state_on_a_signal() -> None:
    """SIGUSR1 logs one line with tasks, streams, and outstanding, in-flight and remembered requests."""
    async with serving(*NO_LIMIT) as served:
        caller = served.stream()
        await caller.send(*dials(3))
        await caller.read(3)
        await served.control("POST", "faults", {"kind": "no_answer"})
        await caller.send(*dials(2, "hung"))
        await served.called(2)
        served.process.send_signal(signal.SIGUSR1)
        await until(lambda: b"state: " in served.said)
        expected = b"1 streams, 2 dial requests outstanding, 1 calls in flight, 3 tokens remembered"
        assert expected in served.said, served.said.decode()
        assert served.process.returncode is None
