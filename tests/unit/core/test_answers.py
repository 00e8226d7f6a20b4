"""The answers of the gateway."""

from dataclasses import fields

from gateway.core import answers
from gateway.core.model import Answer, Outcome


def test_accepted_has_all_fields_of_an_answer() -> None:
    """The fast way to create the answer of an accepted request sets the same fields as the usual one."""
    fast = answers.accepted("id", 2, "trace")
    usual = Answer(Outcome.ACCEPTED, dial_request_id="id", attempts=2, trace_id="trace")
    for field in fields(Answer):
        assert getattr(fast, field.name) == getattr(usual, field.name)
