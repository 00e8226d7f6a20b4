"""Settings from environment variables: defaults, right and wrong values, and unknown variables."""

from dataclasses import FrozenInstanceError, fields

import pytest

from gateway.settings import Settings, SettingsError, load
from tests.unit.settings.values import DEFAULTS, RIGHT, SECRETS, WRONG, name_of


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


def test_a_value_of_several_lines_is_refused_in_one() -> None:
    """A value with a line break in it is shown escaped, so that the error stays one line."""
    with pytest.raises(SettingsError) as refused:
        load({name_of("call_rate"): "1\n2"})
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
