"""Random fleets whose operators suppress numbers, each from one seed: nobody is called after that.

4 of them in `make test`, 60 in `make cases`. More of them:
`DIAL_GATEWAY_SEEDS=1000 python -m pytest tests/simulation/fleet/test_suppressed_seeds.py`, from another first
one with `DIAL_GATEWAY_FIRST_SEED`.
"""

import os
import random

from gateway.core.model import Reason
from tests.cases import cases
from tests.simulation.fleet.suppressed import SuppressingFleet, run_suppressed_seed
from tests.simulation.fleet.virtual_loop import run

SEEDS = int(os.environ.get("DIAL_GATEWAY_SEEDS") or cases(4, 60))
FIRST = int(os.environ.get("DIAL_GATEWAY_FIRST_SEED", "0"))


def simulate(seed: int) -> SuppressingFleet:
    """Run one seed; if a promise is broken, raise with the command to repeat it."""
    try:
        return run(run_suppressed_seed(random.Random(seed)))
    except Exception as broken:
        command = f"DIAL_GATEWAY_FIRST_SEED={seed} DIAL_GATEWAY_SEEDS=1 python -m pytest {__file__}"
        raise AssertionError(f"{type(broken).__name__}: {broken}\nrepeat it: {command}") from broken


def test_nobody_is_called_after_a_suppression() -> None:
    """No suppressed number is called, whatever callers, replicas, the store and Connect do."""
    accepted = suppressed = everywhere = 0
    for seed in range(FIRST, FIRST + SEEDS):
        fleet = simulate(seed)
        accepted += len(fleet.connect.journal)
        everywhere += fleet.everywhere
        suppressed += sum(told.answer.reason is Reason.SUPPRESSED for told in fleet.promises.told)
    assert accepted > 0
    assert suppressed > 0
    assert everywhere > 0
