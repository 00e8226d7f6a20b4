"""All settings, with their defaults, kinds and meanings."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.settings.kinds import (
    ADDRESS,
    DIRECTORY,
    FILE,
    HEADER,
    HOSTS,
    KEY_PREFIX,
    NAME,
    NETWORKS,
    PATTERNS,
    SECRET,
    SOURCES,
    SWITCH,
    Kind,
    Network,
    number,
    one_of,
    whole,
)

ApiName = Literal["v1", "v2"]
SenderName = Literal["direct", "boto3"]
LogFormat = Literal["auto", "json", "text"]


def _setting(default: Any, kind: Kind, meaning: str, *, live: bool = False) -> Any:
    """Describe a setting. A `live` one is taken over from the file while the gateway runs."""
    about = {"kind": kind, "meaning": meaning, "live": live}
    return field(default=default, repr=not kind.secret, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `dial-gateway serve` runs with. Durations are in seconds."""

    @property
    def campaign_file(self) -> str | None:
        """The file with the campaign directory, None if it has another source or there is none."""
        return None if self.campaign_directory in SOURCES else self.campaign_directory

    listen: str = _setting("127.0.0.1:50051", ADDRESS, "gRPC address")
    admin_listen: str = _setting("127.0.0.1:9464", ADDRESS, "address of health, metrics and the console")
    admin_identity_header: str | None = _setting(
        None, HEADER, "header in which a trusted proxy states who uses the console"
    )
    admin_hosts: tuple[str, ...] = _setting(
        (), HOSTS, "further host names of the admin port; addresses and internal names need no entry"
    )
    connect_api: ApiName = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "v1", one_of("v1", "v2"), "Amazon Connect's API"
    )
    connect_api_by_campaign: tuple[tuple[str, ApiName], ...] = _setting(
        (),
        PATTERNS,
        "API of the campaigns whose id, name or tag matches, before connect_api; the first match counts",
    )
    campaign_directory: str = _setting(
        "off", DIRECTORY, "where the names of campaigns come from: off, connect, or the path of a file"
    )
    campaign_directory_interval: float = _setting(
        60.0, number(5, 86_400), "seconds between two readings of the names from Amazon Connect"
    )
    call_rate: float = _setting(10.0, number(0, 100_000), "calls a second; 0 = no limit", live=True)
    call_burst: float = _setting(10.0, number(1, 100_000), "calls that may leave at once", live=True)
    max_concurrent_calls: int = _setting(8, whole(1, 1000), "calls in flight")
    linger: float = _setting(0.05, number(0, 60), "seconds a lone request waits for other requests")
    stream_window: int = _setting(5000, whole(1, 1_000_000), "unanswered requests per stream")
    caller_window: int = _setting(
        100_000, whole(1, 100_000_000), "unanswered requests per caller, over all its streams"
    )
    stream_limit: int = _setting(4000, whole(1, 1_000_000), "open streams in total")
    caller_streams: int = _setting(2000, whole(1, 1_000_000), "open streams per caller")
    stream_max_age: float = _setting(
        1200.0, number(0, 604_800), "seconds after which a stream ends, about; 0 = never"
    )
    keepalive: float = _setting(
        60.0, number(1, 7200), "seconds without a byte after which a caller is pinged"
    )
    keepalive_timeout: float = _setting(
        20.0, number(1, 600), "seconds for a ping's answer, after which the connection is closed"
    )
    queue_limit: int = _setting(200_000, whole(1, 100_000_000), "outstanding requests in total")
    queue_bytes: int = _setting(268_435_456, whole(1, 1 << 40), "bytes of memory for outstanding requests")
    expiry_headroom: float = _setting(
        5.0, number(0, 3600), "seconds before expiration at which a request counts as expired"
    )
    replay_window: float = _setting(
        1200.0, number(0, 604_800, above=True), "seconds an ACCEPTED token is remembered"
    )
    replay_limit: int = _setting(500_000, whole(1, 100_000_000), "tokens remembered, about")
    max_attempts: int = _setting(5, whole(1, 100), "attempts that count, per request")
    sender: SenderName = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "direct", one_of("direct", "boto3"), "how calls are sent: on the event loop, or by boto3 in threads"
    )
    call_timeout: float = _setting(5.0, number(0, 300, above=True), "seconds for one Connect call")
    would_expire: bool = _setting(
        True, SWITCH, "whether a request whose turn would come too late is answered at once", live=True
    )
    drain_grace: float = _setting(25.0, number(0, 3600, above=True), "seconds for the shutdown")
    log_level: str = _setting(
        "INFO", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "how much is logged", live=True
    )
    log_format: LogFormat = _setting(  # noqa: RUF009 - a field of its own each time, as the others
        "auto", one_of("auto", "json", "text"), "how a line is written; auto: text on a terminal, else JSON"
    )
    metrics_campaigns: int = _setting(1000, whole(1, 100_000), "campaigns with figures of their own")
    metrics_callers: int = _setting(200, whole(1, 100_000), "callers with figures of their own")
    tls_cert_file: str | None = _setting(None, FILE, "certificate of the gateway, with its chain, for TLS")
    tls_key_file: str | None = _setting(None, FILE, "its key")
    tls_client_ca_file: str | None = _setting(
        None, FILE, "certificate authority of callers, who must then show a certificate"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (), NETWORKS, "proxies that may state the identities of callers"
    )
    policy_file: str | None = _setting(None, FILE, "who may dial what")
    guard_file: str | None = _setting(None, FILE, "rules on when and how often numbers may be called")
    guard_key_file: str | None = _setting(None, FILE, "secret key of the hashes of numbers")
    guard_audit_file: str | None = _setting(None, FILE, "file to which the guard writes its audit trail")
    guard_audit_file_bytes: int = _setting(
        104_857_600,
        whole(4096, 1 << 40),
        "bytes of that file after which it is renamed and a new one begins",
    )
    guard_audit_files: int = _setting(
        100, whole(1, 100_000), "renamed files of the audit trail that are kept"
    )
    guard_audit_otlp: bool = _setting(False, SWITCH, "whether the audit trail is exported as log records")
    guard_audit_required: bool = _setting(
        True, SWITCH, "whether nothing is sent while the audit trail cannot be written"
    )
    suppression_file: str | None = _setting(
        None, FILE, "keeps suppressions of numbers, if there is no shared state"
    )
    admin_token_file: str | None = _setting(None, FILE, "token that changes things on the admin port")
    shared_state_url: str | None = _setting(
        None, SECRET, "Valkey or Redis that lets all replicas act as one gateway"
    )
    shared_state_password: str | None = _setting(None, SECRET, "its password")
    shared_state_password_file: str | None = _setting(None, FILE, "file with its password")
    shared_state_timeout: float = _setting(
        0.25, number(0.05, 5), "seconds for one operation in the shared state"
    )
    shared_state_prefix: str = _setting("dial-gateway", KEY_PREFIX, "what the fleet's keys begin with")
    shared_state_tls_ca_file: str | None = _setting(None, FILE, "authority of the shared state's certificate")
    shared_state_tls_cert_file: str | None = _setting(None, FILE, "certificate shown to the shared state")
    shared_state_tls_key_file: str | None = _setting(None, FILE, "its key")
    shared_state_fingerprint_key_file: str | None = _setting(
        None, FILE, "key of the fingerprints of dial requests; default: the fleet makes one"
    )
    shared_state_longest_outage: float = _setting(
        600.0, number(1, 86_400), "seconds without the shared state after which nothing is sent"
    )
    replica: str | None = _setting(None, NAME, "name of this replica; default: the host's name")
