"""Simulates twenty services without the gateway: each calls boto3 itself.

`python -m benchmarks.quota.peer MODE`, where MODE is `single`, `batches`, `adaptive` or `legacy`; the
endpoint comes from the environment. The first two use boto3's default retries. Each
service has its own client and its own thread, all in one process. Prints, as JSON, how long each dial
request took from its offer. The time of a lost request is null: it was refused after boto3's own retries, or
not sent before the end.
"""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.quota.offer import EXPIRES_IN_S, Offer, Start
from benchmarks.quota.services import SERVICES, offers_of

if TYPE_CHECKING:
    from mypy_boto3_connectcampaigns import ConnectCampaignServiceClient

FULL, LINGER_S = 25, 0.5
HANDLERS = 10
"""Threads of a service that sends each dial request alone: the number of connections that boto3 keeps."""
GIVE_UP_S = 60.0
"""Seconds after the start when all services stop sending."""
RETRIES: Mapping[str, Config] = {
    "adaptive": Config(retries={"mode": "adaptive"}),
    "legacy": Config(retries={"mode": "legacy"}),
}
"""The change of each mode in boto3's configuration; other modes change nothing."""


def main(mode: str) -> None:
    """Run all services to their end."""
    clients = [_client(RETRIES.get(mode)) for _ in range(SERVICES)]
    services = [offers_of(number) for number in range(SERVICES)]
    work = _single if mode == "single" else _batching
    start = Start()
    with ThreadPoolExecutor(SERVICES) as threads:
        done = [threads.submit(work, *pair, start) for pair in zip(clients, services, strict=True)]
    for one in done:
        one.result()
    latencies = [(offer.at_s, offer.latency_s) for service in services for offer in service]
    sys.stdout.write(json.dumps(latencies))
    sys.stdout.flush()
    os._exit(0)


def _client(config: Config | None) -> "ConnectCampaignServiceClient":
    # Each thread has its own session, since sessions are not thread-safe.
    return boto3.session.Session().client("connectcampaigns", config=config)


def _single(client: "ConnectCampaignServiceClient", offers: Sequence[Offer], start: Start) -> None:
    """Send each dial request in its own call, as soon as one of the service's threads is free."""
    with ThreadPoolExecutor(HANDLERS) as handlers:
        for offer in offers:
            time.sleep(max(0.0, offer.at_s - start.elapsed_s()))
            handlers.submit(_call, client, [offer], start)


def _batching(client: "ConnectCampaignServiceClient", offers: Sequence[Offer], start: Start) -> None:
    """Keep a buffer for each campaign; send it when it is full, or when its oldest has lingered."""
    arriving = deque(offers)
    buffers: dict[str, list[Offer]] = {}
    while arriving or buffers:
        now_s = start.elapsed_s()
        while arriving and arriving[0].at_s <= now_s:
            offer = arriving.popleft()
            buffers.setdefault(offer.campaign, []).append(offer)
        due = [name for name, buffer in buffers.items() if _is_due(buffer, now_s)]
        for name in due:
            batch, rest = buffers[name][:FULL], buffers[name][FULL:]
            del buffers[name]
            if rest:
                buffers[name] = rest
            _call(client, batch, start)
        if not due:
            time.sleep(0.01)


def _is_due(buffer: Sequence[Offer], now_s: float) -> bool:
    return len(buffer) >= FULL or now_s - buffer[0].at_s >= LINGER_S


def _call(client: "ConnectCampaignServiceClient", batch: Sequence[Offer], start: Start) -> None:
    """Call once, with boto3's retries; requests that still fail are lost."""
    if start.elapsed_s() > GIVE_UP_S:
        return
    expiration = datetime.now(UTC) + timedelta(seconds=EXPIRES_IN_S)
    try:
        response = client.put_dial_request_batch(
            id=batch[0].campaign,
            dialRequests=[
                {
                    "clientToken": offer.token,
                    "phoneNumber": "+12025550123",
                    "expirationTime": expiration,
                    "attributes": {"first_name": "Ada"},
                }
                for offer in batch
            ],
        )
    except (BotoCoreError, ClientError):
        return
    taken = {item["clientToken"] for item in response["successfulRequests"]}
    for offer in batch:
        if offer.token in taken:
            offer.accepted_s = start.elapsed_s()


if __name__ == "__main__":
    main(sys.argv[1])
