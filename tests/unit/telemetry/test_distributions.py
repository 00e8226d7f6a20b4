"""Distributions: the bucket of each value, the sums, the exemplars, and copies."""

import pytest

from gateway.telemetry.distributions import Distribution, Distributions, Exemplar
from gateway.telemetry.metric_definitions import BATCH_SIZE

BOUNDS = (1.0, 2.5)


def test_a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    """Bounds are inclusive, and the last bucket has the values above all of them."""
    found = Distribution(BOUNDS)
    for value in (0.0, 1.0, 1.1, 2.0, 2.5, 99.0):
        found.add(value)
    assert found.buckets == [2, 3, 1]
    assert found.count == 6
    assert found.sum == pytest.approx(105.6)
    assert (found.least, found.largest) == (0.0, 99.0)


def test_equal_values_are_counted_at_once() -> None:
    """A value that occurred several times counts as often."""
    once, together = Distribution(BOUNDS), Distribution(BOUNDS)
    for _ in range(25):
        once.add(2.0)
    together.add(2.0, 25)
    assert (once.buckets, once.sum, once.count) == (together.buckets, together.sum, together.count)


def test_the_newest_exemplar_of_each_bucket_is_kept() -> None:
    """An exemplar replaces the one of its own bucket, which its value lies in."""
    found = Distribution(BOUNDS)
    first, second, high = (Exemplar(value, at, 1, 2) for at, value in enumerate((0.5, 1.0, 7.0)))
    for exemplar in (first, second, high):
        found.illustrate(exemplar)
    assert found.exemplars == {0: second, 2: high}


def test_label_values_have_distributions_of_their_own() -> None:
    """Values under different labels do not mix, and a copy does not change with later values."""
    sizes = Distributions(BATCH_SIZE)
    sizes.of("full").add(25)
    sizes.of("linger").add(3)
    sizes.of("full").illustrate(Exemplar(25, 1, 2, 3))
    copies = dict(sizes.copies())
    sizes.of("full").add(25)
    sizes.of("full").illustrate(Exemplar(1, 2, 2, 3))
    assert {labels: (found.count, found.sum, found.largest) for labels, found in copies.items()} == {
        ("full",): (1, 25, 25),
        ("linger",): (1, 3, 3),
    }
    assert list(copies["full",].exemplars) == [BATCH_SIZE.bounds.index(25)]
