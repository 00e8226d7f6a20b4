"""Dial requests a second through one gateway process, compared with a script that calls boto3.

There is no call limit, and Connect answers at once. The two are measured alternately, so that machine load
affects both; the ratio is that of the medians.
"""

from statistics import median

from benchmarks.processes import gateway, output_of, sink

DIRECT, THROUGH = 25_000, 50_000
LIST = 100
ROUNDS = 5


def run() -> None:
    """Measure and print."""
    direct, through = [], []
    with sink() as url, gateway(url, call_rate="0") as (address, _):
        for _ in range(ROUNDS):
            direct.append(float(output_of("direct", str(DIRECT), endpoint=url)))
            seconds, accepted = output_of("load", address, str(THROUGH), str(LIST), "4").split()
            assert int(accepted) == THROUGH, "every dial request must be accepted"
            through.append(THROUGH / float(seconds))
    print(f"boto3 in a script, batches of 25   {_spread(direct)}")
    print(f"gateway, lists of {LIST}               {_spread(through)}")
    print(f"ratio of the medians               {median(through) / median(direct):.2f}")


def _spread(rates: list[float]) -> str:
    return f"{median(rates):8,.0f} dial requests/s ({min(rates):,.0f} to {max(rates):,.0f})"
