"""Token buckets, and the quotas of an AWS account that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Unix seconds in a float are exact to some 0.2 microseconds only: a call that comes exactly on time must not
# miss its token for that. What is advanced here is paid back, so the rate in the long run stays exact.
_ROUNDING = 1e-3


class TokenBucket:
    """A bucket of `burst` tokens that refills at `rate` a second, full at first.

    Times are in seconds on any one clock; a clock that steps back refills nothing.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def available(self, now: float) -> float:
        """Return the tokens in the bucket at `now`."""
        if self._at is None:
            self._at = now
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def take(self, now: float, ahead: float = 0.0) -> bool:
        """Take one token and return True, or return False if there is none.

        `ahead` is the number of tokens that may be taken in advance. They are missing afterwards.
        """
        if self.available(now) + ahead < 1 - _ROUNDING:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls a second and burst; rate 0 means no limit.

    Raises:
        ValueError: a negative rate, or a burst under 1 beside a rate.

    """

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not self.rate >= 0:
            raise ValueError(f"rate must be 0 or more, not {self.rate}")
        if self.rate > 0 and not self.burst >= 1:
            raise ValueError(f"burst must be at least 1, not {self.burst}")


PUT_BATCH = "PutDialRequestBatch"
"""The bucket of the dial requests, whatever the version of the API."""

PUT_OUTBOUND_BATCH = "PutOutboundRequestBatch"
"""V2's operation for dial requests. AWS lists both in one row, which is taken as one bucket."""

ACCOUNT_QUOTAS: Mapping[str, Quota] = {
    "GetCampaignState": Quota(5, 10),
    "ListCampaigns": Quota(5, 5),
    "ListTagsForResource": Quota(5, 5),
    "DescribeCampaign": Quota(25, 35),
    "StartCampaign": Quota(1, 2),
    "StopCampaign": Quota(1, 2),
    "PauseCampaign": Quota(1, 2),
    "ResumeCampaign": Quota(1, 2),
}
"""Per account and Region. Source: Amazon Connect administrator guide, service quotas, outbound campaigns.

CreateCampaign and DeleteCampaign are not limited here. The burst of ListCampaigns and the quota of
ListTagsForResource are not known; those here are strict.
"""

# Operations that draw on another one's bucket. Those of one name in V1 and V2 are one anyway.
_SHARED_BUCKETS = {"GetCampaignStateBatch": "GetCampaignState", PUT_OUTBOUND_BATCH: PUT_BATCH}


class Quotas:
    """The call quotas of one account: a token bucket for each row of AWS's table."""

    def __init__(self, quotas: Mapping[str, Quota]) -> None:
        self._buckets: dict[str, TokenBucket] = {}
        for bucket, quota in quotas.items():
            self.set(bucket, quota)

    def set(self, operation: str, quota: Quota) -> None:
        """Give the bucket that an operation draws on a quota from now on, with its burst full."""
        bucket = _SHARED_BUCKETS.get(operation, operation)
        self._buckets.pop(bucket, None)
        if quota.rate > 0:
            self._buckets[bucket] = TokenBucket(quota.rate, quota.burst)

    def take(self, operation: str, now: float, ahead: float = 0.0) -> bool:
        """Spend one call of `operation`; False means that it is over the quota. `ahead` is the bucket's."""
        bucket = self._buckets.get(_SHARED_BUCKETS.get(operation, operation))
        return bucket is None or bucket.take(now, ahead)
