"""Metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0, which has exemplars.

Names and labels follow OpenTelemetry's page on compatibility with Prometheus: dots become
underscores, a unit stands at the end, counters end in `_total`, annotations in braces are left out.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from opentelemetry.sdk.metrics import export as otel

from gateway.telemetry.distributions import Exemplar
from gateway.telemetry.families import Family, Histogram, Numbers, Row

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PART = 500
"""Lines that are written at once: less than a millisecond."""

_UNITS = {"s": "seconds", "By": "bytes", "1": "ratio"}
_PER = {"s": "second"}
_not_in_names = re.compile(r"[^a-zA-Z0-9_:]+")
_annotation = re.compile(r"\{[^}]*\}")
_Labels = Mapping[str, Any] | None


def content_type_for(accept: str) -> str:
    """Return the content type that a reader prefers, by its `Accept` header: OpenMetrics only if it asks."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media_type in weights and given.get("version", "1.0.0") in {"0.0.4", "1.0.0"}:
            weights[media_type] = max(weights[media_type], _weight(given.get("q", "1")))
    wanted, plain = weights.values()
    return OPENMETRICS if wanted > 0 and wanted >= plain else CONTENT_TYPE


def _weight(text: str) -> float:
    """Return a weight of an `Accept` header; 0 if it is malformed."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def prometheus_text(
    data: otel.MetricsData | None, families: Iterable[Family] = (), content_type: str = CONTENT_TYPE
) -> str:
    """Return all metrics as one text; those of the same name must come together."""
    return "\n".join(
        [line for part in parts_of_text(data, families, content_type) for line in part] + [""],
    )


def parts_of_text(
    data: otel.MetricsData | None, families: Iterable[Family], content_type: str
) -> Iterator[list[str]]:
    """Yield the lines of all metrics in parts of limited size."""
    format_ = _Format(openmetrics=content_type == OPENMETRICS)
    resources = data.resource_metrics if data else ()
    for resource in resources:
        if resource.resource.attributes:
            yield format_.target(resource.resource.attributes)
    for family in families:
        if isinstance(family, Histogram):
            yield list(format_.histograms(family))
        else:
            yield from format_.numbers(family)
    for resource in resources:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield list(format_.metric(metric))
    if format_.openmetrics:
        yield ["# EOF"]


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


class _Format:
    """Writes metrics in one of the two formats, which differ in heads and exemplars only."""

    def __init__(self, *, openmetrics: bool) -> None:
        self.openmetrics = openmetrics
        self._escaped: dict[str, str] = {}

    def target(self, attributes: Mapping[str, Any]) -> list[str]:
        """Return the lines that describe the process."""
        name, kind = ("target", "info") if self.openmetrics else ("target_info", "gauge")
        return [
            f"# HELP {name} The gateway itself",
            f"# TYPE {name} {kind}",
            f"target_info{_labels(attributes)} 1",
        ]

    def numbers(self, family: Numbers) -> Iterator[list[str]]:
        """Yield the lines of a counter or a gauge in parts."""
        metric = family.metric
        name = name_of(metric.name, metric.unit, counter=family.counter)
        yield list(self._head(name, "counter" if family.counter else "gauge", metric.description))
        for begin in range(0, len(family.rows), PART):
            yield self._lines(name, metric.labels, family.rows[begin : begin + PART])

    def histograms(self, family: Histogram) -> Iterator[str]:
        """Yield the lines of a histogram."""
        metric = family.metric
        name = name_of(metric.name, metric.unit, counter=False)
        yield from self._head(name, "histogram", metric.description)
        for labels, found in family.rows:
            pairs = [_pair(key, value) for key, value in zip(metric.labels, labels, strict=True)]
            exemplars = found.exemplars if self.openmetrics else {}
            yield from _buckets(name, pairs, found.bounds, found.buckets, exemplars)
            yield f"{name}_sum{_braced(pairs)} {_number(found.sum)}"
            yield f"{name}_count{_braced(pairs)} {found.count}"

    def metric(self, metric: otel.Metric) -> Iterator[str]:
        """Yield the lines of a metric that the SDK has collected."""
        data = metric.data
        counter = isinstance(data, otel.Sum) and data.is_monotonic
        kind = "histogram" if isinstance(data, otel.Histogram) else "counter" if counter else "gauge"
        name = name_of(metric.name, metric.unit or "", counter=counter)
        yield from self._head(name, kind, metric.description or "")
        for point in data.data_points:
            if isinstance(point, otel.HistogramDataPoint):
                pairs = _pairs(point.attributes)
                yield from _buckets(name, pairs, point.explicit_bounds, point.bucket_counts, {})
                yield f"{name}_sum{_braced(pairs)} {_number(point.sum)}"
                yield f"{name}_count{_braced(pairs)} {point.count}"
            else:
                yield f"{name}{_labels(point.attributes)} {_number(point.value)}"  # type: ignore[union-attr]

    def _lines(self, name: str, labels: Sequence[str], rows: Iterable[Row]) -> list[str]:
        """Return the line of each row. With many campaigns this is most of the text, so it must be fast."""
        known, escape = self._escaped, self._escape
        if len(labels) == 1:
            begin = f'{name}{{{labels[0]}="'
            return [
                f'{begin}{known.get(value) or escape(value)}"}} '
                f"{number if type(number) is int else _number(number)}"
                for (value,), number, _ in rows
            ]
        pairs = ",".join([f'{label}="%s"' for label in labels])
        template = f"{name}{{{pairs}}} %s" if labels else f"{name} %s"
        return [
            template % (*[known.get(value) or escape(value) for value in values], _number(number))
            for values, number, _ in rows
        ]

    def _escape(self, value: str) -> str:
        escaped = self._escaped[value] = _escaped(value)
        return escaped

    def _head(self, name: str, kind: str, description: str) -> Iterator[str]:
        if self.openmetrics and kind == "counter":
            name = name.removesuffix("_total")
        quotes = '\\"' if self.openmetrics else '"'
        yield f"# HELP {name} {_escaped(description, quotes)}"
        yield f"# TYPE {name} {kind}"


def _buckets(
    name: str,
    pairs: list[str],
    bounds: Sequence[float],
    counts: Sequence[int],
    exemplars: Mapping[int, Exemplar],
) -> Iterator[str]:
    """Yield the lines of the cumulative buckets."""
    totals = zip([*map(float, bounds), math.inf], accumulate(counts), strict=True)
    for bucket, (bound, total) in enumerate(totals):
        line = f"{name}_bucket{_braced([*pairs, _pair('le', _number(bound))])} {total}"
        yield line + _exemplar(exemplars[bucket]) if bucket in exemplars else line


def _exemplar(exemplar: Exemplar) -> str:
    names = f'{{trace_id="{exemplar.trace_id:032x}",span_id="{exemplar.span_id:016x}"}}'
    return f" # {names} {_number(exemplar.value)} {exemplar.at_ns / 1e9:.3f}"


def _labels(attributes: _Labels) -> str:
    return _braced(_pairs(attributes))


def _pairs(attributes: _Labels) -> list[str]:
    """Return the labels of attributes. The values of those with the same label are joined by semicolons."""
    values: dict[str, list[str]] = {}
    for key, value in sorted((attributes or {}).items()):
        values.setdefault(_label_of(key), []).append(str(value))
    return [_pair(label, ";".join(found)) for label, found in values.items()]


def _label_of(key: str) -> str:
    """Return the label of an attribute: a reader refuses the whole text for one label that is not valid."""
    label = _not_in_names.sub("_", key).replace(":", "_")
    return f"_{label}" if label[:1].isdigit() else label


def _pair(label: str, value: str) -> str:
    return f'{label}="{_escaped(value)}"'


def _escaped(text: str, quotes: str = '\\"') -> str:
    return text.replace("\\", "\\\\").replace('"', quotes).replace("\n", "\\n")


def _braced(pairs: Iterable[str]) -> str:
    inside = ",".join(pairs)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    if type(value) is int or math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
