"""The list of metrics: names, units and meanings. `docs/metrics.md` describes what to do about each.

Names are OpenTelemetry's; Prometheus shows dots as underscores, and unit and `_total` behind them.
"""

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric: its name, its unit in UCUM's notation, and its description.

    `bounds` are those of a histogram's buckets. `labels` are named for the metrics that `families` exports.
    """

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


CAMPAIGN, CALLER = "campaign", "caller"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- by campaign ------------------------------------------------------------------------------------
RECEIVED = Metric(
    "dial_gateway.requests.received", "{request}", "Dial requests read from callers", labels=(CAMPAIGN,)
)
ACCEPTED = Metric(
    "dial_gateway.requests.accepted",
    "{request}",
    "Dial requests that Amazon Connect accepted",
    labels=(CAMPAIGN,),
)
ANSWERED = Metric(
    "dial_gateway.requests.answered",
    "{request}",
    "Answers by outcome and reason",
    labels=(CAMPAIGN, "outcome", "reason"),
)
BACKLOG = Metric(
    "dial_gateway.backlog", "{request}", "Dial requests that wait for a call", labels=(CAMPAIGN,)
)
OLDEST_WAIT = Metric(
    "dial_gateway.backlog.oldest_wait",
    "s",
    "How long the first request in the queue of a campaign has waited",
    labels=(CAMPAIGN,),
)
IN_FLIGHT = Metric(
    "dial_gateway.requests.in_flight", "{request}", "Dial requests in flight", labels=(CAMPAIGN,)
)
HELD_UP = Metric(
    "dial_gateway.campaign.held_up",
    "s",
    "How long a campaign has not been flowing; absent if it flows",
    labels=(CAMPAIGN, "condition"),
)
CHANGES = Metric(
    "dial_gateway.campaign.cooldowns",
    "{change}",
    "Times a campaign cooled or was parked",
    labels=(CAMPAIGN, "condition"),
)
CAMPAIGN_INFO = Metric(
    "dial_gateway.campaign.info",
    "",
    "1, with the name of a campaign; absent if it is not known",
    labels=(CAMPAIGN, "name"),
)

# --- by caller --------------------------------------------------------------------------------------
CALLER_RECEIVED = Metric(
    "dial_gateway.caller.requests.received", "{request}", "Dial requests read from a caller", labels=(CALLER,)
)
CALLER_ANSWERED = Metric(
    "dial_gateway.caller.requests.answered",
    "{request}",
    "Answers to a caller by outcome",
    labels=(CALLER, "outcome"),
)
CALLER_CALLS = Metric(
    "dial_gateway.caller.calls",
    "{call}",
    "Calls to Amazon Connect for a caller: its share of each call with its requests",
    labels=(CALLER,),
)

# --- the gateway ------------------------------------------------------------------------------------
CAMPAIGNS = Metric("dial_gateway.campaigns", "{campaign}", "Campaigns with their own label")
CALLERS = Metric("dial_gateway.callers", "{caller}", "Callers with their own label")
EXPIRING = Metric(
    "dial_gateway.backlog.expiring",
    "{request}",
    "Waiting dial requests that cannot be sent before they expire, at the present rate of calls",
)
OUTSTANDING = Metric(
    "dial_gateway.requests.held",
    "{request}",
    "Dial requests that have arrived and are not answered yet",
)
OUTSTANDING_SIZE = Metric(
    "dial_gateway.requests.held.size", "By", "Approximate memory of the outstanding dial requests"
)
DROPPED = Metric(
    "dial_gateway.requests.dropped",
    "{request}",
    "Dial requests dropped unsent, since their callers had disconnected",
)
REQUEST_DURATION = Metric(
    "dial_gateway.request.duration",
    "s",
    "Time from reading a dial request to its answer",
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
    ("outcome",),
)
REPLAYED = Metric(
    "dial_gateway.requests.replayed", "{request}", "Dial requests answered from the memory of accepted tokens"
)
JOINED = Metric(
    "dial_gateway.requests.joined",
    "{request}",
    "Dial requests that shared the answer of an outstanding one with the same token",
)
TOKENS = Metric("dial_gateway.tokens.remembered", "{token}", "Settled tokens that are remembered")
FORGOTTEN = Metric(
    "dial_gateway.tokens.forgotten", "{token}", "Settled tokens forgotten before the replay window was over"
)
STREAMS = Metric("dial_gateway.streams.open", "{stream}", "Streams that are open")
WINDOW_USE = Metric(
    "dial_gateway.streams.window_use", "1", "Share of its window that the fullest stream uses"
)
BLOCKED = Metric("dial_gateway.streams.blocked", "{stream}", "Streams that are not read, by what they lack")
RPCS = Metric("dial_gateway.rpcs.ended", "{rpc}", "Streams and unary calls that have ended")
READY = Metric(
    "dial_gateway.ready", "", "1 while this replica should get dial requests, as /readyz reports, else 0"
)
DRAINING = Metric("dial_gateway.draining", "", "1 while the gateway drains, else 0")
DRAIN_ELAPSED = Metric("dial_gateway.drain.elapsed", "s", "How long the gateway has been draining")
ADMIN_CLOSED = Metric(
    "dial_gateway.admin.connections.closed",
    "{connection}",
    "Connections of the admin port that the gateway closed",
)
LOG_DROPPED = Metric("dial_gateway.log.lines.dropped", "{line}", "Log lines that were not written, by cause")
TELEMETRY_LOST = Metric(
    "dial_gateway.telemetry.lost", "{item}", "Spans, pushes of metrics, and events that could not be exported"
)
LOOP_LAG = Metric(
    "dial_gateway.loop.lag", "s", "How late the event loop woke a sleeping task", (0.001, *_SECONDS)
)

BUILD_INFO = Metric(
    "dial_gateway.build.info",
    "",
    "1, with the versions of the gateway and of Python",
    labels=("version", "python_version"),
)

# --- the process, with the standard names of Prometheus' client libraries ------------------------------
PROCESS_CPU = Metric("process.cpu", "s", "Processor time used")
PROCESS_RESIDENT = Metric("process.resident_memory", "By", "Resident memory")
PROCESS_VIRTUAL = Metric("process.virtual_memory", "By", "Mapped address space")
PROCESS_OPEN_FDS = Metric("process.open_fds", "{descriptor}", "Open file descriptors")
PROCESS_MAX_FDS = Metric("process.max_fds", "{descriptor}", "Limit of open file descriptors")
PROCESS_START = Metric("process.start_time", "s", "When the process started, in seconds since the epoch")

# --- access -----------------------------------------------------------------------------------------
REFUSED = Metric("dial_gateway.access.refused", "{refusal}", "Refusals by caller and kind")
FILES_REFUSED = Metric(
    "dial_gateway.access.files.refused", "{change}", "Changes of files that were invalid and are not used"
)
CERTIFICATE_ENDS = Metric(
    "dial_gateway.certificate.not_after_timestamp",
    "s",
    "When the certificate in use expires; absent without TLS",
)
STATE_CERTIFICATE_ENDS = Metric(
    "dial_gateway.shared_state.certificate.not_after_timestamp",
    "s",
    "When the certificate or the authority for the shared state expires; absent without files of them",
)

# --- calls to Amazon Connect ------------------------------------------------------------------------
CALLS = Metric("dial_gateway.connect.calls", "{call}", "Attempts of calls to Amazon Connect by result")
CALL_DURATION = Metric(
    "dial_gateway.connect.call.duration", "s", "Duration of attempts", _SECONDS, ("operation", "result")
)
CALLS_IN_FLIGHT = Metric("dial_gateway.connect.calls.in_flight", "{call}", "Calls in flight")
FAILING = Metric(
    "dial_gateway.connect.failing", "s", "How long no attempt has been answered by Amazon Connect"
)
CLOCK_BEHIND = Metric(
    "dial_gateway.clock.behind_aws", "s", "How far the wall clock is behind AWS's; 0 if about equal"
)
THROTTLES = Metric(
    "dial_gateway.connect.throttles", "{throttle}", "Throttles of whole calls (429) or of items"
)
RETRIES = Metric("dial_gateway.connect.retries", "{retry}", "Further attempts that failing calls requested")
BATCH_SIZE = Metric(
    "dial_gateway.batch.size",
    "{request}",
    "Dial requests in a call, by why it was sent",
    (1, 2, 5, 10, 15, 20, 24, 25),
    ("flush",),
)
TIME_LEFT = Metric(
    "dial_gateway.call.time_left",
    "s",
    "Time that the most urgent dial request of a call had left when the call was sent",
    (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900),
)
PERMIT_WAIT = Metric("dial_gateway.permit.wait", "s", "Time in which calls were ready but lacked a permit")
RATE_CEILING = Metric(
    "dial_gateway.call_rate.ceiling", "{call}/s", "Configured rate of calls; 0 for no limit"
)
RATE_NOW = Metric("dial_gateway.call_rate.current", "{call}/s", "Rate of calls in use; 0 for no limit")
