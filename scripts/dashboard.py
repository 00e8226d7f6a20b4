"""Generates Grafana's dashboard from `scripts/panels`; `python -m scripts.dashboard` writes it.

The result is in the chart's folder, where helm reads files, and deploy/grafana/ links to it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import panels
from scripts.promql import Query

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "deploy" / "helm" / "dial-gateway" / "files" / "dashboard.json"

COLUMNS = 24
WIDTH, HEIGHT = 8, 8
FIGURE_WIDTH, FIGURE_HEIGHT = 4, 4
"""Widths of the grid, of a panel and of a figure, and their heights."""

Json = dict[str, Any]


def dashboard() -> Json:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "dial-gateway",
        "title": "Dial Gateway",
        "description": "Demand, calls to Amazon Connect against the quota, campaigns, streams, processes.",
        "tags": ["dial-gateway"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def written() -> str:
    """Return the text of the dashboard's file."""
    return json.dumps(dashboard(), indent=1) + "\n"


def expressions() -> Iterator[str]:
    """Yield the expressions of all panels."""
    for row in panels.ROWS:
        for panel in row.panels:
            yield from (query.expr for query in panel.queries)


def _variables() -> Iterator[Json]:
    yield {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    known: list[str] = []
    for name, metric in (
        ("namespace", "dial_gateway_draining"),
        ("job", "dial_gateway_draining"),
        ("instance", "dial_gateway_draining"),
        ("campaign", "dial_gateway_backlog"),
    ):
        chosen = f"{{{','.join(known)}}}" if known else ""
        yield _variable(name, f"label_values({metric}{chosen}, {name})")
        known.append(f'{name}=~"${name}"')


def _variable(name: str, query: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": _DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _panels() -> Iterator[Json]:
    number = y = 0
    for row in panels.ROWS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": _at(0, y, COLUMNS, 1),
        }
        y += 1
        figures = all(panel.kind == "stat" for panel in row.panels)
        width, height = (FIGURE_WIDTH, FIGURE_HEIGHT) if figures else (WIDTH, HEIGHT)
        across = COLUMNS // width
        for index, panel in enumerate(row.panels):
            number += 1
            place = _at(index % across * width, y + index // across * height, width, height)
            yield {"id": number, "gridPos": place, **_panel(panel)}
        y += -(-len(row.panels) // across) * height


def _at(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: panels.Panel) -> Json:
    targets = [
        {"refId": chr(ord("A") + n), "expr": query.expr, "legendFormat": query.legend, **_how(panel, query)}
        for n, query in enumerate(panel.queries)
    ]
    made: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
    if panel.kind == "timeseries":
        stacking = {"stacking": {"mode": "normal" if panel.stacked else "none"}}
        made["fieldConfig"]["defaults"]["custom"] = {"fillOpacity": 30 if panel.stacked else 0, **stacking}
        made["options"] = {"legend": {"displayMode": "list"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        steps = [{"color": one.color, "value": one.at} for one in panel.thresholds]
        made["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
        made["options"] = {
            "colorMode": "background",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        }
    return made


def _how(panel: panels.Panel, query: Query) -> Json:
    """Return how a query is asked: once for a table, and with exemplars for a quantile over time."""
    if panel.kind == "table":
        return {"format": "table", "instant": True}
    quantile = query.expr.startswith("histogram_quantile(")
    return {"exemplar": True} if panel.kind == "timeseries" and quantile else {}


def main() -> int:
    """Write the dashboard to its file."""
    DASHBOARD.write_text(written(), encoding="utf-8")
    print(f"{DASHBOARD.relative_to(ROOT)}: {sum(len(row.panels) for row in panels.ROWS)} panels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
