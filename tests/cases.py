"""How many random cases the tests run.

`make test` runs fewer than `make cases`. A case is the same in both: the same world, length and checks.
`make test` always runs the same cases, so that it does not fail by chance; in `make cases` Hypothesis chooses
new ones each time.
"""

import os

from hypothesis import settings
from hypothesis.internal.conjecture import providers

MORE = "DIAL_GATEWAY_MORE_CASES"
"""The variable that asks for all cases."""


def cases(few: int, all_: int) -> int:
    """Return the number of cases of a test: `few`, or `all_` for `make cases`."""
    return all_ if os.environ.get(MORE) else few


def choose_profile() -> None:
    """Give Hypothesis its defaults, before a test module is imported. No example has a deadline.

    An example may take any time: the machine may be busy.
    """
    if not os.environ.get(MORE):
        _leave_out_constants()
    settings.register_profile("test", deadline=None, derandomize=True, database=None)
    settings.register_profile("cases", deadline=None)
    settings.load_profile("cases" if os.environ.get(MORE) else "test")


def _leave_out_constants() -> None:
    """Keep Hypothesis from drawing constants that it reads in our modules.

    They make cases depend on which modules are loaded and on every number in the code. Each process would
    also parse all of the code. Hypothesis has no setting for this.
    """
    providers._get_local_constants = lambda: providers._local_constants
