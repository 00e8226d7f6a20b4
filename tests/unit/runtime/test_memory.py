"""When memory is given back after a flood."""

import ctypes
import gc
import os
import weakref

import pytest

from benchmarks.processes import resident_mb
from gateway.runtime.memory import (
    CHECKS_BETWEEN,
    FEW_OUTSTANDING,
    FLOOD_FROM,
    FLOOD_OVER_DIVISOR,
    LARGE,
    TidySchedule,
    configure_collector,
    tenured,
    trim_heap,
)


def test_a_flood_is_over_once_little_is_outstanding() -> None:
    """After a flood memory is returned at once, and again when the remaining calls have ended."""
    schedule = TidySchedule()
    assert [
        schedule.is_due(outstanding)
        for outstanding in (0, FLOOD_FROM, FLOOD_FROM // 2, FLOOD_FROM // FLOOD_OVER_DIVISOR, 0, 0, 0)
    ] == [
        *(False, False, False),
        *(True, False, True, False),
    ]


def test_a_flood_is_over_only_once_a_full_collection_is_short() -> None:
    """A tenth of 200,000 is still so much that a full collection would stop the event loop for long."""
    schedule = TidySchedule()
    due = [
        schedule.is_due(outstanding)
        for outstanding in (200_000, 20_000, FEW_OUTSTANDING + 1, FEW_OUTSTANDING, FEW_OUTSTANDING)
    ]
    assert due == [False, False, False, True, False]


def test_each_flood_counts() -> None:
    """A second flood is tidied like the first."""
    schedule = TidySchedule()
    assert [schedule.is_due(outstanding) for outstanding in (FLOOD_FROM, 0, FLOOD_FROM, 0)] == [
        False,
        True,
        False,
        True,
    ]


def test_small_change_is_no_flood() -> None:
    """Less than much, however often it comes and goes, calls for no pause of its own."""
    schedule = TidySchedule()
    assert not any(
        schedule.is_due(outstanding) for outstanding in (FLOOD_FROM - 1, 0) * (CHECKS_BETWEEN // 2 - 1)
    )


def test_a_gateway_that_holds_little_is_tidied_now_and_then() -> None:
    """While few requests are outstanding, a full collection runs every few checks, and never with many."""
    schedule = TidySchedule()
    due = [schedule.is_due(FEW_OUTSTANDING) for _ in range(2 * CHECKS_BETWEEN)]
    assert due == 2 * [*(CHECKS_BETWEEN - 1) * [False], True]
    assert not any(schedule.is_due(FEW_OUTSTANDING + 1) for _ in range(2 * CHECKS_BETWEEN))
    assert schedule.is_due(FEW_OUTSTANDING)


def test_old_objects_are_collected_only_on_request() -> None:
    """However many objects there are, Python collects young ones often, and never all of them."""
    before = gc.get_threshold()
    try:
        configure_collector()
        collected = [each["collections"] for each in gc.get_stats()]
        kept = [[number] for number in range(200_000)]
        young, middle, full = (each["collections"] for each in gc.get_stats())
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    assert len(kept) == 200_000
    assert young - collected[0] + middle - collected[1] >= 35
    assert middle - collected[1] >= 7
    assert full == collected[2]


def test_what_the_imports_leave_behind_is_freed_before_the_rest_is_kept() -> None:
    """The collector is disabled during the imports; no object that they have dropped stays for good."""
    before, dropped = gc.get_threshold(), Dropped()
    dropped.itself = dropped
    seen = weakref.ref(dropped)
    gc.disable()
    try:
        del dropped
        configure_collector()
        assert seen() is None
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*before)


class Dropped:
    """Refers to itself, so only the collector can free it."""

    itself: "Dropped | None" = None


def in_generation(number: int, container: object) -> bool:
    """Whether the collector counts a container to one of its generations."""
    return any(one is container for one in gc.get_objects(generation=number))


def test_large_containers_are_never_young() -> None:
    """Collections of young objects do not visit the items of a container that was announced as large."""
    rows: dict[str, list[int]] = {}
    names: list[list[int]] = []
    assert tenured(rows, LARGE) is rows
    assert tenured(names, LARGE) is names
    assert (rows, names) == ({}, [])
    rows["row"] = [1]
    names.append([1])
    assert in_generation(2, rows)
    assert in_generation(2, names)


def test_small_containers_stay_young() -> None:
    """A small container is not worth a collection."""
    assert not in_generation(2, tenured([], LARGE - 1))


def test_memory_is_given_back() -> None:
    """If the C library can trim its heap, trimming succeeds."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this C library gives memory back by itself")
    blocks = [bytes(5000) for _ in range(10_000)]
    pin, before_mb = blocks[-1], resident_mb(os.getpid())
    del blocks
    trim_heap()
    # half of it: the rest may lie below memory that is in use
    assert resident_mb(os.getpid()) < before_mb - 25
    assert len(pin) == 5000  # it kept the heap from shrinking by itself
