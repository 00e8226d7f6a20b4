"""Every setting that the chart passes is a setting of the gateway."""

import dataclasses
import json
import re
from typing import Any

import jsonschema
import pytest

from gateway.settings import PREFIX, Settings, SettingsError, load
from scripts import chart, values_schema
from tests.deploy import rendered

KNOWN = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("name", rendered.NAMES)
def test_every_variable_of_the_container_is_a_setting(name: str) -> None:
    assert set(rendered.settings_of(name)) <= KNOWN


def test_every_setting_in_the_templates_exists() -> None:
    template = (chart.CHART / "templates" / "_settings.tpl").read_text()
    written = set(re.findall(r'^  "([A-Z_]+)"|set \$settings "([A-Z_]+)"', template, re.MULTILINE))
    names = {PREFIX + (listed or added) for listed, added in written}

    assert len(names) > 15
    assert names <= KNOWN


@pytest.mark.parametrize("name", rendered.NAMES)
def test_the_gateway_takes_the_settings_without_a_warning(name: str) -> None:
    given = {key: value for key, value in rendered.settings_of(name).items() if key in KNOWN}

    settings, warnings = load(given)

    assert warnings == []
    assert settings.listen.endswith(":50051")


@pytest.mark.parametrize("name", rendered.NAMES)
def test_every_file_named_by_a_setting_is_mounted_there(name: str) -> None:
    container, spec = rendered.container(name), rendered.pod(name)["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    files = set()
    for mount in container["volumeMounts"]:
        source = volumes[mount["name"]].get("secret") or volumes[mount["name"]].get("configMap") or {}
        files |= {f"{mount['mountPath']}/{item['path']}" for item in source.get("items", ())}
    named = {value for value in rendered.settings_of(name).values() if value.startswith("/")}

    assert named == files


def test_secrets_are_mounted_as_folders_so_that_a_change_arrives() -> None:
    mounts = rendered.container("production")["volumeMounts"]

    assert {mount["name"] for mount in mounts} == {
        "tmp",
        "tls",
        "client-ca",
        "policy",
        "admin-token",
        "shared-state-password",
        "fingerprint-key",
    }
    assert not any("subPath" in mount for mount in mounts)


EXTRA: dict[str, Any] = json.loads(values_schema.SCHEMA.read_text())["properties"]["gateway"]["properties"][
    "extraSettings"
]
NUMBERS = {
    name: kind.schema
    for name, kind in values_schema.kinds().items()
    if kind.schema.get("type") in {"number", "integer"}
}


def accepts(name: str, value: object) -> bool:
    """Return whether the chart's schema takes a value for a setting."""
    return jsonschema.Draft7Validator(EXTRA).is_valid({PREFIX + name.upper(): value})


def starts(name: str, value: object) -> bool:
    """Return whether the gateway takes the value."""
    try:
        load({PREFIX + name.upper(): str(value)})
    except SettingsError:
        return False
    return True


def test_the_schema_and_the_table_of_settings_are_up_to_date() -> None:
    for path, text in values_schema.written().items():
        assert path.read_text() == text, path


def test_the_schema_knows_exactly_the_settings() -> None:
    assert EXTRA["additionalProperties"] is False
    assert EXTRA["properties"].keys() == KNOWN | {"DIAL_GATEWAY_CONFIG"}
    assert values_schema.OWN.keys() <= {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_schema_has_the_range_of_a_number(name: str) -> None:
    schema = NUMBERS[name]
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema["maximum"]

    for value in (low - 1, low, low + 1, high, high + 1, -1, 0):
        assert accepts(name, value) == starts(name, value), value


@pytest.mark.parametrize("name", [name for name in values_schema.kinds() if name not in NUMBERS])
def test_the_schema_refuses_a_text_that_the_gateway_would_refuse(name: str) -> None:
    for value in ("", "x y", "v3", "true", "a=b", "host:port", "DEBUG", "10.0.0.0/8"):
        assert starts(name, value) or not accepts(name, value) or name in LATER, value


LATER = {"admin_hosts", "trusted_proxies", "listen", "admin_listen"}
"""Lists and addresses, which only the gateway checks in full; the chart has values of its own for them."""


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_the_schema_takes_a_usual_value_of_each_setting(name: str) -> None:
    usual = {
        "admin_hosts": "a.example.org",
        "trusted_proxies": "10.0.0.0/8",
        "would_expire": "off",
        "connect_api_by_campaign": "v1=v1",
    }
    default = next(field.default for field in dataclasses.fields(Settings) if field.name == name)
    value = usual.get(name, "a" if default is None else default)

    assert accepts(name, value)
    assert starts(name, value)
