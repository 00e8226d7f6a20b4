"""Random fleets, each from one seed: every promise is checked across all replicas, whatever fails.

8 of them in `make test`, 32 in `make cases`. More of them:
`DIAL_GATEWAY_SEEDS=5000 python -m pytest tests/simulation/fleet/test_fleet_seeds.py`, from another
first one with `DIAL_GATEWAY_FIRST_SEED`. One of them: `DIAL_GATEWAY_SEED=1234 ... -k one_fleet`.
"""

import os
import random

import pytest

from tests.cases import cases
from tests.simulation.fleet.traffic import run_seed
from tests.simulation.fleet.virtual_loop import run

SEEDS = int(os.environ.get("DIAL_GATEWAY_SEEDS") or cases(8, 32))
FIRST = int(os.environ.get("DIAL_GATEWAY_FIRST_SEED", "0"))
CHUNKS = 4


def simulate(seed: int) -> None:
    """Run one seed; if a promise is broken, raise with the command to repeat it."""
    try:
        run(run_seed(random.Random(seed)))
    except Exception as broken:
        command = f"DIAL_GATEWAY_SEED={seed} python -m pytest tests/simulation/fleet -k one_fleet"
        raise AssertionError(f"{type(broken).__name__}: {broken}\nrepeat it: {command}") from broken


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_fleet_keeps_all_promises(chunk: int) -> None:
    """Whatever callers, replicas, the store, Connect and clocks do, every promise holds."""
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        simulate(seed)


def test_one_fleet_keeps_all_promises() -> None:
    """Run the seed that the environment names, to repeat a failure."""
    simulate(int(os.environ.get("DIAL_GATEWAY_SEED", "1")))
