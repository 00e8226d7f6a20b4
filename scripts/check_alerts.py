"""Checks that the dashboard is up to date and that the alerts pass their tests.

If promtool is available, it checks the rules and every expression of the dashboard, and runs the tests.
"""

import re
import sys
from collections.abc import Iterator

from scripts import alerts, dashboard


def main() -> int:
    """Run every check; 0 if all hold."""
    faults = [*_dashboard_faults(), *_alert_faults()]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _dashboard_faults() -> Iterator[str]:
    path = dashboard.DASHBOARD
    if not path.exists() or path.read_text(encoding="utf-8") != dashboard.written():
        yield f"{path.relative_to(dashboard.ROOT)}: differs from scripts/panels; run `make manifests`"


def _alert_faults() -> Iterator[str]:
    promtool = alerts.find_promtool()
    if promtool is None:
        print("alerts: promtool is not installed, so their tests were not run")
        return
    try:
        alerts.check(promtool)
        alerts.check_expressions(promtool, map(filled_in, dashboard.expressions()))
        files = alerts.run_tests(promtool)
    except alerts.RulesError as error:
        yield f"alerts: {error}"
    else:
        print(f"alerts: {len(alerts.rules())} rules, and {files} files of tests passed")


def filled_in(expression: str) -> str:
    """Return an expression of the dashboard as Grafana sends it, with a value for each variable."""
    return re.sub(r"\$\w+", ".*", expression.replace("$__rate_interval", "5m"))


if __name__ == "__main__":
    sys.exit(main())
