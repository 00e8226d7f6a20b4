"""Settings from a TOML file: its types, wrong values, unknown keys, and variables that win over it."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.settings import CONFIG, Settings, SettingsError, load
from tests.unit.settings.values import DEFAULTS, name_of


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_a_secret_is_not_shown(config: Path) -> None:
    """Neither the representation of the settings nor an error about a file shows a secret."""
    chosen, _ = load({name_of("shared_state_password"): "hidden", name_of("shared_state_url"): "hidden"})
    assert "hidden" not in repr(chosen)
    config.write_text("shared_state_password = 4711\n")
    with pytest.raises(SettingsError) as refused:
        load({CONFIG: str(config)})
    assert "4711" not in str(refused.value)


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
