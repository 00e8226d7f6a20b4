"""Describe why a campaign takes no leads, and what ends that."""

from __future__ import annotations

from dialgateway.dialctl.terminal import unambiguous
from dialgateway.values import Notice, NoticeKind

_SHOWN_ID = 40


def describe(notice: Notice) -> tuple[str, str]:
    """Return the state as one word, and a phrase that says what ends it."""
    match notice.kind:
        case NoticeKind.CAMPAIGN_PARKED:
            return "PARKED", "it continues after the campaign is started or resumed in Amazon Connect"
        case NoticeKind.CAMPAIGN_COOLING:
            after = (
                "" if notice.retry_after is None else f", in about {notice.retry_after.total_seconds():.0f} s"
            )
            return (
                "COOLING",
                f"Amazon Connect takes no more for now; the gateway tries again by itself{after}",
            )
        case NoticeKind.CAMPAIGN_HELD:
            return "HELD", "it continues after an operator releases it: dialctl release ID"
        case _:
            return "WAITING", unambiguous(notice.detail)


def not_flowing_line(campaign_id: str, notice: Notice) -> str:
    """Return one line about a campaign that takes no leads."""
    word, end = describe(notice)
    return f"campaign {unambiguous(campaign_id)[:_SHOWN_ID]} is {word}: {end}"
