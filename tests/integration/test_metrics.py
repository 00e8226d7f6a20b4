"""Metrics of a gateway under load: the documented list, true values, and bounded labels."""

import asyncio
import re
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.core.model import FlushReason, Outcome
from gateway.directory.table import CampaignEntry, CampaignTable
from gateway.simulator import CampaignState, Fault, FaultKind, NamedCampaign, SimulatorSettings
from gateway.telemetry import OPENMETRICS
from gateway.telemetry.setup import CAMPAIGN_LIMIT
from tests.integration.admin import Scrape, get, scrape
from tests.integration.secured import BILLING, OPS, caller_of, secured
from tests.integration.world import CAMPAIGN, World, WorldOptions, dial, dials, until, world_of

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
_row = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|", re.MULTILINE)
RESOURCE = "target_info"
NAMED = CampaignTable([CampaignEntry(CAMPAIGN, "reminders"), CampaignEntry("unused", "not counted")])
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

FLEET, GUARD = "The fleet", "The guard"
"""The sections with the metrics that exist with a shared state, or a guard, only."""


def documented(*, fleet: bool = False) -> dict[str, tuple[str, frozenset[str]]]:
    """Return kind and labels of each documented metric: those of a fleet, or those of all gateways."""
    sections = DOCS.read_text().split("\n## ")
    text = "".join(
        section
        for section in sections
        if section.startswith(FLEET) == fleet and not section.startswith(GUARD)
    )
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, _, labels in _row.findall(text)
    }


async def scraped(world: World) -> Scrape:
    return await scrape(world.gateway.admin_port)


async def load(world: World) -> None:
    """Cause everything that is counted: outcomes, throttles, retries, a paused campaign, a departure."""
    await world.ask(*dials(60), dial("bad", phone_number="1"))
    await world.ask(dial("t-1"))  # replayed
    world.fault(FaultKind.RESET, count=1)
    await world.ask(*dials(3, "again"))
    world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled", campaign="cooling", count=1)
    await world.ask(*dials(3, "late", expires_in=8), campaign="cooling")
    world.simulator.connect.set_state("paused", CampaignState.PAUSED)
    parked = world.stream()
    await parked.send(*dials(30, "p"), campaign="paused")
    await parked.message()  # the notice
    gone = world.stream()
    await gone.send(*dials(5, "gone"), campaign="paused")
    await until(lambda: world.gateway.engine.outstanding == 35)
    gone.call.cancel()
    await until(lambda: world.gateway.engine.outstanding == 30)


async def test_the_document_and_the_export_agree(tmp_path: Path) -> None:
    """Every exported metric is documented, and every documented one exported, with its kind and labels."""
    campaigns = (NamedCampaign(CAMPAIGN, "reminders"),)
    no_tags = Fault(
        kind=FaultKind.EXCEPTION, code="AccessDeniedException", operation="ListTagsForResource", count=1
    )
    options = WorldOptions(simulator=SimulatorSettings(call_rate=0, campaigns=campaigns), faults=[no_tags])
    async with world_of(options, campaign_directory="connect") as world:
        await load(world)
        names = world.gateway.names
        await until(lambda: (figures := names.figures()) and figures.failures)
        await asyncio.sleep(0.3)  # for the first sample of the loop's lag
        exported = (await scraped(world)).names()
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, OPS) as ops:
        assert await ops.stream().rest() == []
        secure = (await scraped(world)).names()
        exported |= {name: secure[name] for name in secure if name not in exported or "access" in name}
    expected = documented()
    exported[RESOURCE] = ("gauge", expected[RESOURCE][1])  # it has the labels of the resource
    assert exported == expected


