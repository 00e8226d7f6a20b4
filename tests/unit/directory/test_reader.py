"""The directory is read within its pace, kept fresh, and keeps what it has if Connect fails."""

import asyncio
import itertools
import random
from collections.abc import Mapping

import pytest

from gateway.core.errors import AccessDenied, CallFailure, ConnectFailed, RateThrottled
from gateway.directory.directory import CampaignDirectory
from gateway.directory.reader import CALLS_PER_S, SOONEST_S, TAGS_EVERY_S, DirectoryReader, ListedPage
from gateway.directory.table import CampaignEntry

Reply = ListedPage | CallFailure


class Clock:
    """A manual clock; sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.longest_s = float("inf")  # what sleeps for longer does not wake up

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        if seconds > self.longest_s:
            await asyncio.get_running_loop().create_future()
        self.now_s += seconds
        await asyncio.sleep(0)


class Lister:
    """A `CampaignLister` with scripted pages and the same tags for all. It notes calls with their time."""

    def __init__(self, clock: Clock, api: str, *pages: Reply) -> None:
        self.api = api
        self.pages = list(pages)
        self.tagged: Mapping[str, str] | CallFailure = {"team": "billing"}
        self.calls: list[tuple[float, str]] = []
        self.closed = False
        self._clock = clock

    async def page(self, token: str) -> ListedPage:
        self.calls.append((self._clock(), f"page {token}"))
        reply = self.pages.pop(0)
        if isinstance(reply, CallFailure):
            raise reply
        return reply

    async def tags(self, arn: str) -> Mapping[str, str]:
        self.calls.append((self._clock(), f"tags {arn}"))
        if isinstance(self.tagged, CallFailure):
            raise self.tagged
        return self.tagged

    def times(self) -> list[float]:
        """Return when first pages were asked for."""
        return [at for at, what in self.calls if what == "page "]

    async def asked(self, count: int) -> None:
        """Wait until so many first pages were asked for."""
        async with asyncio.timeout(5.0):
            while len(self.times()) < count:  # noqa: ASYNC110 - the manual clock has no event for it
                await asyncio.sleep(0)

    async def idle(self) -> int:
        """Wait until no more calls come; return the number of first pages that were asked for."""
        count = -1
        while count < len(self.calls):
            count = len(self.calls)
            for _ in range(50):
                await asyncio.sleep(0)
        return len(self.times())

    async def close(self) -> None:
        self.closed = True


def page(*names: str, token: str = "") -> ListedPage:
    return ListedPage([CampaignEntry(f"id-{name}", name, None, "v1", f"arn-{name}") for name in names], token)


def reader_of(clock: Clock, *listers: Lister, replicas: int = 1) -> tuple[CampaignDirectory, DirectoryReader]:
    directory = CampaignDirectory()
    reader = DirectoryReader(
        directory,
        listers,
        clock,
        interval_s=60.0,
        rng=random.Random(1),
        sleep=clock.sleep,
        replicas=lambda: replicas,
    )
    return directory, reader


async def test_all_pages_of_all_apis_are_read() -> None:
    """The table has the campaigns of every page and API."""
    clock = Clock()
    first, second = (
        Lister(clock, "v1", page("a", "b", token="2"), page("c")),
        Lister(clock, "v2", page("d")),
    )
    directory, reader = reader_of(clock, first, second)
    await reader.read_names()
    assert sorted(entry.name for entry in directory.table.entries.values()) == ["a", "b", "c", "d"]
    assert [what for _, what in first.calls] == ["page ", "page 2"]
    assert directory.known


@pytest.mark.parametrize("replicas", [1, 3])
async def test_the_pace_is_shared_by_apis_and_replicas(replicas: int) -> None:
    """Two calls are as far apart as the quota of all replicas demands, whichever API they go to."""
    clock = Clock()
    pages = [page(str(number), token=str(number + 1)) for number in range(4)]
    listers = [Lister(clock, api, *pages, page(f"last of {api}")) for api in ("v1", "v2")]
    _, reader = reader_of(clock, *listers, replicas=replicas)
    await reader.read_names()
    times = sorted(at for lister in listers for at, _ in lister.calls)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([replicas / CALLS_PER_S] * 9)


async def test_a_failing_api_keeps_what_it_told(caplog: pytest.LogCaptureFixture) -> None:
    """After a failure the names of that API stay, those of the other are new; one line says so, once."""
    clock = Clock()
    denied = [AccessDenied(), AccessDenied()]
    first = Lister(clock, "v1", page("a"), *denied, page("a2"))
    second = Lister(clock, "v2", page("b"), page("c"), page("d"), page("d"))
    directory, reader = reader_of(clock, first, second)
    for _ in range(3):
        await reader.read_names()
    assert sorted(entry.name for entry in directory.table.entries.values()) == ["a", "d"]
    lines = [record.message for record in caplog.records]
    assert len(lines) == 1
    assert "connect-campaigns:ListCampaigns" in lines[0]
    assert reader.figures().failures == {("ListCampaigns", "AccessDenied"): 2}
    await reader.read_names()
    assert sorted(directory.table.entries) == ["id-a2", "id-d"]


async def test_names_of_a_missing_api_are_not_known() -> None:
    """No name is resolved until every API has been read once: the missing one may have the name too."""
    clock = Clock()
    first, second = Lister(clock, "v1", page("a"), page("a")), Lister(clock, "v2", AccessDenied(), page("b"))
    directory, reader = reader_of(clock, first, second)
    await reader.read_names()
    assert (directory.known, directory.name_of("id-a"), reader.figures().age_s) == (False, "a", None)
    await reader.read_names()
    assert directory.known
    assert reader.figures().age_s is not None


@pytest.mark.parametrize("failure", [RateThrottled, ConnectFailed])
async def test_passing_failures_are_tried_again(failure: type[CallFailure]) -> None:
    """A throttled or failed page is asked for again, after a pause, a few times."""
    clock = Clock()
    lister = Lister(clock, "v1", failure(), failure(), page("a"))
    directory, reader = reader_of(clock, lister)
    await reader.read_names()
    assert directory.name_of("id-a") == "a"
    lister.pages = [failure() for _ in range(9)]
    await reader.read_names()
    assert len(lister.pages) == 5
    assert directory.name_of("id-a") == "a"


async def test_a_list_without_an_end_ends() -> None:
    """A token that comes again ends the list: replies are untrusted."""
    clock = Clock()
    lister = Lister(clock, "v1", *(page("a", token="again") for _ in range(9)))
    directory, reader = reader_of(clock, lister)
    await reader.read_names()
    assert (len(lister.calls), len(directory.table)) == (2, 1)


async def test_tags_are_read_once_and_again_when_they_are_old() -> None:
    """Tags cost a call for each campaign, so they are read less often than names."""
    clock = Clock()
    lister = Lister(clock, "v1", *(page("a", "b") for _ in range(3)))
    directory, reader = reader_of(clock, lister)
    for _ in range(2):
        await reader.read_names()
        await reader.read_tags()
    assert [what for _, what in lister.calls if what.startswith("tags")] == ["tags arn-a", "tags arn-b"]
    assert directory.table.entries["id-a"].tags == {"team": "billing"}
    clock.now_s += TAGS_EVERY_S
    lister.tagged = {"team": "sales"}
    await reader.read_names()
    await reader.read_tags()
    assert directory.table.entries["id-a"].tags == {"team": "sales"}


async def test_without_the_right_to_tags_there_are_names(caplog: pytest.LogCaptureFixture) -> None:
    """One call finds that out, and one line says it; names are read all the same."""
    clock = Clock()
    lister = Lister(clock, "v1", page("a", "b"), page("a", "c"))
    lister.tagged = AccessDenied()
    directory, reader = reader_of(clock, lister)
    for _ in range(2):
        await reader.read_names()
        await reader.read_tags()
    assert directory.name_of("id-c") == "c"
    # The others wait until their tags would be old; only the new campaign is asked about.
    assert [what for _, what in lister.calls if what.startswith("tags")] == ["tags arn-a", "tags arn-c"]
    assert [record.message.count("ListTagsForResource") for record in caplog.records] == [1]


async def test_tags_wait_when_names_are_due() -> None:
    """Names come first: reading many tags does not make the names old."""
    clock = Clock()
    names = [f"{number:04}" for number in range(1000)]
    lister = Lister(clock, "v1", page(*names))
    _, reader = reader_of(clock, lister)
    await reader.read_names()
    await reader.read_tags()
    assert 54.0 <= clock() <= 67.0


async def test_names_are_read_again_after_the_interval_or_a_question() -> None:
    """The directory is read about every interval, and sooner if a caller asks for an unknown name."""
    clock = Clock()
    lister = Lister(clock, "v1", *(page("a") for _ in range(50)))
    lister.tagged = {}
    directory, reader = reader_of(clock, lister)
    running = asyncio.create_task(reader.run())
    assert await reader.read_within(5.0)
    await lister.asked(3)
    first, second, third = lister.times()[:3]
    assert 54.0 <= second - first <= 67.0
    assert 54.0 <= third - second <= 67.0
    clock.longest_s = 10.0  # from now on the interval does not end
    count = await lister.idle()
    directory.wanted()
    await lister.asked(count + 1)
    running.cancel()
    assert SOONEST_S <= lister.times()[count] - lister.times()[count - 1] <= SOONEST_S + 1.0
    await reader.close()
    assert lister.closed


async def test_a_name_that_moves_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Operators learn that a name means another campaign now."""
    clock = Clock()
    moved = ListedPage([CampaignEntry("other", "debt", None, "v1", "arn")], "")
    directory, reader = reader_of(clock, Lister(clock, "v1", page("debt"), moved))
    await reader.read_names()
    await reader.read_names()
    assert directory.resolve("name:debt") == "other"
    assert [record.message for record in caplog.records] == ["a campaign name has moved to another campaign"]
    assert caplog.records[0].__dict__["campaigns"] == ["id-debt", "other"]
