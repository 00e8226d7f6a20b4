"""Watches a gateway as many clients at once: WatchCampaigns, the console's pages, and scrapes of the metrics.

Takes the ports of gRPC and of the admin server, how many watches and pages, and seconds. Prints the megabytes
that it received, and how many scrapes were answered.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

import grpc.aio

from dialgateway.v1 import campaign_service_pb2 as pb

WATCH = "/dialgateway.v1.CampaignService/WatchCampaigns"
IDENTITY = "x-forwarded-client-cert"
SCRAPES, SCRAPE_EVERY_S = 3, 1.0
"""Scrapes at once, and the seconds between them."""


if TYPE_CHECKING:
    Watch = grpc.aio.UnaryStreamMultiCallable[pb.WatchCampaignsRequest, bytes]


class Onlookers:
    """All watching clients; they read and discard what they receive."""

    def __init__(self, target: str, admin_port: int) -> None:
        self.received = 0
        self.scrapes = 0
        self._target = target
        self._admin_port = admin_port

    async def watch(self, number: int) -> None:
        """Watch the campaigns as one of many services, each with its own identity."""
        request = pb.WatchCampaignsRequest()
        metadata = ((IDENTITY, f"URI=spiffe://example.org/service-{number}"),)
        async with grpc.aio.insecure_channel(self._target) as channel:
            # The messages stay bytes: parsing them is not part of the gateway's load.
            call: Watch = channel.unary_stream(WATCH, pb.WatchCampaignsRequest.SerializeToString)
            async for message in call(request, metadata=metadata):
                self.received += len(message)

    async def page(self) -> None:
        """Read the live figures as a page of the console does."""
        reader, writer = await self._get("/api/events")
        try:
            while data := await reader.read(65536):
                self.received += len(data)
        finally:
            writer.close()

    async def scrape(self) -> None:
        """Scrape the metrics repeatedly."""
        while True:
            await asyncio.gather(*(self._scrape() for _ in range(SCRAPES)))
            await asyncio.sleep(SCRAPE_EVERY_S)

    async def _scrape(self) -> None:
        reader, writer = await self._get("/metrics")
        self.received += len(await reader.read())
        self.scrapes += 1
        writer.close()

    async def _get(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._admin_port)
        headers = f"Host: 127.0.0.1:{self._admin_port}\r\nConnection: close\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        return reader, writer


async def main(port: int, admin_port: int, watches: int, pages: int, seconds: float) -> None:
    """Watch for so many seconds."""
    all_of_them = Onlookers(f"127.0.0.1:{port}", admin_port)
    works = [all_of_them.scrape(), *(all_of_them.page() for _ in range(pages))]
    works += [all_of_them.watch(number) for number in range(watches)]
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*works)
    except TimeoutError:
        sys.stdout.write(f"{all_of_them.received / 1e6:.0f} {all_of_them.scrapes}\n")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
