"""The settings: defaults, invalid values, and the precedence of sources."""

from dataclasses import FrozenInstanceError, fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.settings import CONFIG, PREFIX, Settings, SettingsError, load

DEFAULTS = {
    "listen": "127.0.0.1:50051",
    "admin_listen": "127.0.0.1:9464",
    "admin_identity_header": None,
    "admin_hosts": (),
    "connect_api": "v1",
    "connect_api_by_campaign": (),
    "campaign_directory": "off",
    "campaign_directory_interval": 60.0,
    "call_rate": 10.0,
    "call_burst": 10.0,
    "max_concurrent_calls": 8,
    "linger": 0.05,
    "stream_window": 5000,
    "caller_window": 100_000,
    "stream_limit": 4000,
    "caller_streams": 2000,
    "stream_max_age": 1200.0,
    "keepalive": 60.0,
    "keepalive_timeout": 20.0,
    "queue_limit": 200_000,
    "queue_bytes": 268_435_456,
    "expiry_headroom": 5.0,
    "replay_window": 1200.0,
    "replay_limit": 500_000,
    "max_attempts": 5,
    "sender": "direct",
    "call_timeout": 5.0,
    "would_expire": True,
    "drain_grace": 25.0,
    "log_level": "INFO",
    "log_format": "auto",
    "metrics_campaigns": 1000,
    "metrics_callers": 200,
    "tls_cert_file": None,
    "tls_key_file": None,
    "tls_client_ca_file": None,
    "trusted_proxies": (),
    "policy_file": None,
    "guard_file": None,
    "guard_key_file": None,
    "guard_audit_file": None,
    "guard_audit_file_bytes": 104_857_600,
    "guard_audit_files": 100,
    "guard_audit_otlp": False,
    "guard_audit_required": True,
    "suppression_file": None,
    "admin_token_file": None,
    "shared_state_url": None,
    "shared_state_password": None,
    "shared_state_password_file": None,
    "shared_state_timeout": 0.25,
    "shared_state_prefix": "dial-gateway",
    "shared_state_tls_ca_file": None,
    "shared_state_tls_cert_file": None,
    "shared_state_tls_key_file": None,
    "shared_state_fingerprint_key_file": None,
    "shared_state_longest_outage": 600.0,
    "replica": None,
}

SECRETS = {"shared_state_url", "shared_state_password"}

RIGHT = {
    "listen": ("[::1]:0", "[::1]:0"),
    "admin_listen": ("0.0.0.0:9464", "0.0.0.0:9464"),
    "admin_identity_header": ("X-Forwarded-Email", "x-forwarded-email"),
    "admin_hosts": ("Console.example.org, *.corp.example", ("console.example.org", "*.corp.example")),
    "connect_api": ("V2", "v2"),
    "connect_api_by_campaign": ("debt-*=v2, trial=v1", (("debt-*", "v2"), ("trial", "v1"))),
    "campaign_directory": ("Connect", "connect"),
    "campaign_directory_interval": ("5", 5.0),
    "call_rate": ("0", 0.0),
    "call_burst": (" 2.5 ", 2.5),
    "max_concurrent_calls": ("16", 16),
    "linger": ("0", 0.0),
    "stream_window": ("1", 1),
    "caller_window": ("10", 10),
    "stream_limit": ("100", 100),
    "caller_streams": ("10", 10),
    "stream_max_age": ("0", 0.0),
    "keepalive": ("30", 30.0),
    "keepalive_timeout": ("5.5", 5.5),
    "queue_limit": ("10", 10),
    "queue_bytes": ("1000000", 1_000_000),
    "expiry_headroom": ("0", 0.0),
    "replay_window": ("60", 60.0),
    "replay_limit": ("1000", 1000),
    "max_attempts": ("1", 1),
    "sender": ("BOTO3", "boto3"),
    "call_timeout": ("0.5", 0.5),
    "would_expire": ("Off", False),
    "drain_grace": ("1", 1.0),
    "log_level": ("debug", "DEBUG"),
    "log_format": ("JSON", "json"),
    "metrics_campaigns": ("10", 10),
    "metrics_callers": ("20", 20),
    "tls_cert_file": ("tls.crt", "tls.crt"),
    "tls_key_file": ("tls.key", "tls.key"),
    "tls_client_ca_file": ("ca.crt", "ca.crt"),
    "trusted_proxies": ("10.1.0.0/16, ::1", (ip_network("10.1.0.0/16"), ip_network("::1"))),
    "policy_file": ("policy.yaml", "policy.yaml"),
    "guard_file": ("guard.yaml", "guard.yaml"),
    "guard_key_file": ("guard.key", "guard.key"),
    "guard_audit_file": ("trail.jsonl", "trail.jsonl"),
    "guard_audit_file_bytes": ("4096", 4096),
    "guard_audit_files": ("7", 7),
    "guard_audit_otlp": ("on", True),
    "guard_audit_required": ("off", False),
    "suppression_file": ("suppressed.jsonl", "suppressed.jsonl"),
    "admin_token_file": (" /etc/token ", "/etc/token"),
    "shared_state_url": ("valkey://store", "valkey://store"),
    "shared_state_password": ("secret", "secret"),
    "shared_state_password_file": ("/etc/password", "/etc/password"),
    "shared_state_timeout": ("1", 1.0),
    "shared_state_prefix": ("eu:dial_1", "eu:dial_1"),
    "shared_state_tls_ca_file": ("ca.crt", "ca.crt"),
    "shared_state_tls_cert_file": ("tls.crt", "tls.crt"),
    "shared_state_tls_key_file": ("tls.key", "tls.key"),
    "shared_state_fingerprint_key_file": ("key", "key"),
    "shared_state_longest_outage": ("60", 60.0),
    "replica": ("gateway-0", "gateway-0"),
}

