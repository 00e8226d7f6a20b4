"""How long opening a connection to Connect may take."""

LONGEST_CONNECT_S = 3.0
"""Seconds for each step of opening a connection, at most."""


def connect_timeout_s(call_timeout_s: float) -> float:
    """Return the time limit for connecting, in seconds, for the time limit of a whole call.

    It is shorter, so that a host that does not answer can be told apart from a lost answer.
    """
    return min(LONGEST_CONNECT_S, call_timeout_s / 2)
