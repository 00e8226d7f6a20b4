"""Every setting that the chart passes is a setting of the gateway."""

import dataclasses
import re

import pytest

from gateway.settings import PREFIX, Settings, load
from scripts import chart
from tests.deploy import planned, rendered

KNOWN = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("name", rendered.NAMES)
def test_every_variable_of_the_container_is_a_setting(name: str) -> None:
    assert set(rendered.settings_of(name)) <= KNOWN | planned.SETTINGS


def test_every_setting_in_the_templates_exists() -> None:
    template = (chart.CHART / "templates" / "_settings.tpl").read_text()
    written = set(re.findall(r'^  "([A-Z_]+)"|set \$settings "([A-Z_]+)"', template, re.MULTILINE))
    names = {PREFIX + (listed or added) for listed, added in written}

    assert len(names) > 15
    assert names <= KNOWN | planned.SETTINGS


def test_planned_names_do_not_exist_yet() -> None:
    assert not planned.SETTINGS & KNOWN


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
