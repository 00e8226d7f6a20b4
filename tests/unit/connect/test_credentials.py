"""Credentials are kept in memory: no call waits for them, and they are renewed early."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from gateway.connect.credentials import MAX_HANGING, AccessKeys, InMemory, Load, Provider
from tests.stopwatch import Stopwatch

OUTAGE = (None, None)
"""Two attempts in which a source has no credentials."""


def lasting(key: str, seconds: float) -> RefreshableCredentials:
    """Return credentials that expire."""
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    return RefreshableCredentials(key, "secret", "token", ends, dict, "test", advisory_timeout=0)


@contextmanager
def started(load: Load, **options: Any) -> Iterator[AccessKeys]:
    """Run what looks for credentials."""
    keys = AccessKeys(load, **options)
    keys.start(1.0)
    try:
        yield keys
    finally:
        keys.close()


def fast() -> float:
    """Return the time of a clock that is a hundred times as fast as others."""
    return 100.0 * time.monotonic()


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true that a thread makes true."""
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_fixed_credentials() -> None:
    """Credentials that are given need no looking for."""
    keys = AccessKeys.fixed("key", "secret")
    keys.start(0.0)
    assert (keys.usable, keys.in_words, keys.frozen().access_key) == (True, "found", "key")


def test_a_machine_without_a_free_thread_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that renews goes on, however often a further one cannot be started."""
    refused = [RuntimeError("can't start new thread")] * (MAX_HANGING + 2)
    start = threading.Thread.start

    def start_if_free(thread: threading.Thread) -> None:
        if thread.name == "credentials-look" and refused:
            raise refused.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_free)
    with started(lambda: Credentials("key", "secret"), now=Hurried().now) as keys:
        until(lambda: keys.usable)
        assert not refused


class Hurried:
    """A clock on which a minute passes at each look, so that pauses end at once."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return the time."""
        self._now += 60.0
        return self._now


def test_none_at_first() -> None:
    """Signing fails without credentials, and uses them as soon as they are available."""
    there: list[Credentials] = []
    with started(lambda: there[0] if there else None) as keys:
        assert (keys.usable, keys.in_words) == (False, "none were found")
        with pytest.raises(NoCredentialsError):
            keys.frozen()
        there.append(Credentials("key", "secret"))
        until(lambda: keys.usable)
        assert keys.frozen().access_key == "key"


@pytest.mark.parametrize("found", [Credentials("", "secret"), Credentials("key", "")])
def test_half_credentials(found: Credentials) -> None:
    """A key without its secret, or a secret without its key, does not count."""
    with started(lambda: found) as keys:
        assert not keys.usable


def test_a_source_that_raises() -> None:
    """An exception of a source is reported by its type only, and the source is asked again."""
    asked: list[int] = []

    def load() -> Credentials:
        asked.append(1)
        if len(asked) < 3:
            raise FileNotFoundError("/a/secret/path")
        return Credentials("key", "secret")

    with started(load) as keys:
        assert keys.in_words == "FileNotFoundError when asking for them"
        until(lambda: keys.usable)


def test_each_outage_of_the_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An outage is one warning and its end is one line, also if the next one has the same cause."""
    answers: list[Credentials | None] = [*OUTAGE, Credentials("key", "secret")] * 2

    def load() -> Credentials | None:
        return answers.pop(0) if answers else Credentials("key", "secret")

    clock: dict[str, Any] = {"now": fast, "epoch": fast, "longest_sleep_s": 0.005}
    with caplog.at_level(logging.INFO, AccessKeys.__module__), started(load, reload_s=0.0, **clock):
        until(lambda: len(caplog.records) == 4)
    words = [line.message.partition(":")[0] for line in caplog.records]
    assert words == ["no new AWS credentials", "AWS credentials were found"] * 2


@pytest.mark.timed
def test_they_are_renewed_ahead_of_time() -> None:
    """Credentials that expire are renewed while they last, so that there is no gap."""
    asked: list[int] = []

    def load() -> Credentials:
        asked.append(1)
        return lasting(f"key-{len(asked)}", 4.0)

    with started(load) as keys:
        ends = time.monotonic() + 5.0
        while time.monotonic() < ends:
            assert keys.usable
            time.sleep(0.02)
        assert 2 <= len(asked) <= 6
        until(lambda: keys.frozen().access_key == f"key-{len(asked)}")


@pytest.mark.timed
def test_a_source_that_hangs() -> None:
    """A source that hangs delays no call. A few other attempts start in parallel."""
    gate, asked = threading.Event(), []

    def load() -> Credentials:
        asked.append(1)
        if len(asked) > 1:
            gate.wait(20)
        return lasting(f"key-{len(asked)}", 4.0)

    with started(load, longest_attempt_s=0.2) as keys:
        until(lambda: len(asked) > 1)
        watch = Stopwatch()
        assert keys.frozen().access_key == "key-1"
        assert watch.took_s < 0.1
        until(lambda: not keys.usable)
        assert "does not answer" in keys.in_words
        assert len(asked) <= 1 + MAX_HANGING
        gate.set()
        until(lambda: keys.usable)


def test_expired_credentials_are_not_used() -> None:
    """Credentials are not used once they have expired by the clock, whatever they are."""
    now = [time.time()]
    with started(lambda: lasting("key", 100.0), epoch=lambda: now[0]) as keys:
        usable = [keys.usable]
        now[0] += 101.0
        usable.append(keys.usable)
        assert usable == [True, False]
        with pytest.raises(NoCredentialsError):
            keys.frozen()


@pytest.mark.timed
@pytest.mark.parametrize("found", [False, True])
def test_the_wall_clock_is_set_back(*, found: bool) -> None:
    """An attempt that is due soon is not delayed by the hour that the wall clock is set back by."""
    now, asked = [time.time() + 3600.0], list[float]()

    def load() -> Credentials | None:
        asked.append(now[0])
        return Credentials("key", "secret") if found else None

    options = {"epoch": lambda: now[0], "longest_sleep_s": 0.02, "reload_s": 0.2}
    with started(load, **options):
        until(lambda: asked)
        now[0] -= 3600.0
        before = len(asked)
        until(lambda: len(asked) > before)


def test_botocore_signs_with_what_is_in_memory() -> None:
    """botocore's session is handed an object that always returns what is in memory now."""
    there = [Credentials("first", "secret")]
    keys = AccessKeys(lambda: there[0])
    found = Provider(keys).load_credentials()
    assert isinstance(found, InMemory)
    with pytest.raises(NoCredentialsError):
        found.get_frozen_credentials()
    keys.start(1.0)
    assert found.get_frozen_credentials().access_key == "first"
    keys.close()
