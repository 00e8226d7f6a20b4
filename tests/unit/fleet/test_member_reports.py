"""A replica tells in words, figures and log lines how its exchange with the fleet goes."""

import asyncio
import logging
from dataclasses import replace

import pytest

from gateway.shared_state.port import SharedStateRefused
from tests.unit.fleet.member_bench import AWAY, HERE, LONGEST_S, OTHER, Bench, on_virtual_time


@on_virtual_time
async def test_how_it_goes_in_words_and_figures(bench: Bench) -> None:
    bench.problem = AWAY
    assert bench.member.in_words() == (
        False,
        "unavailable since the start: no reply yet; nothing is sent before it has answered once",
    )
    await asyncio.sleep(0.3)
    assert bench.member.in_words()[1].startswith(f"unavailable since the start: {AWAY}; nothing is sent")
    assert bench.member.figures().outage_s == pytest.approx(0.3, abs=1e-3)
    bench.problem = None
    bench.members = (HERE, OTHER)
    await asyncio.sleep(0.3)
    assert bench.member.in_words() == (True, "connected; 2 replicas")
    bench.members = (HERE, replace(OTHER, lost=True))
    assert bench.member.in_words() == (True, "connected; 2 replicas, 1 of them lost")
    assert bench.member.live() == [HERE.member]
    bench.problem = AWAY
    await asyncio.sleep(0.25)
    assert bench.member.in_words()[1].startswith("connected")  # one missed beat is a hiccup
    assert not bench.member.figures().connected
    await asyncio.sleep(2.0)
    ready, words = bench.member.in_words()
    assert ready
    assert words.startswith("unavailable for 2 s: ")
    assert "at its own part of the rate" in words
    await asyncio.sleep(LONGEST_S)
    ready, words = bench.member.in_words()
    assert not ready
    assert words.endswith("nothing is sent: the holds that were read last are too old")
    assert bench.member.figures().missed > 30


def test_an_outage_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def outage(bench: Bench) -> None:
        await asyncio.sleep(0.1)
        for _ in range(2):
            bench.problem = AWAY
            await asyncio.sleep(3.0)
            bench.problem = None
            await asyncio.sleep(0.3)

    outage()
    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    away, back = "the shared state is unavailable", "the shared state answers again"
    assert lines == ["this replica has joined its fleet", away, back, away, back]


def test_a_single_missed_beat_is_not_logged_and_a_refusal_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def hiccup(bench: Bench) -> None:
        await asyncio.sleep(0.1)
        bench.problem = AWAY
        await asyncio.sleep(0.2)
        bench.problem = None
        await asyncio.sleep(0.2)
        assert len(caplog.records) == 1
        bench.problem = SharedStateRefused("store:6379: the user lacks a permission")
        await asyncio.sleep(0.2)
        assert "the user lacks a permission" in caplog.records[-1].getMessage()

    hiccup()


def test_different_settings_are_logged_when_they_begin_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def differing(bench: Bench) -> None:
        bench.differing = ("call_rate",)
        await asyncio.sleep(1.0)
        assert bench.member.notes() == {
            "fleet": "replicas have different settings, and the stricter apply to all: call_rate"
        }
        assert bench.member.figures().settings_differ
        bench.differing = ()
        await asyncio.sleep(1.0)
        assert bench.member.notes() == {}

    differing()
    texts = [record.getMessage() for record in caplog.records]
    assert sum("DIFFERENT SETTINGS" in text for text in texts) == 1
    assert sum("same settings again" in text for text in texts) == 1


def test_a_name_that_another_replica_has_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A replica with this name that has just ended is no reason for a line in the log."""
    caplog.set_level(logging.INFO, "gateway")
    taken = (
        "another live replica of the fleet is named 'here' as well: DIAL_GATEWAY_REPLICA must differ; "
        "nothing is sent"
    )

    @on_virtual_time
    async def twins(bench: Bench) -> None:
        bench.name_taken = True
        await asyncio.sleep(1.0)
        assert bench.member.in_words() == (False, taken)
        assert not bench.member.figures().connected
        assert set(bench.events) == {"permits", "wake"}  # no holds are read, and nothing counts as heard
        assert not caplog.records
        await asyncio.sleep(3.0)
        assert [record.getMessage() for record in caplog.records] == [taken]
        bench.name_taken = False
        await asyncio.sleep(0.3)
        assert bench.member.in_words() == (True, "connected; 1 replica")

    twins()
