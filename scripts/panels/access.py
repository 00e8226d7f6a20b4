"""The panels about access: refused callers, files with rules of access, and certificates."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import ALL, Query, most, rate

ACCESS = Row(
    "Who may do what",
    (
        Panel(
            "What callers were refused",
            "cps",
            "By kind; forged_identity: a proxy is missing in DIAL_GATEWAY_TRUSTED_PROXIES, or a caller "
            "pretends.",
            (rate("access_refused", "refusal"),),
        ),
        Panel(
            "Callers that were refused",
            "cps",
            "The ten with the most refusals: the policy lacks an entry, or they misbehave.",
            (most(rate("access_refused", "caller", "refusal")),),
        ),
        Panel(
            "Changes of files refused",
            "short",
            "Within an hour. Above 0: the log and dial-gateway check show the error.",
            (
                Query(
                    "sum by (instance, file) (increase(dial_gateway_access_files_refused_total"
                    f"{{{ALL}}}[1h]))",
                    "{{instance}} {{file}}",
                ),
            ),
        ),
        Panel(
            "Certificate ends in",
            "s",
            "Less than two weeks: the renewal does not work.",
            (
                Query(
                    "min by (instance) (dial_gateway_certificate_not_after_timestamp_seconds"
                    f"{{{ALL}}}) - time()",
                    "{{instance}}",
                ),
                Query(
                    "min by (instance) (dial_gateway_shared_state_certificate_not_after_timestamp_seconds"
                    f"{{{ALL}}}) - time()",
                    "{{instance}}, for the shared state",
                ),
            ),
        ),
    ),
)
