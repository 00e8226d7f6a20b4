"""Calls boto3 in batches of 25, as a service does without the gateway.

Takes the number of dial requests; prints how many were sent a second.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

import boto3


def main(count: int) -> None:
    client = boto3.client("connectcampaigns")
    expiration = datetime.now(UTC) + timedelta(minutes=10)
    began = time.perf_counter()
    for start in range(0, count, 25):
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
    sys.stdout.write(f"{count / (time.perf_counter() - began):.0f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
