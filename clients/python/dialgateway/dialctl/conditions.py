"""Why a campaign does not take leads, and what ends that, in words for the screen and the summary."""

from __future__ import annotations

from dialgateway.dialctl.terminal import unambiguous
from dialgateway.values import Notice, NoticeKind

_SHOWN_ID = 40


def condition(notice: Notice) -> tuple[str, str]:
    """Return a notice as one word, and as what will end it."""
    match notice.kind:
        case NoticeKind.CAMPAIGN_PARKED:
            return "PARKED", "it goes on once the campaign is started or resumed in Amazon Connect"
        case NoticeKind.CAMPAIGN_COOLING:
            after = (
                "" if notice.retry_after is None else f", in about {notice.retry_after.total_seconds():.0f} s"
            )
            return (
                "COOLING",
                f"Amazon Connect takes no more for now; the gateway tries again by itself{after}",
            )
        case NoticeKind.CAMPAIGN_HELD:
            return "HELD", "it goes on once an operator releases it: dialctl release ID"
        case _:
            return "WAITING", unambiguous(notice.detail)


def sentence(campaign_id: str, notice: Notice) -> str:
    """Return one line about a campaign that does not take leads."""
    word, end = condition(notice)
    return f"campaign {unambiguous(campaign_id)[:_SHOWN_ID]} is {word}: {end}"
