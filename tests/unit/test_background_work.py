"""Nothing runs in the background without a place that notices when it dies.

A task or thread whose exception nobody sees leaves the gateway half alive. The table names every place that
begins one, and who notices its end. A new place needs a row, and the thought that goes with it.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEGINS = frozenset(("create_task", "ensure_future", "Thread", "TaskGroup", "run_coroutine_threadsafe"))

SUPERVISED = "the supervisor: the process ends"
AWAITED = "who waits for it: the exception is raised there"
GOES_ON = "itself: it logs any exception, and goes on or is begun again"
PASSED_ON = "itself: it passes any exception on to who has asked"
LOGGED = "its done callback, which logs it"
BLOCKS = "itself: it notes that it is dead, and what depends on it stops"
NOT_NEEDED = "the hook for uncaught exceptions of threads, which logs it: only lines of the log depend on it"
LAST = "who waits for it at the end of the process, for a time"

NOTICED_BY = {
    "admin/listener.py:_serve": LOGGED,
    "admin/routes.py:operation": AWAITED,
    "admin/routes.py:handler": AWAITED,
    "api/campaign_service.py:_wait_for_any": AWAITED,
    "api/dial_request_service.py:_begin": SUPERVISED,
    "api/operation_call.py:completed": AWAITED,
    "api/streams.py:_retire": SUPERVISED,
    "api/visible_campaigns.py:_once": AWAITED,
    "cli/fleet_demo.py:run": AWAITED,
    "cli/process.py:serve": AWAITED,
    "cli/serve.py:_flush_stdout": LAST,
    "composition/tasks.py:begin": SUPERVISED,
    "connect/credentials.py:start": GOES_ON,
    "connect/credentials.py:_attempt": GOES_ON,
    "connect/fake.py:_unless_revoked": AWAITED,
    "connect/resolver.py:begin": PASSED_ON,
    "connect/thread_pool.py:_provide": PASSED_ON,
    "control/fleet_snapshots.py:_look": AWAITED,
    "control/monitoring.py:metrics": AWAITED,
    "control/monitoring.py:observe": AWAITED,
    "control/snapshots.py:_begin": AWAITED,
    "directory/reader.py:_until_due": AWAITED,
    "dispatch/call_tasks.py:_start": SUPERVISED,
    "fleet/actions.py:_start": SUPERVISED,
    "fleet/first_reply.py:first_reply": AWAITED,
    "fleet/member.py:_look_for_ended": GOES_ON,
    "runtime/logs/core_lines.py:__init__": NOT_NEEDED,
    "runtime/logs/writer.py:__init__": NOT_NEEDED,
    "shared_state/cluster.py:node_of": AWAITED,
    "shared_state/connections.py:start": GOES_ON,
    "shared_state/first_answer.py:first_answer": AWAITED,
    "shared_state/presence.py:keep": GOES_ON,
    "telemetry/final_export.py:run_all": LAST,
    "telemetry/final_export.py:run_for": LAST,
    "trail/writer.py:start": BLOCKS,
}


def places() -> Counter[str]:
    """Return how often each function of the gateway begins a task or thread."""
    found: Counter[str] = Counter()
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                begun = sum(map(_begins, ast.walk(function)))
                if begun:
                    found[f"{path.relative_to(ROOT / 'gateway')}:{function.name}"] += begun
    return found


def _begins(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in BEGINS


def test_everything_that_runs_in_the_background_is_watched() -> None:
    """Each place that begins a task or thread has a row, and each row a place."""
    assert places().keys() == NOTICED_BY.keys()
