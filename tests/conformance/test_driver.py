"""The driver of the conformance scenarios finds answers that are untrue, missing, or given twice."""

import sys
from pathlib import Path

import pytest

from conformance.programs import PROGRAMS, absent
from conformance.scenarios import begun, dials, well
from conformance.worlds import Clients, Findings, all_ended, meeting
from tests.faults.world import world_of

UNTRUE_ANSWERS = Path(__file__).parent / "untrue_answers.py"


async def findings(fault: str, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """Run a list with a client that gives untrue answers, against a Connect that has received nothing."""
    monkeypatch.setenv("CONFORMANCE_PYTHON", f"{sys.executable} -I -S {UNTRUE_ANSWERS}")
    monkeypatch.setenv("FAULT", fault)
    async with world_of(begun=0, connect_is_up=False) as world, meeting(world, Clients(["python"])) as met:
        calls = begun(met, lambda caller: caller.send(dials(2)))
        await all_ended(calls)
        return met.findings(fault, well(calls), accepted_percent=None)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("none", None),
        ("accepted", "accepted_means_that_connect_has_it"),
        ("missing", "every_request_is_answered"),
        ("twice", "no_request_is_answered_twice"),
        ("unsent", "every_answer_is_to_a_request"),
    ],
)
async def test_an_untrue_answer_is_found(
    fault: str, rule: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = (await findings(fault, monkeypatch))["python"]
    assert (rule in finding.verdict.violations) is (rule is not None)
    assert bool(finding.failed) is (rule is not None), str(finding)


async def test_a_program_that_crashes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver does not wait for answers of a program that has ended, and the scenario fails."""
    with pytest.raises(RuntimeError, match="the program of python exited with 1"):
        await findings("crash", monkeypatch)


def test_the_python_program_needs_no_build() -> None:
    assert absent("python") == ""
    assert list(PROGRAMS) == ["python", "go", "java", "typescript"]