WRONG = [
    *[("listen", value) for value in ("", "50051", ":50051", "here:", "here:port", "here:65536", "here:-1")],
    ("admin_listen", "9464"),
    *[("admin_identity_header", value) for value in ("", "x forwarded", "x" * 101)],
    *[("admin_hosts", value) for value in ("", "a.example,", "*", "*.", "a.*.example", "*a.example")],
    *[
        ("admin_hosts", value)
        for value in ("a.example:9464", "http://a.example", "a..b", "-a.example", "a b")
    ],
    ("admin_hosts", f"{'a.' * 126}aa"),
    ("connect_api", "v3"),
    *[
        ("connect_api_by_campaign", value)
        for value in ("debt-*", "=v2", "debt-*=v3", "debt-?=v2", "[ab]*=v2", f"{'*a' * 9}=v2")
    ],
    ("campaign_directory", ""),
    ("campaign_directory_interval", "4"),
    ("would_expire", "maybe"),
    *[("call_rate", value) for value in ("", "ten", "-1", "nan", "inf", "100001")],
    *[("call_burst", value) for value in ("0", "0.5", "-inf")],
    *[("max_concurrent_calls", value) for value in ("0", "1.5", "1001", "8 calls")],
    *[("linger", value) for value in ("-0.01", "61", "50ms")],
    ("stream_window", "0"),
    ("queue_limit", "0"),
    *[(name, "0") for name in ("caller_window", "stream_limit", "caller_streams")],
    *[("stream_max_age", value) for value in ("-1", "20m", "604801")],
    *[("keepalive", value) for value in ("0.5", "inf")],
    ("keepalive_timeout", "0"),
    ("queue_bytes", "256MB"),
    ("expiry_headroom", "-1"),
    ("replay_window", "0"),
    ("replay_limit", "0"),
    *[("max_attempts", value) for value in ("0", "101")],
    ("sender", "urllib"),
    *[("call_timeout", value) for value in ("0", "301")],
    ("drain_grace", "0"),
    ("log_level", "LOUD"),
    ("log_format", "xml"),
    ("metrics_campaigns", "0"),
    ("metrics_callers", "0"),
    *[(name, " ") for name in ("tls_cert_file", "tls_key_file", "tls_client_ca_file", "policy_file")],
    *[(name, " ") for name in ("guard_file", "guard_key_file", "guard_audit_file", "suppression_file")],
    *[("guard_audit_file_bytes", text) for text in ("4095", "x")],
    *[("guard_audit_files", text) for text in ("0", "1.5")],
    *[(name, "perhaps") for name in ("guard_audit_otlp", "guard_audit_required")],
    *[("trusted_proxies", value) for value in ("", "proxy.local", "10.0.0.1/8", "10.0.0.1,")],
    ("admin_token_file", " "),
    ("shared_state_url", " "),
    ("shared_state_password", ""),
    *[(f"shared_state_{name}_file", "") for name in ("password", "tls_ca", "tls_cert", "tls_key")],
    ("shared_state_fingerprint_key_file", ""),
    *[("shared_state_timeout", value) for value in ("0", "6", "250ms")],
    *[("shared_state_prefix", value) for value in ("", "a{b}", "a b", "x" * 65)],
    *[("shared_state_longest_outage", value) for value in ("0", "86401")],
    *[("replica", value) for value in ("", "a b", "x" * 101)],
]


def name_of(setting: str) -> str:
    return PREFIX + setting.upper()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_the_tables_of_these_tests_name_every_setting() -> None:
    """No setting is without a default, a right value and a wrong one in the tests below."""
    names = [setting.name for setting in fields(Settings)]
    assert list(DEFAULTS) == names
    assert list(RIGHT) == names
    assert {name for name, _ in WRONG} == set(names)


