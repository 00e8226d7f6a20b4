"""Where the queue of a caller takes turns: by standing and priority."""

import enum
from typing import NamedTuple

from gateway.core.model import Priority


class Standing(enum.IntEnum):
    """Whether Connect is expected to have a campaign that a caller names."""

    REGULAR = 0
    DOUBTFUL = 1


class Place(NamedTuple):
    """The division of ready queues in which a caller's queue takes turns."""

    standing: Standing
    priority: Priority
