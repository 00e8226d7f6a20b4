"""The panels about replicas, campaigns, streams, access and the process."""

from scripts.panel_kinds import Panel, Row
from scripts.promql import (
    ALL,
    BY_CAMPAIGN,
    Query,
    largest,
    most,
    named,
    quantile,
    rate,
    total,
)

PART_ROWS = (
    Row(
        "Replicas with a shared state",
        (
            Panel(
                "Replicas of the fleet",
                "short",
                "As each replica knows them. lost: vanished, and their part of the rate is reserved.",
                (
                    named(largest("fleet_members"), "members"),
                    named(largest("fleet_members_lost"), "lost"),
                ),
            ),
            Panel(
                "Time without the shared state",
                "s",
                "At DIAL_GATEWAY_SHARED_STATE_LONGEST_OUTAGE a replica stops sending.",
                (largest("shared_state_outage_seconds", "instance"),),
            ),
            Panel(
                "Replicas that send on their own",
                "short",
                "1: it sends at its part of the rate, without the shared state.",
                (
                    total("fleet_solo", "instance"),
                    named(total("shared_state_connected"), "connected"),
                ),
            ),
            Panel(
                "Duration of commands to the shared state",
                "s",
                "Each call waits for its claim. Above DIAL_GATEWAY_SHARED_STATE_TIMEOUT it failed.",
                (quantile("shared_state_duration_seconds", 0.99, "operation"),),
            ),
            Panel(
                "Failed commands to the shared state",
                "cps",
                "unavailable: the network or the server. refused: rights, memory, version.",
                (
                    rate("shared_state_errors", "operation", "kind"),
                    named(rate("fleet_beats_missed"), "missed beats"),
                ),
            ),
            Panel(
                "Permits granted and unused",
                "cps",
                "Unused permits come back. Many, while calls wait for permits: part of the quota is wasted.",
                (
                    named(rate("permits_granted", "instance"), "granted {{instance}}"),
                    named(rate("permits_returned", "instance"), "unused {{instance}}"),
                ),
            ),
            Panel(
                "Results not recorded yet",
                "short",
                "Results of calls that other replicas do not know yet, and how many a second are given up.",
                (
                    total("shared_settlements_waiting", "instance"),
                    named(rate("shared_settlements_lost"), "given up"),
                ),
            ),
            Panel(
                "Settings that differ",
                "short",
                "1: replicas have different call rates, bursts or replay windows; the stricter applies.",
                (largest("fleet_settings_differ", "instance"),),
            ),
        ),
    ),
    Row(
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
                "In calls under way",
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
    ),
    Row(
        "Streams",
        (
            Panel(
                "Open streams",
                "short",
                "Uneven over replicas: balance by stream.",
                (total("streams_open", "instance"),),
                stacked=True,
            ),
            Panel(
                "Window use of the fullest stream",
                "percentunit",
                "1: it waits for answers, or does not read them.",
                (largest("streams_window_use_ratio", "instance"),),
            ),
            Panel(
                "Streams not read from",
                "short",
                "window: their own window is used up. room: the gateway is full.",
                (total("streams_blocked", "instance", "lacking"),),
            ),
            Panel(
                "Streams and unary calls ended",
                "cps",
                "Many left: time-outs of callers or of a proxy.",
                (rate("rpcs_ended", "method", "ending"),),
            ),
        ),
    ),
    Row(
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
                ),
            ),
        ),
    ),
    Row(
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
                    named(
                        largest("guard_audit_waiting", "instance", "trail"), "{{instance}} {{trail}} waiting"
                    ),
                    named(
                        largest("guard_audit_failing", "instance", "trail"), "{{instance}} {{trail}} failing"
                    ),
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
                (
                    Query(
                        f"max by (instance, version) (dial_gateway_guard_rules_info{{{ALL}}})", "{{instance}}"
                    ),
                ),
                kind="table",
            ),
        ),
    ),
    Row(
        "Process",
        (
            Panel(
                "Replicas",
                "short",
                "Ready: they accept new streams. Draining: they shut down.",
                (named(total("ready"), "ready"), named(total("draining"), "draining")),
            ),
            Panel(
                "Leaving for",
                "s",
                "Near DIAL_GATEWAY_DRAIN_GRACE: the remaining requests are answered unsent.",
                (largest("drain_elapsed_seconds", "instance"),),
            ),
            Panel(
                "Lag of the event loop",
                "s",
                "Often above 0.1: the processor is used up, add replicas.",
                (quantile("loop_lag_seconds", 0.99, "instance"),),
            ),
            Panel(
                "Log lines not written",
                "cps",
                "slow: the reader of stderr is too slow; the gateway itself is not slowed down.",
                (rate("log_lines_dropped", "instance", "why"),),
            ),
            Panel(
                "Closed connections of the admin port",
                "cps",
                "If full or slow_request grows, find out who connects.",
                (rate("admin_connections_closed", "instance", "why"),),
            ),
            Panel(
                "Telemetry lost",
                "cps",
                "Spans, and pushes of metrics, that no collector accepted. The log shows the cause.",
                (rate("telemetry_lost", "instance", "what"),),
            ),
            Panel(
                "Processor time",
                "percentunit",
                "Of one core. Near 1: the event loop needs all of it, add replicas.",
                (rate("process_cpu_seconds", "instance"),),
            ),
            Panel(
                "Memory of the process",
                "bytes",
                "Resident, and mapped address space. Near the container's limit: raise it, or lower "
                "DIAL_GATEWAY_QUEUE_BYTES.",
                (
                    named(largest("process_resident_memory_bytes", "instance"), "{{instance}} resident"),
                    named(largest("process_virtual_memory_bytes", "instance"), "{{instance}} mapped"),
                ),
            ),
            Panel(
                "File descriptors",
                "short",
                "Open ones, and their limit. Each stream's connection takes one.",
                (
                    named(largest("process_open_fds", "instance"), "{{instance}} open"),
                    named(largest("process_max_fds", "instance"), "{{instance}} limit"),
                ),
            ),
            Panel(
                "Time since the start",
                "s",
                "Falls to 0 at each restart.",
                (Query(f"time() - max by (instance) (process_start_time_seconds{{{ALL}}})", "{{instance}}"),),
            ),
            Panel(
                "Versions",
                "short",
                "Of the gateway and of Python.",
                (
                    Query(
                        f"max by (instance, version, python_version) (dial_gateway_build_info{{{ALL}}})",
                        "{{instance}}",
                    ),
                ),
                kind="table",
            ),
            Panel(
                "Names and attributes",
                "short",
                "Name and version, as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES set them.",
                (
                    Query(
                        f"count by (instance, service_name, service_version) (target_info{{{ALL}}})",
                        "{{instance}}",
                    ),
                ),
                kind="table",
            ),
        ),
    ),
)
