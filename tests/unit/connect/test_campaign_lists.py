"""Campaigns are listed by real calls of boto3 to a real simulator, within its quota."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from gateway.connect.api_versions import ApiName
from gateway.connect.campaign_lists import AwsCampaignLister, listed_page, listed_tags
from gateway.connect.credentials import AccessKeys
from gateway.core import errors
from gateway.directory.directory import CampaignDirectory
from gateway.directory.reader import DirectoryReader
from gateway.directory.table import CampaignEntry
from gateway.simulator import Fault, FaultKind, NamedCampaign, Simulator, SimulatorSettings

MARKUP = "<script>alert('x')</script>"
CAMPAIGNS = [
    NamedCampaign(f"{number:08}-1c2f-4f0e-9d57-1c2f9a2b7e10", f"name {number}", {"team": MARKUP}, api)
    for number, api in enumerate(["v1", "v2"] * 250)
]


class Clock:
    """A manual clock for gateway and simulator; sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


@contextmanager
def keys() -> Iterator[AccessKeys]:
    found = AccessKeys.fixed("simulator", "simulator")
    yield found
    found.close()


@asynccontextmanager
async def listing(
    simulator: Simulator, api: ApiName, *, fixed: AccessKeys | None = None, timeout_s: float = 5.0
) -> AsyncIterator[AwsCampaignLister]:
    with keys() as usual:
        lister = AwsCampaignLister(
            api, fixed or usual, timeout_s=timeout_s, region="us-east-1", endpoint_url=simulator.url
        )
        try:
            yield lister
        finally:
            await lister.close()


async def test_a_large_directory_is_read_in_time_and_within_the_quota() -> None:
    """500 campaigns over two APIs are read within 3 s, at 5 calls a second, without a throttled call."""
    clock = Clock()
    began = clock()
    async with (
        Simulator(SimulatorSettings(campaigns=CAMPAIGNS), clock=clock) as simulator,
        listing(simulator, "v1") as v1,
        listing(simulator, "v2") as v2,
    ):
        directory = CampaignDirectory()
        reader = DirectoryReader(
            directory, [v1, v2], clock, interval_s=60.0, rng=random.Random(1), sleep=clock.sleep
        )
        await reader.read_names()
        calls = simulator.connect.stats().calls["ListCampaigns"]
    assert len(directory.table) == 500
    assert directory.get(CAMPAIGNS[3].id) == CampaignEntry(
        CAMPAIGNS[3].id,
        "name 3",
        None,
        "v2",
        f"arn:aws:connect-campaigns:us-east-1:000000000000:campaign/{CAMPAIGNS[3].id}",
    )
    assert clock() - began <= 3.0
    assert list(calls) == ["OK"], calls


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_tags(api: ApiName) -> None:
    """The tags of a campaign are read by its ARN, and markup stays the text that it is."""
    async with (
        Simulator(SimulatorSettings(campaigns=CAMPAIGNS[:2])) as simulator,
        listing(simulator, api) as lister,
    ):
        entry = (await lister.page("")).entries[0]
        assert await lister.tags(entry.arn) == {"team": MARKUP}


async def test_failures_are_those_of_the_core() -> None:
    """A missing right, a throttle and a lost answer have their own exceptions."""
    async with Simulator(SimulatorSettings()) as simulator, listing(simulator, "v1", timeout_s=0.2) as lister:
        for code, failure in (
            ("AccessDeniedException", errors.AccessDenied),
            ("ThrottlingException", errors.RateThrottled),
            ("InternalServerException", errors.ConnectFailed),
        ):
            simulator.connect.add_fault(Fault(kind=FaultKind.EXCEPTION, code=code, count=1))
            with pytest.raises(failure):
                await lister.page("")
        simulator.connect.add_fault(Fault(kind=FaultKind.NO_ANSWER, count=1))
        with pytest.raises(errors.AnswerLost):
            await lister.page("")
        assert (await lister.page("")).entries == []


async def test_nothing_is_asked_without_credentials() -> None:
    """Without credentials no call is made, and the failure says so."""
    async with (
        Simulator(SimulatorSettings()) as simulator,
        listing(simulator, "v1", fixed=AccessKeys(lambda: None)) as lister,
    ):
        with pytest.raises(errors.NoCredentials):
            await lister.page("")
        assert not simulator.connect.stats().calls


@pytest.mark.parametrize("response", [None, [], {}, {"campaignSummaryList": {"id": "a"}, "nextToken": 7}])
def test_odd_lists(response: object) -> None:
    """A reply of another form has no campaigns and no next page."""
    assert listed_page(response, "v1") == ([], "")


def test_odd_entries() -> None:
    """Entries and tags that break the limits of the service models are left out."""
    good = {"id": "a", "name": "n", "arn": "arn:a"}
    bad = [{**good, "id": 7}, {**good, "name": "n" * 128}, {**good, "id": ""}, {"id": "b"}, "c", None]
    found = listed_page({"campaignSummaryList": [*bad, good], "nextToken": "t" * 1001}, "v1")
    assert found == ([CampaignEntry("a", "n", None, "v1", "arn:a")], "")
    assert listed_page({"campaignSummaryList": [{**good, "arn": 7}]}, "v1").entries[0].arn == ""
    tags = {"team": "billing", "": "x", "k" * 129: "x", "long": "v" * 257, "number": 7, 8: "x"}
    assert listed_tags({"tags": tags}) == {"team": "billing"}
    assert len(listed_tags({"tags": {str(number): "" for number in range(99)}})) == 50
    assert listed_tags({"tags": []}) == {}
