"""Metrics as Prometheus reads them: its text format, version 0.0.4.

Names and labels follow OpenTelemetry's page on compatibility with Prometheus: dots become
underscores, a unit stands at the end, counters end in `_total`, annotations in braces are left out.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, Metric, MetricsData, Sum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNITS = {"s": "seconds", "By": "bytes", "1": "ratio"}
_PER = {"s": "second"}
_not_in_names = re.compile(r"[^a-zA-Z0-9_:]+")
_annotation = re.compile(r"\{[^}]*\}")
_escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_Labels = Mapping[str, Any] | None


def prometheus_text(data: MetricsData | None) -> str:
    """Return all metrics as one text; those of the same name must come together."""
    lines: list[str] = []
    for resource in data.resource_metrics if data else ():
        if resource.resource.attributes:
            lines.append("# HELP target_info The gateway itself\n# TYPE target_info gauge")
            lines.append(f"target_info{_labels(resource.resource.attributes)} 1")
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                lines.extend(_family(metric))
    return "\n".join([*lines, ""])


def name_of(name: str, unit: str, *, counter: bool) -> str:
    """Return the name of a metric as Prometheus has it."""
    plain = _not_in_names.sub("_", name)
    suffix = _suffix(unit)
    if suffix == "ratio" and counter:
        suffix = ""
    if suffix and not plain.endswith(f"_{suffix}"):
        plain += f"_{suffix}"
    return f"{plain}_total" if counter else plain


def _suffix(unit: str) -> str:
    top, slash, bottom = _annotation.sub("", unit).partition("/")
    top = _UNITS.get(top, _not_in_names.sub("_", top))
    return f"{top}_per_{_PER.get(bottom, bottom)}".strip("_") if slash else top


def _family(metric: Metric) -> Iterator[str]:
    data = metric.data
    counter = isinstance(data, Sum) and data.is_monotonic
    kind = "histogram" if isinstance(data, Histogram) else "counter" if counter else "gauge"
    name = name_of(metric.name, metric.unit or "", counter=counter)
    help_text = (metric.description or "").replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
    for point in data.data_points:
        if isinstance(point, HistogramDataPoint):
            yield from _histogram(name, point)
        else:
            yield f"{name}{_labels(point.attributes)} {_number(point.value)}"  # type: ignore[union-attr]


def _histogram(name: str, point: HistogramDataPoint) -> Iterator[str]:
    pairs = _pairs(point.attributes)
    total = 0
    for bound, count in zip([*map(float, point.explicit_bounds), math.inf], point.bucket_counts, strict=True):
        total += count
        yield f"{name}_bucket{_braced([*pairs, _pair('le', _number(bound))])} {total}"
    yield f"{name}_sum{_braced(pairs)} {_number(point.sum)}"
    yield f"{name}_count{_braced(pairs)} {point.count}"


def _labels(attributes: _Labels) -> str:
    return _braced(_pairs(attributes))


def _pairs(attributes: _Labels) -> list[str]:
    return [_pair(key, value) for key, value in (attributes or {}).items()]


def _pair(key: str, value: object) -> str:
    name = key if key.isidentifier() and key.isascii() else _not_in_names.sub("_", key).replace(":", "_")
    text = value if isinstance(value, str) else str(value)
    return f'{name}="{text.translate(_escapes)}"'


def _braced(pairs: Iterable[str]) -> str:
    inside = ",".join(pairs)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
