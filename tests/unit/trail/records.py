"""Records and trails for tests."""

from pathlib import Path

from gateway.compliance.number_hash import NumberHash
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.model import DialRequest, Reason
from gateway.trail.lines import Lines
from gateway.trail.trail_file import TrailFile
from gateway.trail.writer import Trail

KEY = b"a key of sixteen bytes or more"
NOON = 1_796_040_000.25
"""A time, in seconds since the epoch: 2026-11-30T12:00:00.250Z."""
NUMBER, OTHER = "+12025550123", "+442079460000"
FIRST = "t-1"
ALLOWED = Verdict(VerdictKind.ALLOWED, rule="debts", version="v7")
SUPPRESSED = Verdict(
    VerdictKind.REFUSED, Reason.SUPPRESSED, "debts", "v7", "rule debts: lists: phone_number is in dnc"
)


def record(
    number: str = NUMBER, token: str = FIRST, decision: GuardDecision = GuardDecision.ACCEPTED
) -> GuardRecord:
    """Return a record of a request of the caller billing."""
    request = DialRequest("campaign-1", token, number, b"", NOON + 60, 700)
    if decision is GuardDecision.REFUSED:
        return GuardRecord(decision, request, "billing", SUPPRESSED, "", "0af7")
    return GuardRecord(decision, request, "billing", ALLOWED, "dial-1", "0af7")


def opened(path: Path, key: bytes = KEY) -> Trail:
    """Return a trail that writes to a file."""
    file = TrailFile(path, 1 << 20, 5)
    lines = Lines("gateway-1", key, NumberHash(key).of, file.open())
    trail = Trail("test", file, lines, lambda: NOON, records=1000, retry_s=0.01)
    trail.start()
    return trail


def written(path: Path, *records: GuardRecord) -> None:
    """Write a trail of these records, and stop."""
    trail = opened(path)
    trail.put(NOON, records)
    assert trail.close(10.0)
