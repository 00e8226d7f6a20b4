"""The panels about dial requests: what comes, what is answered, and what Connect is called for."""

from scripts.panels.kinds import Panel, Row, figure
from scripts.promql import (
    ALL,
    BY_CAMPAIGN,
    Query,
    largest,
    mean,
    most,
    named,
    of_account,
    quantile,
    rate,
    rate_in_use,
    share,
    total,
)

_ACCEPTED = f'{BY_CAMPAIGN},outcome="ACCEPTED"'
_OF_ACCEPTED = f'{ALL},outcome="ACCEPTED"'
_SENT = f'{ALL},result!~"CallRevoked|CallTooLate|NoCredentials"'
_HOLDS = f'dial_gateway_campaign_held_up_seconds{{{BY_CAMPAIGN},condition="held"}}'
_LATENCY = "request_duration_seconds"

REQUEST_ROWS = (
    Row(
        "At a glance",
        (
            figure(
                "Goodput",
                "reqps",
                "Dial requests a second that Amazon Connect accepts, of the chosen campaigns. Replayed "
                "answers do not count. Red: none.",
                rate("requests_accepted", of=BY_CAMPAIGN),
                (None, "red"),
                (0.001, "green"),
            ),
            figure(
                "Accepted",
                "percentunit",
                "The accepted share of all answers. Below 95 %: see the answers other than ACCEPTED.",
                share(rate("requests_answered", of=_ACCEPTED), rate("requests_answered", of=BY_CAMPAIGN)),
                (None, "red"),
                (0.95, "orange"),
                (0.99, "green"),
            ),
            figure(
                "Quota used",
                "percentunit",
                "Attempts a second, of the configured call rate. From 95 % on, further demand has to wait.",
                share(rate("connect_calls", of=_SENT), of_account("call_rate_ceiling_per_second")),
                (None, "green"),
                (0.8, "orange"),
                (0.95, "red"),
            ),
            figure(
                "Slowest answers (p99)",
                "s",
                "From reading a dial request to its answer ACCEPTED; one in a hundred takes longer. Compare "
                "it with the expirations that callers set.",
                quantile(_LATENCY, 0.99, of=_OF_ACCEPTED)._replace(legend=""),
                (None, "green"),
                (30.0, "orange"),
                (240.0, "red"),
            ),
            figure(
                "Backlog that will expire",
                "short",
                "Waiting dial requests that cannot be sent before they expire, at the present rate of calls.",
                total("backlog_expiring"),
                (None, "green"),
                (1.0, "red"),
            ),
            figure(
                "Holds",
                "short",
                "Campaigns that an operator holds. `dialctl campaigns` shows by whom and why.",
                Query(f"count(max by (campaign) ({_HOLDS})) or vector(0)", ""),
                (None, "green"),
                (1.0, "orange"),
            ),
        ),
    ),
    Row(
        "Demand and answers",
        (
            Panel(
                "Dial requests received",
                "reqps",
                "Read from callers, the ten largest campaigns. A caller that sends too much is visible here.",
                (most(rate("requests_received", "campaign", of=BY_CAMPAIGN)),),
                stacked=True,
            ),
            Panel(
                "Answers by outcome",
                "reqps",
                "If they are slower than received requests, requests wait.",
                (rate("requests_answered", "outcome", of=BY_CAMPAIGN),),
                stacked=True,
            ),
            Panel(
                "Time to the answer",
                "s",
                "From reading a dial request to its answer. The points are sampled requests, with their "
                "traces.",
                (
                    quantile(_LATENCY, 0.5, "outcome"),
                    quantile(_LATENCY, 0.99, "outcome"),
                ),
            ),
            Panel(
                "Answers other than ACCEPTED",
                "reqps",
                "UNKNOWN: see the calls by result. EXPIRED: more quota, later expirations or fewer requests. "
                "REJECTED: inform the caller.",
                (rate("requests_answered", "outcome", "reason", of=f'{BY_CAMPAIGN},outcome!="ACCEPTED"'),),
            ),
            Panel(
                "Outstanding in total",
                "short",
                "From arrival to answer. At DIAL_GATEWAY_QUEUE_LIMIT the gateway stops reading.",
                (total("requests_held", "instance"),),
            ),
            Panel(
                "Memory of outstanding requests",
                "bytes",
                "Approximate. At DIAL_GATEWAY_QUEUE_BYTES the gateway stops reading.",
                (total("requests_held_size_bytes", "instance"),),
            ),
            Panel(
                "Dropped, replayed, joined",
                "reqps",
                "Dropped: the caller disconnected. Replayed: answered from the memory of accepted tokens. "
                "Joined: shared the answer of an outstanding request with the same token.",
                tuple(named(rate(f"requests_{what}"), what) for what in ("dropped", "replayed", "joined")),
            ),
            Panel(
                "Tokens remembered",
                "short",
                "Near DIAL_GATEWAY_REPLAY_LIMIT: raise it.",
                (total("tokens_remembered", "instance"),),
            ),
            Panel(
                "Tokens forgotten early",
                "cps",
                "Above 0: a late repeat may be sent to Amazon Connect again.",
                (rate("tokens_forgotten", "instance"),),
            ),
        ),
    ),
    Row(
        "Calls against the quota",
        (
            Panel(
                "Calls a second",
                "reqps",
                "Attempts, the rate in use, and the configured rate (0: no limit). Without the shared state, "
                "the rate in use is that of all replicas' parts.",
                (
                    named(rate("connect_calls"), "calls"),
                    named(rate_in_use(), "kept"),
                    named(of_account("call_rate_ceiling_per_second"), "as set"),
                ),
            ),
            Panel(
                "Attempts by result",
                "reqps",
                "AccessDenied, NoCredentials, Credentials...: dial-gateway check. "
                "ClockSkewed: set the clock. "
                "AnswerLost, ConnectFailed, ConnectUnreachable: check the network and AWS's status.",
                (rate("connect_calls", "operation", "result"),),
                stacked=True,
            ),
            Panel(
                "Share of time that calls lack a permit",
                "percentunit",
                "rate near 1 for long: the quota is used up. concurrency: raise "
                "DIAL_GATEWAY_MAX_CONCURRENT_CALLS. shared_state: it does not answer. credentials: AWS "
                "refuses them, or the clock.",
                (rate("permit_wait_seconds", "instance", "lacking"),),
            ),
            Panel(
                "How long attempts take",
                "s",
                "Near DIAL_GATEWAY_CALL_TIMEOUT answers will be lost.",
                (
                    quantile("connect_call_duration_seconds", 0.5, "operation"),
                    quantile("connect_call_duration_seconds", 0.99, "operation"),
                ),
            ),
            Panel(
                "Calls in flight",
                "short",
                "At DIAL_GATEWAY_MAX_CONCURRENT_CALLS for long: raise it.",
                (total("connect_calls_in_flight", "instance"),),
            ),
            Panel(
                "Amazon Connect failing for",
                "s",
                "How long no attempt has been answered; 0 if the last one was answered.",
                (largest("connect_failing_seconds", "instance"),),
            ),
            Panel(
                "Clock behind AWS's",
                "s",
                "Not 0: set the node's clock. Until then, calls and expirations use AWS's clock.",
                (largest("clock_behind_aws_seconds", "instance"),),
            ),
            Panel(
                "Dial requests in a call",
                "short",
                "By the reason of the call. Below 25 under backlog: many small campaigns share the quota.",
                (mean("batch_size", "flush"),),
            ),
            Panel(
                "Time left as a call leaves",
                "s",
                "To the expiration of its most urgent dial request. Near the expiry headroom the next will "
                "expire.",
                (quantile("call_time_left_seconds", 0.1), quantile("call_time_left_seconds", 0.5)),
            ),
            Panel(
                "Throttles",
                "cps",
                "call: the account's call rate, 429. item_capacity: too few agents or lines for a campaign.",
                (rate("connect_throttles", "kind"),),
            ),
            Panel(
                "Further attempts of failing calls",
                "cps",
                "denied grows in an outage; this is intended.",
                (rate("connect_retries", "decision"),),
            ),
        ),
    ),
    Row(
        "Callers",
        (
            Panel(
                "Dial requests by caller",
                "reqps",
                "Read from callers, the ten largest.",
                (most(rate("caller_requests_received", "caller")),),
                stacked=True,
            ),
            Panel(
                "Share of the quota by caller",
                "percentunit",
                "Calls for each caller, of the configured call rate. A call with requests of several callers "
                "is divided among them.",
                (
                    most(
                        Query(
                            f"({rate('caller_calls', 'caller').expr}) / on () group_left () "
                            f"(({of_account('call_rate_ceiling_per_second').expr}) > 0)",
                            "{{caller}}",
                        )
                    ),
                ),
                stacked=True,
            ),
            Panel(
                "Answers other than ACCEPTED by caller",
                "reqps",
                "The ten with the most. Their reasons are among the answers of all callers.",
                (
                    most(
                        rate("caller_requests_answered", "caller", "outcome", of=f'{ALL},outcome!="ACCEPTED"')
                    ),
                ),
            ),
            Panel(
                "Callers with their own labels",
                "short",
                "At DIAL_GATEWAY_METRICS_CALLERS: raise it.",
                (largest("callers", "instance"),),
            ),
        ),
    ),
)