async def test_the_metrics_have_true_values() -> None:
    """The metrics agree with what callers sent and received, what Connect received, and what waits."""
    async with world_of() as world:
        world.gateway.directory.publish(NAMED)
        await load(world)
        seen = await scraped(world)
        calls = len(world.calls())
    assert seen.value("dial_gateway_campaign_info", campaign=CAMPAIGN, name="reminders") == 1
    received, answered = "dial_gateway_requests_received_total", "dial_gateway_requests_answered_total"
    assert seen.value(received, campaign=CAMPAIGN) == 65
    assert seen.value(answered, campaign=CAMPAIGN, outcome="ACCEPTED", reason="NONE") == 64
    assert seen.value(answered, campaign=CAMPAIGN, outcome="REJECTED", reason="INVALID_REQUEST") == 1
    assert seen.value(received) == seen.value(answered) + 30 + 5
    assert seen.value("dial_gateway_backlog", campaign="paused") == 30
    assert seen.value("dial_gateway_backlog_oldest_wait_seconds", campaign="paused") > 0
    assert seen.value("dial_gateway_campaign_held_up_seconds", campaign="paused", condition="parked") > 0
    assert seen.value("dial_gateway_campaign_cooldowns_total", campaign="cooling", condition="cooling") >= 1
    assert seen.value("dial_gateway_requests_replayed_total") == 1
    assert seen.value("dial_gateway_requests_dropped_total") == 5
    assert seen.value("dial_gateway_connect_calls_total") == calls
    assert seen.value("dial_gateway_connect_calls_total", result="AnswerLost") == 1
    assert seen.value("dial_gateway_connect_retries_total", decision="granted") == 1
    assert seen.value("dial_gateway_connect_throttles_total", kind="item_capacity") == 1
    assert seen.value("dial_gateway_connect_call_duration_seconds_count") == calls
    assert seen.value("dial_gateway_batch_size_count", flush=FlushReason.FULL.value) >= 2
    assert seen.value("dial_gateway_streams_open") == 1
    assert seen.value("dial_gateway_rpcs_ended_total", ending="left") == 1
    took = "dial_gateway_request_duration_seconds_count"
    for outcome in Outcome:
        assert seen.value(took, outcome=outcome.name) == seen.value(answered, outcome=outcome.name)
    within = "dial_gateway_request_duration_seconds_bucket"
    assert seen.value(within, le="300.0") == seen.value(answered)  # since it was read, not since 0
    assert seen.value("dial_gateway_request_duration_seconds_sum", outcome="ACCEPTED") > 0.001
    of_callers = "dial_gateway_caller_requests_received_total"
    assert seen.value(of_callers, caller="127.0.0.1") == seen.value(received)
    assert seen.value("dial_gateway_caller_requests_answered_total") == seen.value(answered)
    assert seen.value("dial_gateway_caller_calls_total") == pytest.approx(calls)
    assert seen.value("dial_gateway_draining") == 0
    assert seen.value("dial_gateway_ready") == 1


async def test_streams_blocked_by_window_and_by_room_are_counted() -> None:
    """Blocked streams are counted separately by the missing capacity: window or room in the gateway."""
    async with world_of(stream_window=10, queue_limit=15) as world:
        world.simulator.connect.set_state("paused", CampaignState.PAUSED)
        streams = [world.stream() for _ in range(3)]
        for number, stream in enumerate(streams):
            await stream.send(*dials(20, f"s{number}"), campaign="paused")
        await until(lambda: world.gateway.engine.outstanding == 15)
        seen = await scraped(world)
        assert seen.value("dial_gateway_streams_open") == 3
        assert seen.value("dial_gateway_streams_window_use_ratio") == 1.0
        assert seen.value("dial_gateway_streams_blocked", lacking="window") == 1
        assert seen.value("dial_gateway_streams_blocked", lacking="room") == 2
        for stream in streams:
            stream.call.cancel()


@pytest.mark.timed
async def test_time_without_a_permit_is_counted() -> None:
    """Time in which calls are ready and the call rate has no permit is counted."""
    async with world_of(call_rate=2.0, call_burst=2.0, would_expire=False) as world:
        stream = world.stream()
        await stream.send(*dials(100))
        await stream.read(75)
        seen = await scraped(world)
        waited = seen.value("dial_gateway_permit_wait_seconds_total", lacking="rate")
        assert 0.2 < waited < 5
        assert seen.value("dial_gateway_permit_wait_seconds_total", lacking="concurrency") == 0
        assert seen.value("dial_gateway_call_rate_ceiling_per_second") == 2
        stream.call.cancel()


async def test_invented_campaign_ids_do_not_grow_the_metrics() -> None:
    """Invented campaign ids fill the bounded set of labels, then are counted as `other`."""
    async with world_of(would_expire=False) as world, AsyncExitStack():
        stream = world.stream()
        for number in range(CAMPAIGN_LIMIT + 100):
            await stream.send(dial("t", phone_number="none"), campaign=f"made-up-{number}")
        await stream.read(CAMPAIGN_LIMIT + 100)
        seen = await scraped(world)
        received = [s for s in seen.samples if s[0] == "dial_gateway_requests_received_total"]
        assert len(received) == 1001
        assert sum(value for *_, value in received) == 1100
        assert seen.value("dial_gateway_requests_received_total", campaign="other") == 100
        assert seen.value("dial_gateway_campaigns") == 1000
        assert len(seen.samples) < 6000
        await stream.finish()
        await stream.rest()


@pytest.mark.parametrize("campaign", ["<script>alert(1)</script>", 'a"}', "\\", "ü" * 256])
async def test_a_campaign_id_with_markup_is_only_a_label(campaign: str) -> None:
    """A campaign id is only a label's value, whatever it contains."""
    async with world_of() as world:
        await world.ask(dial("t"), campaign=campaign)
        seen = await scraped(world)
    assert seen.value("dial_gateway_requests_received_total", campaign=campaign) == 1


