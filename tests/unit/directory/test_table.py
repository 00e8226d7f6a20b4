"""A table of campaigns finds names, and two tables show what has become of them."""

from gateway.directory.table import (
    MOVED,
    NO_CAMPAIGNS,
    RENAMED,
    SHARED,
    CampaignEntry,
    CampaignTable,
    Change,
    changes,
)

A, B, C = "0b7c3a52-6a4e-4f0e-9d57-1c2f9a2b7e10", "5e1d", "9f20"


def table(**names: str) -> CampaignTable:
    return CampaignTable(CampaignEntry(one, name) for one, name in names.items())


def everything(_: str) -> bool:
    return True


def test_names_and_ids() -> None:
    """A name has the ids of all its campaigns, in order. An unknown name has none."""
    found = table(b="debt", a="debt", c="alerts")
    assert found.ids_of("debt") == ["a", "b"]
    assert found.ids_of("Debt") == []
    assert (len(found), found.get("c")) == (3, CampaignEntry("c", "alerts"))


def test_similar_names() -> None:
    """Names that begin alike are similar, whatever their case; the most similar one comes first."""
    found = table(a="payment-reminders", b="payment-alerts", c="surveys", d="Payment-Reminders-2")
    assert found.similar("payment-remindres", 3, everything) == ["a", "d", "b"]
    assert found.similar("PAYMENT-REMINDERS", 1, everything) == ["a"]
    assert found.similar("zzz", 3, everything) == []
    assert found.similar("payment", 3, lambda one: one == "b") == ["b"]


def test_a_similar_name_costs_little() -> None:
    """Only neighbours of an unknown name are looked at: callers can ask for any number of unknown names."""
    found = CampaignTable(CampaignEntry(str(number), f"name-{number:05}") for number in range(10_000))
    asked: list[str] = []

    def refuse(one: str) -> bool:
        asked.append(one)
        return False

    assert found.similar("name-05000x", 3, refuse) == []
    assert 0 < len(asked) <= 40


def test_a_name_that_moves_is_a_change() -> None:
    """A name moves if another campaign has it and no earlier one kept it."""
    assert changes(table(a="debt"), table(a="old debt", b="debt")) == [
        Change(MOVED, "debt", ("a", "b")),
        Change(RENAMED, "old debt", ("a",)),
    ]


def test_a_name_of_several_campaigns_is_a_change_once() -> None:
    """The change is reported when the second campaign gets the name, not for each further table."""
    two = table(a="debt", b="debt")
    assert changes(NO_CAMPAIGNS, two) == [Change(SHARED, "debt", ("a", "b"))]
    assert changes(two, table(a="debt", b="debt", c="debt")) == []


def test_new_and_deleted_campaigns_are_no_changes_of_names() -> None:
    """Only names that meant another campaign before are reported."""
    assert changes(table(a="debt"), table(b="alerts")) == []
    assert changes(table(a="debt"), table(a="debt", b="alerts")) == []
