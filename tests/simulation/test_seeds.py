"""Random worlds, each from one seed: every promise is checked after every step.

200 of them in `make test`, 1,500 in `make cases`.

More of them: `DIAL_GATEWAY_SEEDS=20000 python -m pytest tests/simulation/test_seeds.py`, from another
first one with `DIAL_GATEWAY_FIRST_SEED`. One of them: `DIAL_GATEWAY_SEED=1234 ... -k one_seed`.
"""

import os
import random

import pytest

from tests.cases import cases
from tests.simulation.traffic import random_world, run_seed

SEEDS = int(os.environ.get("DIAL_GATEWAY_SEEDS") or cases(200, 1500))
FIRST = int(os.environ.get("DIAL_GATEWAY_FIRST_SEED", "0"))
CHUNKS = 10


def simulate(seed: int) -> None:
    """Run one seed; if a promise is broken, raise with the command to repeat it and the last events."""
    rng = random.Random(seed)
    world = random_world(rng)
    try:
        run_seed(rng, world)
    except Exception as broken:
        last = "\n".join(" ".join(map(str, event)) for event in world.trace)
        command = f"DIAL_GATEWAY_SEED={seed} python -m pytest tests/simulation -k one_seed"
        what = f"{type(broken).__name__} at {world.now:.3f} s: {broken}"
        raise AssertionError(f"{what}\nrepeat it: {command}\n{world.limits}\n{last}") from broken


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_all_promises_hold(chunk: int) -> None:
    """Whatever callers, Connect and the clock do, every promise holds after every step."""
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        simulate(seed)


def test_one_seed_keeps_all_promises() -> None:
    """Run the seed that the environment names, to repeat a failure."""
    simulate(int(os.environ.get("DIAL_GATEWAY_SEED", "1")))
