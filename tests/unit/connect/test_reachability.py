"""The health of Connect is derived from its calls."""

import pytest

from gateway.connect.reachability import ConnectHealth
from gateway.core import errors


@pytest.mark.parametrize(
    "failure",
    [
        errors.ConnectFailed,
        errors.AnswerLost,
        errors.ConnectUnreachable,
        errors.AccessDenied,
        errors.CredentialsExpired,
        errors.ClockSkewed,
        errors.CallRefused,
    ],
)
def test_failures_add_up_to_a_time(failure: type[errors.CallFailure]) -> None:
    """Connect counts as failing from the first failure until a call is answered."""
    health = ConnectHealth()
    health.failed(10.0, failure())
    health.failed(12.0, failure())
    assert health.failing_s(15.0) == 5.0
    assert health.last_failure == failure.__name__
    health.answered(16.0)
    assert health.failing_s(20.0) == 0.0
    assert not health.failing


@pytest.mark.parametrize(
    "failure", [errors.RateThrottled(), errors.CampaignNotFound(), errors.CampaignNotRunning("Paused")]
)
def test_a_refusal_is_an_answer(failure: errors.CallFailure) -> None:
    """A throttle or a word about the campaign shows that Connect works."""
    health = ConnectHealth()
    health.failed(1.0, errors.AnswerLost())
    health.failed(2.0, failure)
    assert not health.failing


@pytest.mark.parametrize("unsent", [errors.CallTooLate(), errors.CallRevoked(), errors.ChannelNotCarried()])
def test_a_call_that_was_not_sent_says_nothing(unsent: errors.CallFailure) -> None:
    """A call that came too late, or whose API lacks a channel, changes nothing, nor shows who asks."""
    health = ConnectHealth()
    health.failed(1.0, unsent)
    assert not health.called
    health.failed(2.0, errors.AnswerLost())
    health.failed(3.0, unsent)
    assert health.failing_s(4.0) == 2.0
    assert not errors.shows_authentication(unsent)
    assert errors.shows_authentication(errors.CallInvalid())
