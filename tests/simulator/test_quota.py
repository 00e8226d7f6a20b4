from __future__ import annotations

import pytest

from gateway.simulator.quota import ACCOUNT_QUOTAS, PUT_BATCH, PUT_OUTBOUND_BATCH, Quota, Quotas, TokenBucket


def test_burst_is_available_at_once() -> None:
    """A new bucket gives its burst and no more."""
    bucket = TokenBucket(10, 3)
    assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]


def test_refill_follows_the_rate() -> None:
    """An empty bucket gives `rate` tokens a second, also when each call comes exactly on time."""
    bucket = TokenBucket(10, 1)
    bucket.take(0.0)
    assert sum(bucket.take(step * 0.1) for step in range(1, 101)) == 100
    assert not bucket.take(10.05)


@pytest.mark.parametrize("start", [0.0, 1.8e9])
def test_rounding_gives_no_extra_token(start: float) -> None:
    """For any size of the clock's value, asking all the time yields the rate and the burst, and not one token
    more.
    """
    bucket = TokenBucket(10, 10)
    assert sum(bucket.take(start + step * 0.001) for step in range(100_000)) in (1009, 1010)


def test_refill_stops_at_the_burst() -> None:
    """A bucket that is not used for long saves up its burst, and no more."""
    bucket = TokenBucket(10, 2)
    bucket.take(0.0)
    assert bucket.available(1000.0) == 2


def test_a_clock_that_steps_back_refills_nothing() -> None:
    """A clock that is set back neither gives tokens nor breaks the bucket."""
    bucket = TokenBucket(10, 1)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert bucket.take(50.1)


def test_both_state_calls_share_one_bucket() -> None:
    """GetCampaignStateBatch spends the quota of GetCampaignState."""
    quotas = Quotas(ACCOUNT_QUOTAS)
    assert all(quotas.take("GetCampaignStateBatch", 0.0) for _ in range(10))
    assert not quotas.take("GetCampaignState", 0.0)
    assert quotas.take("DescribeCampaign", 0.0)


def test_both_calls_for_dial_requests_share_one_bucket() -> None:
    """PutOutboundRequestBatch and PutDialRequestBatch share a bucket; setting one quota sets both."""
    quotas = Quotas({PUT_BATCH: Quota(10, 2)})
    assert [quotas.take(name, 0.0) for name in (PUT_OUTBOUND_BATCH, PUT_BATCH)] == [True, True]
    assert not quotas.take(PUT_OUTBOUND_BATCH, 0.0)
    quotas.set(PUT_OUTBOUND_BATCH, Quota(1, 1))
    assert [quotas.take(PUT_BATCH, 0.0) for _ in range(2)] == [True, False]


def test_each_move_has_its_own_bucket() -> None:
    """Starting a campaign twice does not spend the quota for pausing."""
    quotas = Quotas(ACCOUNT_QUOTAS)
    assert [quotas.take("StartCampaign", 0.0) for _ in range(3)] == [True, True, False]
    assert quotas.take("PauseCampaign", 0.0)


def test_rate_zero_means_no_limit() -> None:
    """A quota with rate 0 lets every call pass, also for an operation that was limited before."""
    quotas = Quotas({PUT_BATCH: Quota(10, 1)})
    quotas.set(PUT_BATCH, Quota(0, 0))
    assert all(quotas.take(PUT_BATCH, 0.0) for _ in range(1000))


@pytest.mark.parametrize(("rate", "burst"), [(-1, 10), (10, 0.5), (float("nan"), 10)])
def test_an_invalid_quota_is_refused(rate: float, burst: float) -> None:
    """A negative rate, or a burst below one call, raises an error."""
    with pytest.raises(ValueError, match="must be"):
        Quota(rate, burst)
