"""Processes that can end at any time, and the recorded history of their callers.

They are gateways, Connect, and the store of the state that the gateways share.
"""

import asyncio
import http.client
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.simulator import CallRecord, read_journal
from tests.faults.processes import (
    GATEWAY,
    JOURNAL,
    Service,
    connect_service,
    gateway_service,
    running,
)
from tests.history.checker import Verdict, judge
from tests.history.history import Recorder
from tests.ports import reserved_ports
from tests.shared_state.lossy_proxy import LossyProxy

Document = Mapping[str, Any]
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(eq=False)
class World:
    """The processes of a fault run. `targets` are the gateways' addresses.

    `store` is the server of the state that the gateways share, at `store_port`; None if they share none.
    Each gateway reaches it through its proxy in `links`, if there are any.
    """

    folder: Path
    targets: Sequence[str]
    connect: Service
    connect_port: int
    gateways: Sequence[Service]
    admin_ports: Sequence[int]
    """The gateways' admin ports, which they keep over restarts."""
    store: Service | None = None
    store_port: int = 0
    links: Sequence[LossyProxy] = ()
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def target(self) -> str:
        """The address of the first gateway."""
        return self.targets[0]

    @property
    def gateway(self) -> Service:
        """The first gateway."""
        return self.gateways[0]

    async def control(self, method: str, path: str, document: object = None) -> Any:
        """Send a request to Connect's control endpoint."""
        return await asyncio.to_thread(self._control, method, path, document)

    async def faults(self, faults: Iterable[Document]) -> None:
        """Set these faults at Connect, and no others."""
        await self.control("DELETE", "faults")
        for fault in faults:
            await self.control("POST", "faults", fault)

    def calls(self) -> list[CallRecord]:
        """Return every call for dial requests that Connect has received, over all its restarts."""
        return list(read_journal(self.folder / JOURNAL))

    def verdict(self) -> Verdict:
        """Judge the history so far."""
        return judge(self.recorder.judged_with(self.calls()))

    def _control(self, method: str, path: str, document: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.connect_port, timeout=30)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/_control/{path}", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise ValueError(answer)
            return answer
        finally:
            connection.close()


@asynccontextmanager
async def world_of(
    *,
    rate: float = 0.0,
    burst: float = 10.0,
    latency_s: float = 0.0,
    seed: int = 0,
    gateways: int = 1,
    begun: int | None = None,
    connect_is_up: bool = True,
    shared_state_urls: Sequence[str] = (),
    settings: Mapping[str, str] = NO_SETTINGS,
    module: str = GATEWAY,
) -> AsyncIterator[World]:
    """Run a world in a temporary folder.

    `rate` and `burst` are Connect's, in calls a second and calls; rate 0 is no limit. Each gateway gets an
    even part of the rate, or all of it if each has a URL of a shared state. `latency_s` is how long Connect
    takes to answer. A setting of the gateways is named without the variable's prefix, in lower case. Only the
    first `begun` gateways are started. `module` is the one that runs each.
    """
    kept = reserved_ports(1 + 2 * gateways)
    with tempfile.TemporaryDirectory(prefix="faults-") as name, kept as reserved:
        folder, (connect_port, *reserved) = Path(name), reserved
        (folder / JOURNAL).touch()
        connect = connect_service(
            folder, connect_port, rate=rate, burst=burst, latency_s=latency_s, seed=seed
        )
        ports, admin_ports = reserved[:gateways], reserved[gateways:]
        chosen = {"call_rate": str(rate if shared_state_urls else rate / gateways), **settings}
        shared = [{"shared_state_url": url} for url in shared_state_urls] or [{}] * gateways
        url = f"http://127.0.0.1:{connect_port}"
        served = [
            gateway_service(
                folder,
                number,
                port,
                url,
                {"admin_listen": f"127.0.0.1:{admin}", **state, **chosen},
                module,
            )
            for number, (port, admin, state) in enumerate(zip(ports, admin_ports, shared, strict=True))
        ]
        targets = [f"127.0.0.1:{port}" for port in ports]
        first, later = served[:begun], served[begun:] if begun is not None else []
        async with running(*([connect] if connect_is_up else []), *first, later=later):
            yield World(folder, targets, connect, connect_port, served, admin_ports)


def shares(faults: Sequence[tuple[float, Document]]) -> list[Document]:
    """Return faults that affect the given shares of all calls, each call by one fault at most.

    The simulator tries them in order, so each probability is relative to the calls that no earlier fault
    affected.
    """
    left = 1.0
    made: list[Document] = []
    for share, fault in faults:
        made.append({**fault, "probability": share / left})
        left -= share
    return made
