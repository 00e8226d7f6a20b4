"""A report of a replica, read by another replica, equals its own listing. Malformed bytes are refused."""

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.fleet_report import PART, VERSION, BadReport, Report, read, written
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.fleet.store_clock import StoreClock
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState
from tests.unit.core.making import in_parts


def clock(at: float) -> StoreClock:
    """Return a replica's view of the store's clock; its own clock shows `at` at a fixed moment."""
    known = StoreClock()
    known.note(at, at, 1_700_000_000_000)
    return known


def read_all(report: bytes, here: StoreClock) -> Report:
    rows, _ = in_parts(read(report, here))
    return rows


instants = st.integers(-(10**6), 10**6).map(lambda tenths: tenths / 10)
texts = st.text(max_size=20)
counts = st.integers(0, 10**6)
rows = st.builds(
    CampaignRow,
    texts,
    st.sampled_from(CampaignState),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.none() | instants,
    st.tuples(*[st.integers(0, 10**12)] * 5),
    st.integers(0, 10**4).map(lambda tenths: tenths / 10),
    st.sampled_from(Reason),
    texts,
    st.none() | instants,
    st.none() | instants,
    st.none() | st.builds(Hold, texts, texts, instants, st.booleans()),
    st.none() | st.builds(OperatorAction, st.sampled_from(ActionKind), texts, texts, instants, counts),
    st.just(()),
)


@given(row=rows)
def test_a_row_arrives_as_it_was(row: CampaignRow) -> None:
    """Instants are the same moments on the clock of the replica that reads."""
    report, _ = in_parts(written([row], clock(at=5000.0)))
    (found,) = read_all(report, clock(at=200.0)).values()
    shifted = [found.waiting_since, found.since, found.until]
    for there, here in zip([row.waiting_since, row.since, row.until], shifted, strict=True):
        assert (there is None) == (here is None)
        assert there is None or here is None or abs(there - 4800.0 - here) <= 0.01
    assert (
        found._replace(
            waiting_since=row.waiting_since,
            since=row.since,
            until=row.until,
            hold=row.hold,
            action=row.action,
        )
        == row
    )
    assert (found.hold and found.hold._replace(at=0.0)) == (row.hold and row.hold._replace(at=0.0))
    assert (found.action and found.action._replace(at=0.0)) == (row.action and row.action._replace(at=0.0))


def many(count: int) -> list[CampaignRow]:
    """Return rows of different campaigns."""
    state = CampaignState.FLOWING
    figures = (state, 7, 0, None, (0,) * 5, 0.0, Reason.NONE, "", None, None, None, None)
    return [CampaignRow(f"c{number}", *figures) for number in range(count)]


def test_reports_are_written_and_read_in_parts() -> None:
    count = 10 * PART
    parts = sum(1 for _ in written(many(count), clock(0.0)))
    assert parts == 10
    report, _ = in_parts(written(many(count), clock(0.0)))
    assert sum(1 for _ in read(report, clock(0.0))) == 10
    assert len(read_all(report, clock(0.0))) == count
    assert len(report) < 100_000


def test_an_empty_report_is_a_report() -> None:
    report, _ = in_parts(written([], clock(0.0)))
    assert read_all(report, clock(0.0)) == {}


def _chunk(text: bytes) -> bytes:
    packed = zlib.compress(text)
    return VERSION + len(packed).to_bytes(4, "big") + packed


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\x02rest",
        VERSION + b"\x00\x00",
        VERSION + b"\x00\x00\x00\x09nonsense!",
        _chunk(b"{}x"),
        _chunk(b"[[1, 2]]"),
        _chunk(b'[["c", 99, 0, 0, null, [0,0,0,0,0], 0, 0, "", null, null, null, null]]'),
        _chunk(b"[" * 100_000),
        _chunk(b" " * 5_000_000),
        _chunk(b"[null]")[:-1],
    ],
)
def test_other_bytes_are_no_report(report: bytes) -> None:
    """Reports of another version, cut ones, and those that somebody has edited are refused."""
    with pytest.raises(BadReport):
        read_all(report, clock(0.0))


@given(noise=st.binary(max_size=60))
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    with contextlib.suppress(BadReport):
        assert read_all(VERSION + noise, clock(0.0)) == {}
