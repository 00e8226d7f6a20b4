"""Random bytes on the port do not keep gRPC clients from being served."""

import asyncio
from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.cases import cases
from tests.integration.test_bad_frames import PREFACE, served
from tests.integration.world import World, dial, until, verdicts, world_of

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""No shrinking: an example that breaks the gateway takes its time-out each time it is tried."""
few = settings(max_examples=cases(10, 40), suppress_health_check=list(HealthCheck), phases=PHASES)
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Make an HTTP/2 frame, whose length may lie."""
    payload = draw(st.binary(max_size=60))
    length = len(payload) if draw(st.booleans()) else draw(st.integers(0, 2**24 - 1))
    kind, flags, stream = draw(st.integers(0, 12)), draw(st.integers(0, 255)), draw(st.integers(0, 9))
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


noises = st.one_of(
    st.binary(max_size=500),
    st.lists(frames(), max_size=12).map(lambda parts: PREFACE + SETTINGS + b"".join(parts)),
)


async def disturb(world: World, noise: bytes) -> None:
    """Send bytes on a connection of their own, and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    with suppress(ConnectionError):
        writer.write(noise)
        await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@few
@given(st.lists(noises, min_size=1, max_size=8))
def test_random_bytes_do_not_disturb_other_streams(parts: list[bytes]) -> None:
    """Random bytes disturb neither open nor new streams, and leave nothing behind."""

    async def send() -> None:
        async with world_of() as world, asyncio.timeout(20):
            neighbour = world.stream()
            await neighbour.send(dial("n-1"))
            await asyncio.gather(*(disturb(world, noise) for noise in parts))
            await served(world)
            assert verdicts(await neighbour.ask(dial("n-2"))) == ["ACCEPTED"] * 2
            await until(lambda: world.gateway.engine.outstanding == 0)

    asyncio.run(send())
