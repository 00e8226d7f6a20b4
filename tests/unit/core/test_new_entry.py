"""The entry of a new dial request."""

from dataclasses import fields, replace

from gateway.core.model import Entry, Priority, Source, Waiter, new_entry
from tests.unit.core.making import NOW, dial


def test_a_new_entry_has_all_fields_of_an_entry() -> None:
    """The fast way to create an entry sets the same fields as the usual one, and takes over the doubt."""
    request, waiter = replace(dial(), in_doubt=True), Waiter(Source(), 0)
    fast = new_entry(request, NOW, waiter, Priority.HIGH)
    usual = Entry(request, NOW, waiter, Priority.HIGH, in_doubt=True)
    for field in fields(Entry):
        assert getattr(fast, field.name) == getattr(usual, field.name)
