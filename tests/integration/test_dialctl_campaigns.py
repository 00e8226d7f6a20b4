"""`dialctl campaigns`, `watch`, `hold`, `release` and `purge` as processes, against a real gateway."""

import asyncio
import contextlib
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator

import pytest

from dialgateway import Campaign, DialGatewayClient
from dialgateway.campaigns import ActionKind
from dialgateway.errors import CallFailed
from tests import preloaded
from tests.integration.world import CAMPAIGN, PATIENCE_S, World, dials, until, verdicts, world_of

PIPE = asyncio.subprocess.PIPE
NASTY = "<b>x</b>\x1b]0;owned\x07\u202e\u0301"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with world_of() as world:
        yield world


async def started(
    world: World, *arguments: str, stdout: int = asyncio.subprocess.PIPE, **environment: str
) -> preloaded.Process:
    """Start dialctl."""
    return await preloaded.start(
        "dialgateway.dialctl",
        *arguments,
        env={**os.environ, "DIAL_GATEWAY_TARGET": world.target, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def dialctl(world: World, *arguments: str, stdin: bytes = b"") -> tuple[int | None, str, str]:
    """Run dialctl to its end; return its exit code and both outputs."""
    process = await started(world, *arguments)
    out, err = await asyncio.wait_for(process.communicate(stdin), PATIENCE_S)
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


async def with_queue(world: World, count: int) -> None:
    """Hold the campaign and queue `count` requests."""
    async with DialGatewayClient(world.target) as client:
        await client.hold_campaign(CAMPAIGN, "test")
    await world.stream().send(*dials(count))
    await until(lambda: world.gateway.engine.outstanding == count)


async def test_hold_list_and_release(world: World) -> None:
    """The list shows who holds a campaign and why; a release ends the hold, and a second one reports that
    none exists.
    """
    code, out, _ = await dialctl(world, "hold", CAMPAIGN, "--in-advance", "--reason", "complaints")
    assert code == 0
    assert f"{CAMPAIGN}: held" in out
    code, out, _ = await dialctl(world, "campaigns")
    assert code == 0
    title, row = out.splitlines()
    assert title.split()[:3] == ["CAMPAIGN", "STATE", "QUEUED"]
    assert re.match(rf"{CAMPAIGN} +held +0 .*by ipv[46]:.* since .* UTC: complaints$", row)
    assert (await dialctl(world, "release", CAMPAIGN))[0] == 0
    assert verdicts(await world.ask(*dials(2))) == ["ACCEPTED"] * 2
    code, _, err = await dialctl(world, "release", CAMPAIGN)
    assert code == 1
    assert "not held" in err


@pytest.mark.parametrize("command", ["hold", "purge"])
async def test_a_hold_and_a_purge_need_a_reason(world: World, command: str) -> None:
    """Whoever sees a held campaign later must learn why. Nothing is sent without one."""
    for reason in ([], ["--reason", " "]):
        code, out, err = await dialctl(world, command, CAMPAIGN, "--yes", *reason)
        assert (code, out, "--reason" in err) == (2, "", True)
    async with DialGatewayClient(world.target) as client:
        with pytest.raises(CallFailed, match="reason: required"):
            await client.act_on_campaign(ActionKind[command.upper()], CAMPAIGN)
    assert world.gateway.replica.dispatcher.row(CAMPAIGN).hold is None


async def test_hold_that_answers(world: World) -> None:
    """With `--answer`, new requests are answered."""
    assert (await dialctl(world, "hold", CAMPAIGN, "--reason", "test", "--answer", "--in-advance"))[0] == 0
    assert verdicts(await world.ask(*dials(1))) == ["NOT_ACCEPTED HELD SAME_TOKEN"]


@pytest.mark.parametrize(("typed", "purged"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"", False)])
async def test_purge_asks_and_names_the_number(world: World, typed: bytes, purged: bool) -> None:
    """A purge shows the number of requests, and does nothing without a yes."""
    await with_queue(world, 37)
    code, out, err = await dialctl(world, "purge", CAMPAIGN, "--reason", "test", stdin=typed)
    assert "37 queued dial requests" in err
    assert code == (0 if purged else 1)
    assert ("37 dial requests removed" in out) is purged
    assert world.gateway.engine.outstanding == (0 if purged else 37)


async def test_an_unknown_campaign_is_not_held(world: World) -> None:
    """A typing error holds nothing and says so. `--in-advance` holds an id that is not known yet."""
    for command in (["hold", "nosuch"], ["purge", "nosuch", "--yes"], ["release", "nosuch"]):
        code, out, err = await dialctl(world, *command, "--reason", "test")
        assert (code, out) == (1, ""), command
        assert ("not held" if command[0] == "release" else "this campaign is not known") in err
    assert "--in-advance" in (await dialctl(world, "hold", "nosuch", "--reason", "test"))[2]
    assert (await dialctl(world, "campaigns"))[1] == "no campaigns\n"
    assert (await dialctl(world, "hold", "nosuch", "--reason", "test", "--in-advance"))[0] == 0
    assert (await dialctl(world, "hold", "nosuch", "--reason", "test"))[0] == 0  # it is known now
    await world.ask(*dials(1))
    assert (await dialctl(world, "hold", CAMPAIGN, "--reason", "test"))[0] == 0  # from its dial requests


@pytest.mark.parametrize(("typed", "held"), [(b"y\n", 2), (b"n\n", 0), (b"", 0)])
async def test_a_pattern_is_listed_and_confirmed(world: World, typed: bytes, held: int) -> None:
    """A pattern shows the campaigns that it means, and operates on each of them after a yes."""
    for campaign in ("debt-1", "debt-2", "surveys"):
        await world.ask(*dials(1), campaign=campaign)
    code, out, err = await dialctl(world, "hold", "debt-*", "--reason", "test", stdin=typed)
    assert "debt-1: flowing" in err
    assert "debt-2: flowing" in err
    assert "hold 2 campaigns? [y/N]" in err
    assert "surveys" not in out + err
    assert (code, out.count(": held")) == (0 if held else 1, held)
    assert sum(row.hold is not None for row in await rows(world)) == held


async def rows(world: World) -> list[Campaign]:
    async with DialGatewayClient(world.target) as client:
        return await client.list_campaigns()


async def test_patterns_release_and_purge_what_they_mean(world: World) -> None:
    """A release means held campaigns only. A pattern that means nothing exits with 1, and says so."""
    for campaign in ("debt-1", "debt-2"):
        await world.ask(*dials(1), campaign=campaign)
    code, _, err = await dialctl(world, "release", "debt-*", "--yes")
    assert (code, err) == (1, "dialctl: no held campaign matches debt-*, so nothing was done\n")
    assert (await dialctl(world, "hold", "debt-1", "--reason", "test"))[0] == 0
    code, out, _ = await dialctl(world, "release", "debt-*", "--yes")
    assert (code, out.count("debt-1: flowing"), "debt-2" in out) == (0, 1, False)
    code, out, _ = await dialctl(world, "purge", "*-2", "--reason", "test", "--yes")
    assert (code, out) == (0, "debt-2: 0 dial requests removed\n")
    code, out, err = await dialctl(world, "hold", "nosuch-*", "--reason", "test", "--yes")
    assert (code, out, err) == (1, "", "dialctl: no campaign matches nosuch-*, so nothing was done\n")
    code, _, err = await dialctl(world, "hold", "debt-*", "--reason", "test", "--in-advance")
    assert (code, "needs one campaign" in err) == (2, True)


async def test_purge_without_asking(world: World) -> None:
    """With `--yes` a purge does not ask."""
    await with_queue(world, 3)
    code, out, err = await dialctl(world, "purge", CAMPAIGN, "--reason", "test", "--yes")
    assert (code, err) == (0, "")
    assert "3 dial requests removed" in out


async def test_json_for_programs(world: World) -> None:
    """Each command prints one document; a watch prints a line for each change. Errors stay text."""
    code, out, err = await dialctl(
        world, "hold", CAMPAIGN, "--reason", "complaints", "--in-advance", "-o", "json"
    )
    done = json.loads(out)
    assert (code, err, done["action"], done["answered"], done["confirmation"]) == (0, "", "HOLD", 0, None)
    assert done["campaign"]["hold"]["reason"] == "complaints"
    _, out, _ = await dialctl(world, "campaigns", "-o", "json")
    (campaign,) = json.loads(out)["campaigns"]
    assert (campaign["campaign_id"], campaign["state"], campaign["oldest_wait_s"]) == (CAMPAIGN, "HELD", 0)
    _, out, _ = await dialctl(world, "campaigns", "-o", "wide")
    assert "LAST ACTION" in out
    assert "hold by" in out
    _, out, _ = await dialctl(world, "purge", CAMPAIGN, "--reason", "test", "--yes", "-o", "json")
    assert json.loads(out)["action"] == "PURGE"
    process = await started(world, "watch", "-o", "json")
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        line = json.loads(await process.stdout.readline())
    assert (line["campaign_id"], line["campaign"]["queued"]) == (CAMPAIGN, 0)
    process.send_signal(2)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130
    assert (await dialctl(world, "release", CAMPAIGN, "-o", "wide"))[1].count(CAMPAIGN) == 2
    code, out, err = await dialctl(world, "release", CAMPAIGN, "-o", "json")
    assert (code, out, "not held" in err) == (1, "", True)


@pytest.mark.timed
async def test_watch_into_a_pipe(world: World) -> None:
    """Without a terminal a watch prints a line for each changed campaign."""
    process = await started(world, "watch", "--every", "0.25")
    assert process.stdout is not None
    async with DialGatewayClient(world.target) as client, asyncio.timeout(PATIENCE_S):
        await client.hold_campaign("first", "test")
        assert re.match(rb"\d\d:\d\d:\d\d first: held, 0 queued", await process.stdout.readline())
        await client.hold_campaign("second", "test")
        assert re.match(rb"\d\d:\d\d:\d\d second: held", await process.stdout.readline())
        await client.release_campaign("first")
        assert re.match(rb"\d\d:\d\d:\d\d first: flowing", await process.stdout.readline())
    process.send_signal(2)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130


@pytest.mark.timed
async def test_watch_on_a_terminal(world: World) -> None:
    """On a terminal a watch redraws one table in place, and the last state stays visible at its end."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = await started(world, "watch", "--every", "0.25", stdout=theirs, TERM="xterm")
    os.close(theirs)
    written = bytearray()

    def shows(text: str) -> bool:
        """Return whether the newest drawing contains a text."""
        with contextlib.suppress(OSError):
            written.extend(os.read(ours, 65_536))
        return text.encode() in bytes(written).rpartition(b"\x1b[H")[2]

    try:
        async with DialGatewayClient(world.target) as client:
            await client.hold_campaign("held-one", "test")
            await until(lambda: shows("held-one"))
            await client.hold_campaign(NASTY, "test")
            await until(lambda: shows("2 campaigns"))
        process.send_signal(2)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130
        assert shows("\x1b[?1049l"), "the terminal was left on its alternate screen"
    finally:
        os.close(ours)
    after = bytes(written).rpartition(b"\x1b[?1049l")[2]
    assert b"held-one" in after
    text = re.sub(rb"\x1b\[(H|\?1049[hl]|\?25[hl]|[0-9;]*m)|[\r\n]", b"", bytes(written))
    assert all(byte >= 32 for byte in text), "an escape sequence besides cursor, screen and color"


async def test_watch_without_rich_writes_lines(world: World) -> None:
    """Without the extra `cli` a watch prints a line for each change on a terminal, as into a pipe."""
    ours, theirs = pty.openpty()
    program = (
        "import sys; sys.modules['rich'] = None\n"
        "from dialgateway.dialctl import main; sys.exit(main(['watch', '--every', '0.25']))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**os.environ, "DIAL_GATEWAY_TARGET": world.target, "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        async with DialGatewayClient(world.target) as client:
            await client.hold_campaign("first", "test")
            async with asyncio.timeout(PATIENCE_S):
                line = await asyncio.to_thread(os.read, ours, 65_536)
        assert re.match(rb"\d\d:\d\d:\d\d first: held, 0 queued", line)
        process.send_signal(2)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130
    finally:
        os.close(ours)


async def test_ids_cannot_control_the_terminal(world: World) -> None:
    """Control, direction and joining characters in ids and reasons are always printed as escapes."""
    async with DialGatewayClient(world.target) as client:
        await client.hold_campaign(NASTY, "<i>a\u0301</i>")
    for command in (["campaigns"], ["purge", NASTY, "--reason", "test"], ["release", NASTY]):
        _, out, err = await dialctl(world, *command)
        assert "<b>x</b>\\x1b]0;owned\\x07\\u202e\\u0301" in out + err
        assert not set(out + err) & set("\x1b\x07\u202e\u0301")


async def test_an_unreachable_gateway(world: World) -> None:
    """An unreachable gateway gives exit code 3."""
    code, _, err = await dialctl(world, "campaigns", "--gateway", "127.0.0.1:1")
    assert code == 3
    assert "127.0.0.1:1" in err
