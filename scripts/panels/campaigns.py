"""The panels about campaigns: their backlog, whether they flow, and their names."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import BY_CAMPAIGN, Query, largest, most, named, rate, total

CAMPAIGNS = Row(
    "Campaigns",
    (
        Panel(
            "Backlog",
            "short",
            "Dial requests that wait for a call, the ten largest. Grows for long: callers need more than "
            "the quota allows.",
            (most(total("backlog", "campaign", of=BY_CAMPAIGN)),),
            stacked=True,
        ),
        Panel(
            "Oldest wait",
            "s",
            "Near the expirations that callers set: requests will expire.",
            (most(largest("backlog_oldest_wait_seconds", "campaign", of=BY_CAMPAIGN)),),
        ),
        Panel(
            "In flight",
            "short",
            "At most 25 for each call in flight; if it does not change, Amazon Connect hangs.",
            (most(total("requests_in_flight", "campaign", of=BY_CAMPAIGN)),),
        ),
        Panel(
            "Not flowing for: cooling or probing",
            "s",
            "Too few agents or lines: lower the pace of the campaign.",
            (
                largest(
                    "campaign_held_up_seconds",
                    "campaign",
                    "condition",
                    of=f'{BY_CAMPAIGN},condition=~"cooling|probing"',
                ),
            ),
        ),
        Panel(
            "Not flowing for: parked",
            "s",
            "Start or resume the campaign in Amazon Connect.",
            (largest("campaign_held_up_seconds", "campaign", of=f'{BY_CAMPAIGN},condition="parked"'),),
        ),
        Panel(
            "Not flowing for: held by an operator",
            "s",
            "`dialctl campaigns` shows by whom and why. Each replica has its own holds.",
            (
                largest(
                    "campaign_held_up_seconds",
                    "campaign",
                    "instance",
                    of=f'{BY_CAMPAIGN},condition="held"',
                ),
            ),
        ),
        Panel(
            "Times that it cooled or was parked",
            "cps",
            "Often: the campaign gets more requests than its agents can handle.",
            (most(rate("campaign_cooldowns", "campaign", "condition", of=BY_CAMPAIGN)),),
        ),
        Panel(
            "Campaigns with their own labels",
            "short",
            "At DIAL_GATEWAY_METRICS_CAMPAIGNS: raise it, or find the caller with made-up campaign ids.",
            (largest("campaigns", "instance"),),
        ),
        Panel(
            "Names of campaigns",
            "short",
            "Those that the gateway knows.",
            (
                Query(
                    f"max by (campaign, name) (dial_gateway_campaign_info{{{BY_CAMPAIGN}}})",
                    "{{campaign}}",
                ),
            ),
            kind="table",
        ),
        Panel(
            "Campaign directory",
            "short",
            "Campaigns with a known name, and failed readings. Failures affect no dial request by id.",
            (
                named(largest("campaign_directory_campaigns", "instance"), "{{instance}} campaigns"),
                rate("campaign_directory_failures", "instance", "operation", "error"),
            ),
        ),
        Panel(
            "Age of the names of campaigns",
            "s",
            "More than a few DIAL_GATEWAY_CAMPAIGN_DIRECTORY_INTERVAL: the log has the cause.",
            (largest("campaign_directory_age_seconds", "instance"),),
        ),
    ),
)
