"""The metrics that exist, and the metrics and labels that a PromQL expression uses."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.access.refusal import AccessRefusal
from gateway.connect.api_versions import OPERATIONS
from gateway.core import errors
from gateway.core.campaigns.condition import Condition
from gateway.core.compliance.records import GuardDecision
from gateway.core.model import FlushReason, Outcome, Reason
from gateway.core.views.snapshot import CONCURRENCY, CREDENTIALS, RATE, SHARED_STATE
from gateway.telemetry import directory_metrics, fleet_metrics, guard_metrics, metric_definitions
from gateway.telemetry.campaign_metrics import ON_HOLD
from gateway.telemetry.counters import THROTTLES
from gateway.telemetry.prometheus_text import name_of

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
TARGET = frozenset({"namespace", "job", "instance"})
"""Labels that Prometheus adds to every metric of a target."""
FOREIGN = {"up": TARGET, "target_info": TARGET | {"service_name", "service_version"}}
"""Metrics of Prometheus and OpenTelemetry, which the gateway does not define."""

_row = re.compile(r"^\| `((?:dial_gateway|process)_\w+)` \| (\w+) \|[^|]*\|([^|]*)\|", re.MULTILINE)
_word = re.compile(r'"[^"]*"|\[[^]]*\]|[a-zA-Z_:][\w:]*')
_used = re.compile(
    r"(?<![\w:])(?P<name>(?:dial_gateway_|process_|up\b|target_info\b)\w*)(?P<chosen>\{[^}]*\})?"
)
_matcher = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_labels = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")


class Known(NamedTuple):
    """An existing metric: its kind and its labels, including those of a target."""

    kind: str
    labels: frozenset[str]


class Use(NamedTuple):
    """A metric as an expression names it (`series` includes the suffix), and the matchers on its labels."""

    series: str
    matchers: list[tuple[str, str]]


def _failures(kind: type[errors.CallFailure]) -> Iterator[str]:
    yield kind.__name__
    for inner in kind.__subclasses__():
        yield from _failures(inner)


VALUES = {
    "outcome": {outcome.name for outcome in Outcome},
    "reason": {reason.name for reason in Reason},
    "condition": {ON_HOLD, *(condition.value for condition in Condition)},
    "result": {"ok", *_failures(errors.CallFailure)},
    "lacking": {RATE, CONCURRENCY, SHARED_STATE, CREDENTIALS, "window", "room"},
    "kind": {*THROTTLES, "unavailable", "refused"},
    "flush": {reason.value for reason in FlushReason},
    "operation": {*OPERATIONS, "beat", "claim", "settle", "look_up", "act", "report"},
    "refusal": {refusal.value for refusal in AccessRefusal},
    "file": {"policy", "certificate", "campaigns", "guard", "settings", "admin_token"},
    "decision": {"granted", "denied", *(decision.value for decision in GuardDecision)},
    "campaign": {"other"},
}
"""The values of labels whose values the gateway defines."""


@functools.cache
def catalogued() -> dict[str, Known]:
    """Return the metrics that the gateway defines under their Prometheus names, with kinds and labels from
    docs/metrics.md.
    """
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in _rows()}
    found = {}
    for metric in _metrics():
        names = {name_of(metric.name, metric.unit, counter=counter) for counter in (False, True)}
        (name,) = names & documented.keys() or {min(names, key=len)}
        kind, labels = documented.get(name, ("gauge", set()))
        found[name] = Known(kind, TARGET | labels)
    return found


@functools.cache
def series() -> dict[str, frozenset[str]]:
    """Return the labels of each series that expressions may name: a histogram has three."""
    found = dict(FOREIGN)
    for name, (kind, labels) in catalogued().items():
        if kind == "histogram":
            found |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": labels | {"le"}}
        else:
            found[name] = labels
    return found


def metric_of(name: str) -> str:
    """Return the metric that a series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def uses(expression: str) -> list[Use]:
    """Return the metrics that an expression uses, without recorded ones."""
    plain = re.sub(r"[a-zA-Z_]\w*(:\w+)+(\{[^}]*\})?", "", expression)
    return [
        Use(found["name"], [(label, value) for label, _, value in _matcher.findall(found["chosen"] or "")])
        for found in _used.finditer(plain)
    ]


def recorded(expression: str) -> set[str]:
    """Return the names of recording rules that an expression uses."""
    return {word for word in _word.findall(expression) if ":" in word and word[0] not in '"['}


def aggregation_labels(expression: str) -> set[str]:
    """Return the labels that an expression aggregates or matches by."""
    return {label.strip() for group in _labels.findall(expression) for label in group.split(",")} - {""}


def faults(expression: str) -> list[str]:
    """Return every metric, label or value in an expression that does not exist."""
    known, found, seen = series(), [], set[str]()
    for use in uses(expression):
        if use.series not in known:
            found.append(f"there is no {use.series}")
            continue
        seen |= known[use.series]
        for label, value in use.matchers:
            found += [f"{use.series} has no {label}"] if label not in known[use.series] else []
            found += [f"{label} is never {value}"] if not _can_be(label, value) else []
    if not recorded(expression):
        found += [f"nothing has a label {label}" for label in aggregation_labels(expression) - seen]
    return found


def _can_be(label: str, value: str) -> bool:
    return label not in VALUES or "$" in value or set(value.split("|")) <= VALUES[label]


def _rows() -> list[tuple[str, str, str]]:
    return _row.findall(DOCS.read_text(encoding="utf-8"))


def _metrics() -> Iterator[metric_definitions.Metric]:
    yield from (
        value
        for module in (metric_definitions, fleet_metrics, directory_metrics, guard_metrics)
        for value in vars(module).values()
        if isinstance(value, metric_definitions.Metric)
    )
