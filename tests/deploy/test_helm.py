"""The chart under helm itself, if helm is installed.

The chart's own tests in deploy/helm/dial-gateway/tests, which helm-unittest runs, check what its templates
render and refuse.
"""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import chart, manifests

HELM = chart.find_helm()
pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not at hand: scripts/helm.sh brings it")

Changes = dict[str, Any]
NULLABLE = {
    "gateway.streamMaxAge",
    "sharedState.timeout",
    "sharedState.longestOutage",
    "terminationGracePeriodSeconds",
    "guard.audit.fileBytes",
    "guard.audit.files",
    "autoscaling.targetCPUUtilizationPercentage",
    "autoscaling.streams.average",
    "autoscaling.backlog.average",
    "service.nodePort",
    "resources.requests",
    "resources.limits",
}
"""Values for which null has a meaning: no limit, or a default elsewhere."""
FREE = ("resources.", "podSecurityContext.", "securityContext.", "dashboard.labels.")
"""Values under these paths may be removed, or are passed on unchanged."""
EVERYTHING: Changes = {
    "sharedState": {"url": "valkey://valkey:6379"},
    "networkPolicy": {"sharedState": [{"podSelector": {}}]},
    "autoscaling": {"enabled": True, "streams": {"average": 100}},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
}
EACH_HELM = pytest.mark.parametrize("helm", chart.helms(), ids=str)


def test_helm_is_the_version_that_is_pinned() -> None:
    """The Debian package and the Go sources, which can both provide helm, have the same version."""
    assert HELM is not None
    pinned = re.search(r"helm\.sh/helm/v4 v([\d.]+)", (manifests.TOOLS / "go.mod").read_text())
    told = subprocess.run(  # noqa: S603 - helm
        [str(HELM), "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=True
    )
    assert pinned is not None
    # A helm built by Go reports its version only as "v4.3".
    assert f"v{pinned[1]}".startswith(told.stdout)


@EACH_HELM
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("replicas=3", "replicas: renamed to replicaCount"),
        ('gateway.extraSettings={"DIAL_GATEWAY_LINGR":1}', "'DIAL_GATEWAY_LINGR' not allowed"),
    ],
)
def test_helm_shows_why_the_templates_or_the_schema_refuse_a_value(helm: Path, value: str, why: str) -> None:
    with pytest.raises(chart.ChartError) as refused:
        chart.render(helm, "--set-json", value)

    assert why in str(refused.value)


def paths(values: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the path of each value and of each group of values."""
    for key, value in values.items():
        path = f"{before}{key}"
        if path.startswith(FREE) and path not in NULLABLE:
            continue
        yield path
        if isinstance(value, dict):
            yield from paths(value, f"{path}.")


PATHS = tuple(paths(yaml.safe_load((chart.CHART / "values.yaml").read_text())))


def merged(changes: Changes, names: list[str], value: object) -> Changes:
    """Return the changes with each of these values set."""
    made: Changes = json.loads(json.dumps(changes))
    for name in names:
        *parents, last = name.split(".")
        inner = made
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return made


def render_file(helm: Path, folder: Path, values: Changes) -> str:
    """Render the chart with a file of values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return chart.render(helm, "--values", str(file))


def named(refusal: str) -> set[str]:
    """Return the paths of the values that a refusal by the schema names."""
    found = set()
    for place, why in re.findall(r"at '(/?[^']*)': (.*)", refusal):
        path = place.removeprefix("/").replace("/", ".")
        missing = re.findall(r"'([^']+)'", why) if why.startswith("missing") else []
        found |= {f"{path}.{name}".removeprefix(".") for name in missing} or {path}
    return found


@EACH_HELM
def test_a_null_without_a_meaning_is_refused_by_the_name_of_the_value(helm: Path, tmp_path: Path) -> None:
    """No template sees such a null, although some versions of helm drop null defaults and others do not."""
    by_depth: dict[int, list[str]] = defaultdict(list)
    for path in PATHS:
        if path not in NULLABLE:
            by_depth[path.count(".")].append(path)

    for names in by_depth.values():
        with pytest.raises(chart.ChartError) as refused:
            render_file(helm, tmp_path, merged({}, names, None))
        assert set(names) <= named(str(refused.value))

    assert len(PATHS) > 110


@EACH_HELM
def test_a_null_with_a_meaning_is_accepted(helm: Path, tmp_path: Path) -> None:
    nulls = sorted(NULLABLE - {"autoscaling.streams.average"})
    rendered = render_file(helm, tmp_path, merged(EVERYTHING, nulls, None))
    by_words = chart.render(helm, *(word for name in nulls for word in ("--set", f"{name}=null")))

    # Alerts and dashboard contain texts in which "null" may occur.
    for part in (rendered + by_words).split("---\n"):
        if "PrometheusRule" not in part and "dashboard" not in part:
            assert not re.search(r"nil|: null$|:0\"|[pP]ort: 0?$", part, re.MULTILINE)


@EACH_HELM
def test_whole_numbers_of_a_file_stay_whole(helm: Path, tmp_path: Path) -> None:
    """A million in a file of values is rendered as 1000000, although helm reads numbers of files as floats.

    The gateway would not start with 1e+06.
    """
    extra = {"DIAL_GATEWAY_REPLAY_LIMIT": 1_000_000, "DIAL_GATEWAY_LINGER": 0.5}
    gateway = {
        "extraSettings": extra,
        "queueLimit": 1_000_000,
        "streamMaxAge": 100_000,
        "queueBytes": 1 << 40,
    }
    rendered = render_file(
        helm, tmp_path, {"gateway": gateway, "podSecurityContext": {"runAsUser": 2_000_000}}
    )

    assert rendered.count('value: "1000000"') == 2
    assert 'value: "0.5"' in rendered
    assert f'value: "{1 << 40}"' in rendered
    assert "runAsUser: 2000000\n" in rendered
    assert "e+0" not in rendered
