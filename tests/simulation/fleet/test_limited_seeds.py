"""Random fleets with a contact limit, each from one seed: nobody is dialed more often, whatever fails.

2 of them in `make test`, 60 in `make cases`. More of them:
`DIAL_GATEWAY_SEEDS=1000 python -m pytest tests/simulation/fleet/test_limited_seeds.py`, from another first
one with `DIAL_GATEWAY_FIRST_SEED`.
"""

import os
import random
from collections import Counter

import pytest

from gateway.core.model import Reason
from tests.cases import cases
from tests.simulation.fleet.limited import Dials, run_limited_seed
from tests.simulation.fleet.virtual_loop import run

SEEDS = int(os.environ.get("DIAL_GATEWAY_SEEDS") or cases(2, 60))
FIRST = int(os.environ.get("DIAL_GATEWAY_FIRST_SEED", "0"))
CHUNKS = 2


def simulate(seed: int) -> Dials:
    """Run one seed; if a promise is broken, raise with the command to repeat it."""
    try:
        return run(run_limited_seed(random.Random(seed)))
    except Exception as broken:
        command = f"DIAL_GATEWAY_FIRST_SEED={seed} DIAL_GATEWAY_SEEDS=1 python -m pytest {__file__}"
        raise AssertionError(f"{type(broken).__name__}: {broken}\nrepeat it: {command}") from broken


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_limits_hold_in_a_fleet(chunk: int) -> None:
    """Contact limits hold whatever callers, replicas, the store and Connect do; some calls are made."""
    dialed, reasons = 0, Counter[Reason]()
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        dials = simulate(seed)
        dialed += sum(map(len, dials.of.values()))
        reasons += dials.reasons()
    assert dialed > 0
    assert reasons[Reason.CONTACT_LIMIT] > 0
