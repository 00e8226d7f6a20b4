"""What holds for all tests."""

import gc

OBJECTS = 20_000
"""New objects after which Python's collector looks at the young ones; 700 unless told otherwise."""


def pytest_collection_finish() -> None:
    """Let Python's collector look less often, and never at what is there before the first test.

    Else it goes through all of that again and again, for a quarter of the time that the tests take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
