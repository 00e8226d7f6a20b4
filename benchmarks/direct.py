"""Calls boto3 in batches of 25, as a service does without the gateway.

Takes the number of dial requests and of threads; prints how many requests were sent a second.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
from botocore.config import Config


def main(count: int, threads: int) -> None:
    """Send the dial requests from so many threads, which share one client."""
    client = boto3.client("connectcampaigns", config=Config(max_pool_connections=threads))
    expiration = datetime.now(UTC) + timedelta(minutes=10)

    def put(start: int) -> None:
        response = client.put_dial_request_batch(
            id="campaign",
            dialRequests=[
                {
                    "clientToken": f"lead-{number:08d}",
                    "phoneNumber": "+12025550123",
                    "expirationTime": expiration,
                    "attributes": {"first_name": "Ada", "language": "en", "appointment": "2026-12-01"},
                }
                for number in range(start, start + 25)
            ],
        )
        assert len(response["successfulRequests"]) == 25

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(put, range(0, count, 25)):
            pass
    sys.stdout.write(f"{count / (time.perf_counter() - began):.0f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
