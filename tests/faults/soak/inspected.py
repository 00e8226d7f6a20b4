"""`python -m tests.faults.soak.inspected`: `dial-gateway`, which also writes what its memory consists of.

At SIGUSR2 it writes JSON to the file that `OBJECTS_FILE` names: the number of its objects of each type that
the garbage collector knows, and of all memory blocks that Python has allocated, also those of texts.
"""

import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from gateway.cli.entry import main
from tests.faults.processes import OBJECTS_FILE

INSPECTED = "tests.faults.soak.inspected"


def object_types() -> Counter[str]:
    """Return how many objects of each type the garbage collector knows."""
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def _write_objects(*_: object) -> None:
    file = Path(os.environ[OBJECTS_FILE])
    written = file.with_suffix(".written")
    document = {"types": object_types(), "blocks": sys.getallocatedblocks()}
    written.write_text(json.dumps(document), encoding="utf-8")
    written.replace(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _write_objects)
    sys.exit(main())
