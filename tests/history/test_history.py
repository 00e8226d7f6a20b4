"""What is written down of callers: times, positions, and no phone number."""

from tests.history.history import Hold, Recorder


def test_streams_are_recorded() -> None:
    """Requests are numbered within their stream; answers and departures have their time."""
    times = iter([1.0, 2.0, 3.0, 4.0])
    recorder = Recorder(lambda: next(times))
    one, other = recorder.stream("caller"), recorder.stream("caller")
    one.sent("campaign-a", "t-0", 100.0, "+12025550123")
    one.sent("campaign-a", "t-1", 100.0, "+12025550123", {"a": "b"})
    one.heard(1, "t-1", "ACCEPTED", id_="id-1")
    other.left()
    history = recorder.judged_with([])
    assert [(each.stream, each.position, each.sent_at) for each in history.requests] == [
        ("caller-1", 0, 1.0),
        ("caller-1", 1, 2.0),
    ]
    (answer,) = history.answers
    assert (answer.position, answer.outcome, answer.heard_at) == (1, "ACCEPTED", 3.0)
    assert history.left == {"caller-2": 4.0}


def test_fingerprints_tell_dials_apart() -> None:
    """The same number and attributes are the same dial; fingerprints of two histories do not compare."""
    recorder = Recorder()
    same = recorder.fingerprint("+12025550123", {"a": "1", "b": "2"})
    assert same == recorder.fingerprint("+12025550123", {"b": "2", "a": "1"})
    assert same != recorder.fingerprint("+12025550124", {"a": "1", "b": "2"})
    assert same != recorder.fingerprint("+12025550123", {"a": "1"})
    assert same != Recorder().fingerprint("+12025550123", {"a": "1", "b": "2"})


def test_no_phone_number_is_recorded() -> None:
    """A history contains neither phone numbers nor attributes."""
    recorder = Recorder()
    recorder.stream().sent("campaign-a", "t-0", 100.0, "+12025550123", {"name": "Jane"})
    assert "2025550123" not in repr(recorder.history)
    assert "Jane" not in repr(recorder.history)


def test_holds_are_recorded() -> None:
    """A hold has the time of its request and of the release that follows, at all replicas or at one."""
    times = iter([1.0, 2.0, 3.0])
    recorder = Recorder(lambda: next(times))
    recorder.held("campaign-a", replica="replica-1")
    recorder.held("campaign-b", within_s=3.5)
    recorder.released("campaign-a")
    assert recorder.history.holds == [
        Hold("campaign-a", 1.0, 3.0, replica="replica-1"),
        Hold("campaign-b", 2.0, within_s=3.5),
    ]