def test_an_empty_environment_gives_the_defaults() -> None:
    """With nothing set, each setting has its documented default, and nothing is warned about."""
    chosen, warnings = load({})
    assert {setting.name: getattr(chosen, setting.name) for setting in fields(chosen)} == DEFAULTS
    assert warnings == []


def test_each_default_is_legal() -> None:
    """A default that is written down is read as itself."""
    written = {name_of(name): str(value) for name, value in DEFAULTS.items() if value not in {None, ()}}
    assert load(written) == (Settings(), [])


@pytest.mark.parametrize(("setting", "text", "value"), [(name, *pair) for name, pair in RIGHT.items()])
def test_a_variable_sets_its_setting(setting: str, text: str, value: object) -> None:
    """A variable sets the setting of its name, and no other."""
    chosen, warnings = load({name_of(setting): text})
    expected = dict(DEFAULTS, **{setting: value})
    assert {field.name: getattr(chosen, field.name) for field in fields(chosen)} == expected
    assert type(getattr(chosen, setting)) is type(value)
    assert warnings == []


@pytest.mark.parametrize(("setting", "text"), WRONG)
def test_a_wrong_variable_is_named_in_one_line(setting: str, text: str) -> None:
    """A wrong value is refused in one line that names the variable, the rule and the value."""
    with pytest.raises(SettingsError) as refused:
        load({name_of(setting): text})
    line = str(refused.value)
    assert line.startswith(f"{name_of(setting)}: must be ")
    assert line.endswith("got another" if setting in SECRETS else f"got {text!r}")
    assert "\n" not in line


def test_a_secret_is_not_shown(config: Path) -> None:
    """Neither the representation of the settings nor an error about a file shows a secret."""
    chosen, _ = load({name_of("shared_state_password"): "hidden", name_of("shared_state_url"): "hidden"})
    assert "hidden" not in repr(chosen)
    config.write_text("shared_state_password = 4711\n")
    with pytest.raises(SettingsError) as refused:
        load({CONFIG: str(config)})
    assert "4711" not in str(refused.value)


def test_a_value_of_several_lines_is_refused_in_one() -> None:
    """A value with a line break in it is shown escaped, so that the error stays one line."""
    with pytest.raises(SettingsError) as refused:
        load({name_of("call_rate"): "1\n2"})
    assert "\n" not in str(refused.value)


def test_a_file_sets_what_it_names(config: Path) -> None:
    """Settings come from the file of DIAL_GATEWAY_CONFIG, as TOML's own types or as text."""
    config.write_text('call_rate = 3\nlinger = 0.5\nlog_level = "warning"\nmax_attempts = "2"\n')
    chosen, warnings = load({CONFIG: str(config)})
    assert chosen == Settings(call_rate=3.0, linger=0.5, log_level="WARNING", max_attempts=2)
    assert warnings == []


NATIVE = {
    "call_rate = 3": {"call_rate": 3.0},
    "call_rate = 2.5": {"call_rate": 2.5},
    "max_attempts = 2": {"max_attempts": 2},
    "would_expire = false": {"would_expire": False},
    'would_expire = "off"': {"would_expire": False},
    'admin_hosts = ["Console.example.org", "*.corp.example"]': {
        "admin_hosts": ("console.example.org", "*.corp.example")
    },
    'connect_api_by_campaign = ["debt-*=v2", "trial=v1"]': {
        "connect_api_by_campaign": (("debt-*", "v2"), ("trial", "v1"))
    },
    'trusted_proxies = ["10.1.0.0/16", "::1"]': {
        "trusted_proxies": (ip_network("10.1.0.0/16"), ip_network("::1"))
    },
    "trusted_proxies = []": {"trusted_proxies": ()},
    "admin_hosts = []": {"admin_hosts": ()},
    "connect_api_by_campaign = []": {"connect_api_by_campaign": ()},
}


@pytest.mark.parametrize(("line", "expected"), NATIVE.items(), ids=NATIVE)
def test_a_file_may_use_the_types_of_toml(config: Path, line: str, expected: dict[str, object]) -> None:
    """Numbers, switches and lists may be TOML's own, and mean what the text of a variable means."""
    config.write_text(f"{line}\n")
    chosen, _ = load({CONFIG: str(config)})
    assert {name: getattr(chosen, name) for name in DEFAULTS} == DEFAULTS | expected


def test_every_list_setting_takes_an_array() -> None:
    """The test of TOML's types names each setting whose value is a list."""
    listed = {name for name, value in DEFAULTS.items() if isinstance(value, tuple)}
    assert listed == {line.partition(" ")[0] for line in NATIVE if "= [" in line}


def test_a_variable_wins_over_the_file(config: Path) -> None:
    """Where both set something the variable counts; the rest of the file still holds."""
    config.write_text("call_rate = 3\ncall_burst = 4\n")
    chosen, _ = load({CONFIG: str(config), name_of("call_rate"): "7"})
    assert chosen == Settings(call_rate=7.0, call_burst=4.0)


