"""When memory is given back after a flood."""

import ctypes
import os

import pytest

from benchmarks.processes import resident_mb
from gateway.runtime.memory import LITTLE, LOOKS, MUCH, SHARE, Tidying, give_back


def test_a_flood_is_over_once_little_is_held() -> None:
    """After a flood memory is returned at once, and again when the remaining calls have ended."""
    tidying = Tidying()
    assert [tidying.is_due(held) for held in (0, MUCH, MUCH // 2, MUCH // SHARE, 0, 0, 0)] == [
        *(False, False, False),
        *(True, False, True, False),
    ]


def test_a_flood_is_over_only_once_a_full_collection_is_short() -> None:
    """A tenth of 200,000 is still so much that a full collection would stop the event loop for long."""
    tidying = Tidying()
    due = [tidying.is_due(held) for held in (200_000, 20_000, LITTLE + 1, LITTLE, LITTLE)]
    assert due == [False, False, False, True, False]


def test_each_flood_counts() -> None:
    """A second flood is tidied like the first."""
    tidying = Tidying()
    assert [tidying.is_due(held) for held in (MUCH, 0, MUCH, 0)] == [False, True, False, True]


def test_small_change_is_no_flood() -> None:
    """Less than much, however often it comes and goes, calls for no pause of its own."""
    tidying = Tidying()
    assert not any(tidying.is_due(held) for held in (MUCH - 1, 0) * (LOOKS // 2 - 1))


def test_a_gateway_that_holds_little_is_tidied_now_and_then() -> None:
    """While few requests are outstanding, a full collection runs every few checks, and never with many."""
    tidying = Tidying()
    due = [tidying.is_due(LITTLE) for _ in range(2 * LOOKS)]
    assert due == 2 * [*(LOOKS - 1) * [False], True]
    assert not any(tidying.is_due(LITTLE + 1) for _ in range(2 * LOOKS))
    assert tidying.is_due(LITTLE)


def test_memory_is_given_back() -> None:
    """If the C library can trim its heap, trimming succeeds."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this C library gives memory back by itself")
    blocks = [bytes(5000) for _ in range(10_000)]
    pin, before_mb = blocks[-1], resident_mb(os.getpid())
    del blocks
    give_back()
    # half of it: the rest may lie below memory that is in use
    assert resident_mb(os.getpid()) < before_mb - 25
    assert len(pin) == 5000  # it kept the heap from shrinking by itself
