"""A world whose gateways share their state through a real Valkey server, which may end as well."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.faults.processes import GATEWAY, running, store_service
from tests.faults.world import NO_SETTINGS, World, world_of
from tests.ports import reserved_port
from tests.shared_state.lossy_proxy import lossy_proxy_to

GATEWAYS = 3


@asynccontextmanager
async def fleet_world(
    *,
    rate: float,
    burst: float = 10.0,
    latency_s: float = 0.0,
    gateways: int = GATEWAYS,
    links: bool = False,
    settings: Mapping[str, str] = NO_SETTINGS,
    module: str = GATEWAY,
) -> AsyncIterator[World]:
    """Run gateways with one quota and a store. `links`: each reaches the store through a proxy of its own."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="store-")))
        port = stack.enter_context(reserved_port())
        store = store_service(folder, port)
        await stack.enter_async_context(running(store))
        proxies = [await stack.enter_async_context(lossy_proxy_to(port)) for _ in range(gateways * links)]
        ports = [proxy.port for proxy in proxies] or [port] * gateways
        world = await stack.enter_async_context(
            world_of(
                rate=rate,
                burst=burst,
                latency_s=latency_s,
                gateways=gateways,
                shared_state_urls=[f"valkey://127.0.0.1:{one}/0" for one in ports],
                settings=settings,
                module=module,
            )
        )
        world.store, world.store_port, world.links = store, port, proxies
        yield world