def test_no_file_is_read_where_none_is_named() -> None:
    """An empty DIAL_GATEWAY_CONFIG means no file."""
    assert load({CONFIG: ""}) == (Settings(), [])


@pytest.mark.parametrize(
    ("key", "suggestion"), [("call_rat", "; did you mean call_rate?"), ("zzz", ""), ("simulator", "")]
)
def test_an_unknown_key_of_the_file_is_refused(config: Path, key: str, suggestion: str) -> None:
    """An unknown key is refused, and the error names the nearest key if there is one."""
    config.write_text(f"{key} = 1\n")
    with pytest.raises(SettingsError) as refused:
        load({CONFIG: str(config)})
    assert str(refused.value) == f"{config}: unknown setting '{key}'{suggestion}"


@pytest.mark.parametrize(
    "line",
    [
        "call_rate = -1",
        "call_rate = true",
        "call_rate = [1]",
        "max_attempts = 1.5",
        "listen = 50051",
        f"call_rate = 0x{'f' * 9000}",
        f"max_attempts = 0x{'f' * 9000}",
        "would_expire = 1",
        "admin_hosts = 5",
        "admin_hosts = [5]",
        'admin_hosts = ["a.example,b.example"]',
        'admin_hosts = [["a.example"]]',
        'admin_hosts = [""]',
        "trusted_proxies = [true]",
        'connect_api_by_campaign = ["debt-*"]',
        'connect_api_by_campaign = {trial = "v1"}',
    ],
)
def test_a_wrong_value_of_the_file_is_named_in_one_line(config: Path, line: str) -> None:
    """A wrong value in the file is refused with its key and rule, even if a variable overrides it."""
    config.write_text(f"{line}\n")
    key = line.partition(" ")[0]
    with pytest.raises(SettingsError) as refused:
        load({CONFIG: str(config), name_of(key): str(DEFAULTS[key])})
    assert str(refused.value).startswith(f"{config}: {key}: must be ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("line", ["policy_file = 5", "policy_file = true", "policy_file = 2026-01-01"])
def test_a_path_is_text(config: Path, line: str) -> None:
    """A number, a switch or a date is no path, although each could be written as one."""
    config.write_text(f"{line}\n")
    with pytest.raises(SettingsError, match="policy_file: must be the path of a file; got"):
        load({CONFIG: str(config)})


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"call_rate = \n",
        b"\xff\xfe",
        b"call_rate = " + b"9" * 9000,
        b"admin_hosts = " + b"[" * 9000 + b"]" * 9000,
    ],
    ids=["missing", "no TOML", "no text", "too many digits", "too deep"],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(config: Path, content: bytes | None) -> None:
    """A file that is missing, is no TOML or no text is refused in one line that names it."""
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load({CONFIG: str(config)})
    assert str(refused.value).startswith(f"{CONFIG}: cannot read {config}: ")
    assert "\n" not in str(refused.value)


def test_a_mistyped_variable_is_warned_about() -> None:
    """A variable with our prefix that is no setting is ignored with a warning that suggests the nearest."""
    chosen, warnings = load({"DIAL_GATEWAY_CALL_RATES": "3", "DIAL_GATEWAY_QQQ": "1", "CALL_RATE": "3"})
    assert chosen == Settings()
    assert warnings == [
        "DIAL_GATEWAY_CALL_RATES is no setting and is ignored; did you mean DIAL_GATEWAY_CALL_RATE?",
        "DIAL_GATEWAY_QQQ is no setting and is ignored",
    ]


def test_the_variables_of_a_kubernetes_service_are_not_warned_about() -> None:
    """Variables that Kubernetes sets in every pod for a Service named dial-gateway cause no warning."""
    set_by_kubernetes = {
        "DIAL_GATEWAY_SERVICE_HOST": "10.0.0.1",
        "DIAL_GATEWAY_SERVICE_PORT": "50051",
        "DIAL_GATEWAY_SERVICE_PORT_GRPC": "50051",
        "DIAL_GATEWAY_PORT": "tcp://10.0.0.1:50051",
        "DIAL_GATEWAY_PORT_50051_TCP": "tcp://10.0.0.1:50051",
        "DIAL_GATEWAY_PORT_50051_TCP_PROTO": "tcp",
        "DIAL_GATEWAY_PORT_50051_TCP_PORT": "50051",
        "DIAL_GATEWAY_PORT_50051_TCP_ADDR": "10.0.0.1",
    }
    assert load(set_by_kubernetes) == (Settings(), [])


def test_settings_do_not_change() -> None:
    """The settings are frozen: checked values never change."""
    with pytest.raises(FrozenInstanceError):
        load({})[0].call_rate = 20.0  # type: ignore[misc]
