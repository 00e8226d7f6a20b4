"""The listing of campaigns is made in parts of bounded size."""

import random
from collections.abc import Iterable, Iterator

from gateway.core.campaigns.holds import Holds
from gateway.core.views.campaign_status import PART, SORTED_PART, CampaignRow, rows
from gateway.core.views.snapshot import CampaignFigures
from gateway.core.views.statistics import Statistics
from tests.unit.core.making import NOW, in_parts

COUNT, MANY = 12_345, 40_000


class Name(str):
    """A campaign id that counts how often ids are compared."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other: str) -> bool:
        """Compare, and count."""
        Name.compared += 1
        return str.__lt__(self, other)


class Read:
    """Yields figures, and counts them."""

    def __init__(self, figures: Iterable[CampaignFigures]) -> None:
        self.count = 0
        self._figures = figures

    def __iter__(self) -> Iterator[CampaignFigures]:
        for figures in self._figures:
            self.count += 1
            yield figures


def figures(count: int = COUNT) -> list[CampaignFigures]:
    """Return the figures of many campaigns in no order."""
    names = [Name(f"c{number:06}") for number in range(count)]
    random.Random(1).shuffle(names)
    return [CampaignFigures(name, 1, 0, 0.0, NOW) for name in names]


def listing(found: Iterable[CampaignFigures], before: dict[str, CampaignRow]) -> dict[str, CampaignRow]:
    made, _ = in_parts(rows(NOW, found, Holds(), Statistics(), before))
    return made


def test_each_part_reads_a_bounded_number_of_campaigns() -> None:
    read = Read(figures())
    made, most = in_parts(rows(NOW, read, Holds(), Statistics()), lambda: read.count)
    assert len(made) == COUNT
    assert most == PART


def test_the_rows_are_in_order_after_few_comparisons_in_each_part() -> None:
    """No part compares more than pieces need to be sorted, or two pieces to be merged."""
    made, most = in_parts(rows(NOW, figures(MANY), Holds(), Statistics()), lambda: Name.compared)
    assert list(made) == sorted(made)
    assert most < max(2 * MANY, SORTED_PART * 13) * 1.1


def test_rows_that_have_not_changed_are_the_same_objects() -> None:
    """Then a new listing frees nothing but the rows that have changed."""
    first = listing(figures(), {})
    changed = [each._replace(queued=2) if each.campaign_id == "c000007" else each for each in figures()]
    second = listing(changed, first)
    assert [name for name, row in second.items() if row is not first[name]] == ["c000007"]
    assert second["c000007"].queued == 2


def test_rows_are_put_into_the_dictionary_that_the_shell_gives() -> None:
    """The shell prepares a dictionary for many rows; the listing is that dictionary."""
    given: dict[str, CampaignRow] = {}
    made, _ = in_parts(rows(NOW, figures(), Holds(), Statistics(), None, given))
    assert made is given
    assert len(given) == COUNT
