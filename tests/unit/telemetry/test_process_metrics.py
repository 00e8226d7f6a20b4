"""Figures of the process under the names of Prometheus' client libraries, and the versions that run."""

import os
import platform
import resource
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.families import Numbers
from gateway.telemetry.process_metrics import gateway_version, process_families
from gateway.telemetry.prometheus_text import prometheus_text


def read() -> dict[str, float]:
    families = text_string_to_metric_families(prometheus_text(None, process_families()))
    return {one.name: one.value for family in families for one in family.samples}


def test_names_and_kinds_are_those_of_prometheus_own_library() -> None:
    """Dashboards for any process work: names and kinds are the ones that the Python client exports."""
    ours = {
        (family.name, family.type)
        for family in text_string_to_metric_families(prometheus_text(None, process_families()))
    }
    theirs = {
        (family.name, family.type) for family in ProcessCollector(registry=CollectorRegistry()).collect()
    }
    assert theirs
    assert theirs <= ours


def test_the_figures_are_those_of_this_process() -> None:
    """Processor time, memory, descriptors and start are what the system says."""
    before = read()
    with Path(os.devnull).open() as first, Path(os.devnull).open() as second:
        during = read()
        assert first.fileno() != second.fileno()
    assert during["process_open_fds"] == before["process_open_fds"] + 2
    assert before["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 0 < before["process_cpu_seconds_total"] <= during["process_cpu_seconds_total"]
    assert 1e6 < before["process_resident_memory_bytes"] < before["process_virtual_memory_bytes"]
    assert time.time() - 86_400 < before["process_start_time_seconds"] <= time.time() + 1


def test_without_proc_the_rest_is_exported(tmp_path: Path) -> None:
    """On a system without /proc a scrape still works."""
    names = {family.metric.name for family in process_families(tmp_path)}
    assert names == {"dial_gateway.build.info", "process.cpu"}


def test_the_versions_are_told() -> None:
    """The build series has the version of the gateway and of Python."""
    build = process_families()[0]
    assert isinstance(build, Numbers)
    assert build.metric.labels == ("version", "python_version")
    assert build.rows == [((gateway_version(), platform.python_version()), 1, 0)]
    assert gateway_version()[0].isdigit()