async def test_concurrent_scrapes_share_one_snapshot() -> None:
    """Concurrent scrapes share one snapshot of the campaigns; a later scrape gets a new one."""
    async with world_of() as world:
        monitoring, metrics = world.gateway.admin.monitoring, world.gateway.basis.telemetry.metrics
        assert metrics is not None
        seen = await asyncio.gather(*(monitoring.observe(metrics) for _ in range(5)))
        later = await monitoring.observe(metrics)
    assert len(set(map(id, seen))) == 1
    assert later is not seen[0]


async def openmetrics(world: World) -> tuple[str, list[Sample]]:
    """Scrape as Prometheus does with exemplars; return the content type and all samples."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    page = await get(world.gateway.admin_port, "/metrics", Accept=accept)
    families = text_string_to_metric_families(page.body)
    return page.headers["Content-Type"], [sample for family in families for sample in family.samples]


async def test_a_slow_request_leads_to_its_trace() -> None:
    """In OpenMetrics the bucket of a sampled request names its trace and its span; no other bucket does."""
    async with world_of() as world:
        stream = world.stream(metadata=(("traceparent", UNSAMPLED),))
        await stream.ask(dial("a", traceparent=SAMPLED), dial("b"), dial("bad", phone_number="1"))
        content_type, samples = await openmetrics(world)
        (span,) = world.spans("dial request")
    (sample,) = [one for one in samples if one.exemplar is not None]
    context = span.get_span_context()
    assert content_type == OPENMETRICS
    assert sample.name == "dial_gateway_request_duration_seconds_bucket"
    assert sample.labels["outcome"] == "ACCEPTED"
    assert sample.exemplar is not None
    assert context is not None
    assert sample.exemplar.labels == {
        "trace_id": SAMPLED.split("-")[1],
        "span_id": f"{context.span_id:016x}",
    }
    assert 0 < sample.exemplar.value <= float(sample.labels["le"])


async def test_both_formats_have_the_same_samples() -> None:
    """OpenMetrics has every metric of the text format under the same names and labels."""
    async with world_of() as world:
        await load(world)
        _, wanted = await openmetrics(world)
        seen = await scraped(world)
    plain = {(name, frozenset(labels.items())) for name, labels, _ in seen.samples}
    assert {(one.name, frozenset(one.labels.items())) for one in wanted} == plain


async def test_usage_is_shown_by_the_identity_of_the_caller(tmp_path: Path) -> None:
    """What a caller sends, and is refused by policy, counts under the identity in its certificate."""
    async with secured(tmp_path) as (world, folder), caller_of(world, folder.ca, BILLING) as billing:
        await billing.stream().ask(*dials(30), campaign="debt-1")
        await billing.stream().ask(*dials(2), campaign="not-allowed")
        seen = await scraped(world)
        calls = len(world.calls())
    answered = "dial_gateway_caller_requests_answered_total"
    assert seen.value("dial_gateway_caller_requests_received_total", caller=BILLING) == 32
    assert seen.value(answered, caller=BILLING, outcome="ACCEPTED") == 30
    assert seen.value(answered, caller=BILLING, outcome="REJECTED") == 2
    assert seen.value("dial_gateway_caller_calls_total", caller=BILLING) == pytest.approx(calls)
    assert {one[1]["caller"] for one in seen.samples if one[0] == answered} == {BILLING}
    assert seen.value("dial_gateway_callers") == 1


async def test_the_versions_and_the_process_are_shown() -> None:
    """The version that `target_info` and the build series name is the installed one."""
    async with world_of() as world:
        seen = await scraped(world)
    (build,) = [labels for name, labels, _ in seen.samples if name == "dial_gateway_build_info"]
    (target,) = [labels for name, labels, _ in seen.samples if name == RESOURCE]
    assert build["version"] == target["service_version"] == version("dial-gateway")
    assert seen.value("process_resident_memory_bytes") > 1e6


async def test_concurrent_scrapes_share_one_text() -> None:
    """Concurrent scrapes of one format share its text; a later scrape gets a new one."""
    async with world_of() as world:
        monitoring = world.gateway.admin.monitoring
        found = await asyncio.gather(
            *(monitoring.metrics() for _ in range(3)), monitoring.metrics(OPENMETRICS)
        )
        later = await monitoring.metrics()
    assert all(one is not None for one in (*found, later))
    texts = [id(one[0]) for one in (*found, later) if one is not None]
    assert len(set(texts[:3])) == 1
    assert len(set(texts)) == 3
