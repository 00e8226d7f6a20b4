"""Processes that tests start can be interrupted, however the test run itself was started."""

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
ASK = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
IN_THE_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
"""Runs a command as a shell does that starts it with `&`: with SIGINT ignored."""


def test_a_process_of_a_test_can_be_interrupted() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "True"


def test_so_it_is_in_a_test_run_in_the_background() -> None:
    """The test above passes in a test run that has inherited SIGINT as ignored."""
    only = f"{Path(__file__).relative_to(TREE)}::{test_a_process_of_a_test_can_be_interrupted.__name__}"
    command = [*IN_THE_BACKGROUND, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", only]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout
