"""Campaigns are routed to their API, and results of several APIs are merged."""

import asyncio
from collections import deque

import pytest

from gateway.connect.fake import FakeConnect, StateStep
from gateway.connect.port import ConnectPort
from gateway.connect.routing import RoutingConnect
from gateway.core import errors
from gateway.core.model import DialRequest
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable

ROUTES = [
    ("migrated-eu-*", "v2"),
    ("*-eu-*", "v1"),
    ("migrated-*", "v2"),
    ("a1", "v2"),
    ("b2", "v2"),
    ("[ab]?", "v2"),
]


def ports(**scripts: StateStep) -> dict[str, FakeConnect]:
    return {
        name: FakeConnect(state_script=deque([scripts[name]] if name in scripts else []))
        for name in ("v1", "v2")
    }


def routing(fakes: dict[str, FakeConnect], default: str = "v1") -> RoutingConnect:
    return RoutingConnect(fakes, ROUTES, default)


@pytest.mark.parametrize(
    ("campaign", "api"),
    [
        ("migrated-1", "v2"),
        ("migrated-", "v2"),
        ("Migrated-1", "v1"),
        ("not-migrated-1", "v1"),
        ("migrated-eu-1", "v2"),
        ("x-eu-1", "v1"),
        ("migrated-x-eu-1", "v1"),
        ("a1", "v2"),
        ("c1", "v1"),
        ("a12", "v1"),
        ("[ab]?", "v2"),
        ("b1", "v1"),
        ("migrated-1\n", "v2"),
        ("", "v1"),
    ],
)
def test_the_first_pattern_decides(campaign: str, api: str) -> None:
    """A pattern matches the whole id, and case counts. The first match wins, else the default."""
    assert routing(ports()).api(campaign) == api


def test_channels_follow_the_route() -> None:
    """A campaign has channels if the API that it is routed to has them."""
    fakes = ports()
    fakes["v2"].has_channels = True
    assert routing(fakes).takes_channels("migrated-1")
    assert not routing(fakes).takes_channels("other")


def test_without_routes_the_default_decides() -> None:
    """Without routes every campaign goes to the default."""
    assert RoutingConnect(ports(), (), "v2").api("anything") == "v2"


@pytest.mark.parametrize(("routes", "default"), [([("a", "v3")], "v1"), ([("", "v1")], "v1"), ([], "v3")])
def test_routes_that_make_no_sense(routes: list[tuple[str, str]], default: str) -> None:
    """An unknown API and an empty pattern are refused at the start."""
    with pytest.raises(
        ValueError, match=r"no API 'v3'; there is v1, v2|campaign pattern '' must have 1 to 512 characters"
    ):
        RoutingConnect(ports(), routes, default)


def test_routes_by_name_and_tag(caplog: pytest.LogCaptureFixture) -> None:
    """A route may name campaigns or a tag. Until they are known, the default counts, and one line says so."""
    directory = CampaignDirectory()
    routes = [("name:debt-*", "v2"), ("tag:team=sales", "v2")]
    routed = RoutingConnect(ports(), routes, "v1", directory)
    assert directory.needed
    assert [routed.api(one) for one in ("id-1", "id-2", "id-3")] == ["v1"] * 3
    assert len(caplog.records) == 1
    entries = [
        CampaignEntry("id-1", "debt-north", {}),
        CampaignEntry("id-2", "calls", {"team": "sales"}),
        CampaignEntry("id-3", "surveys", {"team": "billing"}),
    ]
    directory.publish(CampaignTable(entries))
    assert [routed.api(one) for one in ("id-1", "id-2", "id-3")] == ["v2", "v2", "v1"]


def test_routes_by_name_need_a_directory() -> None:
    """A route that could never match is refused at the start."""
    with pytest.raises(ValueError, match="'name:debt' needs a campaign directory"):
        RoutingConnect(ports(), [("name:debt", "v2")], "v1")


async def test_dial_requests_go_where_their_campaign_is() -> None:
    """A call goes to the API of its campaign, and its report is returned unchanged."""
    fakes = ports()
    port: ConnectPort = routing(fakes)
    for campaign in ("migrated-1", "other"):
        reply = await port.put_dial_requests(campaign, [DialRequest(campaign, "t", "+1", {}, 0.0, 1)])
        assert reply.accepted == {"t": "id-t"}
    assert fakes["v1"].calls == [("other", ("t",))]
    assert fakes["v2"].calls == [("migrated-1", ("t",))]


async def test_states_are_asked_of_each_api() -> None:
    """Each API is asked once for the states of its own campaigns, and the results are merged."""
    fakes = ports()
    fakes["v1"].states["x"] = "Paused"
    fakes["v2"].states["a1"] = "Completed"
    told = await routing(fakes).campaign_states(["a1", "x", "b2", "y"])
    assert told == {"a1": "Completed", "x": "Paused", "b2": "Running", "y": "Running"}
    assert (fakes["v1"].asked, fakes["v2"].asked) == ([("x", "y")], [("a1", "b2")])


async def test_an_api_with_no_campaign_is_not_asked() -> None:
    """An API that none of the campaigns belongs to costs no call."""
    fakes = ports()
    assert await routing(fakes).campaign_states(["a1"]) == {"a1": "Running"}
    assert fakes["v1"].asked == []


async def test_an_api_that_fails_in_passing_is_left_out() -> None:
    """If one API fails, the states of the other are returned. If all fail, the failure is raised."""
    half = ports(v2=errors.RateThrottled())
    assert await routing(half).campaign_states(["a1", "x"]) == {"x": "Running"}
    with pytest.raises(errors.RateThrottled):
        await routing(ports(v1=errors.RateThrottled(), v2=errors.AnswerLost())).campaign_states(["x", "a1"])


async def test_a_missing_right_is_always_told() -> None:
    """AccessDenied of one API is raised, though the other has answered."""
    with pytest.raises(errors.AccessDenied):
        await routing(ports(v2=errors.AccessDenied())).campaign_states(["x", "a1"])


async def test_a_cancelled_look_up_leaves_no_call() -> None:
    """When the asking task is cancelled, no question stays under way."""
    before = asyncio.all_tasks()
    asked = asyncio.create_task(_ask(routing(ports(v1=asyncio.Event(), v2=asyncio.Event()))))
    await asyncio.sleep(0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert asyncio.all_tasks() == before


async def _ask(connect: RoutingConnect) -> None:
    await connect.campaign_states(["x", "a1"])


class Stuck(FakeConnect):
    """A port that cannot be closed."""

    async def close(self) -> None:
        raise OSError("stuck")


async def test_closing_closes_all() -> None:
    """Every port is closed, even if closing another one fails. That failure is then raised."""
    fakes = ports()
    await routing(fakes).close()
    assert all(fake.closed for fake in fakes.values())
    other = FakeConnect()
    with pytest.raises(OSError, match="stuck"):
        await RoutingConnect({"v1": Stuck(), "v2": other}, (), "v1").close()
    assert other.closed
