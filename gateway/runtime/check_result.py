"""The results of `dial-gateway check`."""

import enum
from typing import NamedTuple


class CheckResult(enum.Enum):
    """The result of one check. UNSURE is not a fault: a risk, or something that could not be checked."""

    GOOD = "ok"
    UNSURE = "unsure"
    WRONG = "WRONG"


class Finding(NamedTuple):
    """One check with its result and its text. The `topic` is empty if it is that of the line before."""

    result: CheckResult
    topic: str
    words: str
