"""The panels about the compliance guard: decisions, lists of numbers, and the audit trail."""

from scripts.panels.kinds import Panel, Row
from scripts.promql import ALL, Query, largest, most, named, rate, total

GUARD = Row(
    "The guard",
    (
        Panel(
            "Decisions of the guard",
            "cps",
            "waits: until the rules allow it. observed: a rule that only observes would have refused it.",
            (rate("guard_decisions", "decision"),),
        ),
        Panel(
            "Refused by rules",
            "cps",
            "The ten rules that refuse most: a caller dials whom it may not, or the rule is wrong.",
            (most(rate("guard_decisions", "rule", "reason", of=f'{ALL},decision="refused"')),),
        ),
        Panel(
            "Waiting until the rules allow it",
            "short",
            "Dial requests that wait, such as until hours open.",
            (total("guard_waiting", "instance"),),
            stacked=True,
        ),
        Panel(
            "Guard files that cannot be used",
            "short",
            "Above 0: what was read before applies. The log and dial-gateway check name the error.",
            (largest("guard_files_unusable", "instance"),),
        ),
        Panel(
            "Suppressed numbers",
            "short",
            "By list, and by operators. A sharp fall: the job that writes the list is broken.",
            (
                largest("guard_list_numbers", "list"),
                named(largest("guard_suppressed"), "by operators"),
            ),
        ),
        Panel(
            "Age of suppression lists",
            "s",
            "More than the interval at which they are updated: the job that writes them does not run.",
            (largest("guard_list_age_seconds", "list"),),
        ),
        Panel(
            "Tables of holidays end in",
            "s",
            "After that every day counts as closed: upgrade in time.",
            (
                Query(
                    "min by (calendar) (dial_gateway_guard_holidays_end_timestamp_seconds"
                    f"{{{ALL}}}) - time()",
                    "{{calendar}}",
                ),
            ),
        ),
        Panel(
            "Records of the audit trail",
            "cps",
            "Written, lost, and damages of the file. Lost or damaged: the trail is not whole.",
            (
                named(rate("guard_audit_records", "trail"), "{{trail}} written"),
                named(rate("guard_audit_records_lost", "trail"), "{{trail}} lost"),
                named(rate("guard_audit_damages", "trail"), "{{trail}} damaged"),
            ),
        ),
        Panel(
            "Audit trail waiting or failing",
            "short",
            "Records that wait to be written. failing: 1 while it cannot be written; then nothing is "
            "dialed if it is required.",
            (
                named(largest("guard_audit_waiting", "instance", "trail"), "{{instance}} {{trail}} waiting"),
                named(largest("guard_audit_failing", "instance", "trail"), "{{instance}} {{trail}} failing"),
            ),
        ),
        Panel(
            "Time since the audit trail was written",
            "s",
            "Grows while nothing is decided. Grows while dial requests are answered: look at the log.",
            (
                Query(
                    "time() - max by (instance, trail) "
                    f"(dial_gateway_guard_audit_last_write_timestamp_seconds{{{ALL}}})",
                    "{{instance}} {{trail}}",
                ),
            ),
        ),
        Panel(
            "Versions of the rules",
            "short",
            "Replicas with different versions for long: one of them has another file.",
            (Query(f"max by (instance, version) (dial_gateway_guard_rules_info{{{ALL}}})", "{{instance}}"),),
            kind="table",
        ),
        Panel(
            "Digests of suppression lists",
            "none",
            "Equal where the lists of replicas have the same numbers. Different for long: one of them has "
            "an older file.",
            (
                Query(
                    f"max by (instance, list) (dial_gateway_guard_list_digest{{{ALL}}})",
                    "{{instance}} {{list}}",
                ),
            ),
            kind="table",
        ),
    ),
)
