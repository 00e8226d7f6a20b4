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

from dialgateway import DialGatewayClient
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
        await client.hold_campaign(CAMPAIGN)
    await world.stream().send(*dials(count))
    await until(lambda: world.gateway.engine.outstanding == count)


async def test_hold_list_and_release(world: World) -> None:
    """The list shows who holds a campaign and why; a release ends the hold, and a second one reports that
    none exists.
    """
    code, out, _ = await dialctl(world, "hold", CAMPAIGN, "--reason", "complaints")
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


async def test_hold_that_answers(world: World) -> None:
    """With `--answer`, new requests are answered."""
    assert (await dialctl(world, "hold", CAMPAIGN, "--answer"))[0] == 0
    assert verdicts(await world.ask(*dials(1))) == ["NOT_ACCEPTED HELD SAME_TOKEN"]


@pytest.mark.parametrize(("typed", "purged"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"", False)])
async def test_purge_asks_and_names_the_number(world: World, typed: bytes, purged: bool) -> None:
    """A purge shows the number of requests, and does nothing without a yes."""
    await with_queue(world, 37)
    code, out, err = await dialctl(world, "purge", CAMPAIGN, stdin=typed)
    assert "37 queued dial requests" in err
    assert code == (0 if purged else 1)
    assert ("37 dial requests removed" in out) is purged
    assert world.gateway.engine.outstanding == (0 if purged else 37)


async def test_purge_without_asking(world: World) -> None:
    """With `--yes` a purge does not ask."""
    await with_queue(world, 3)
    code, out, err = await dialctl(world, "purge", CAMPAIGN, "--yes")
    assert (code, err) == (0, "")
    assert "3 dial requests removed" in out


async def test_json_for_programs(world: World) -> None:
    """Each command prints one document; a watch prints a line for each change. Errors stay text."""
    code, out, err = await dialctl(world, "hold", CAMPAIGN, "--reason", "complaints", "-o", "json")
    done = json.loads(out)
    assert (code, err, done["action"], done["answered"], done["confirmation"]) == (0, "", "HOLD", 0, None)
    assert done["campaign"]["hold"]["reason"] == "complaints"
    _, out, _ = await dialctl(world, "campaigns", "-o", "json")
    (campaign,) = json.loads(out)["campaigns"]
    assert (campaign["campaign_id"], campaign["state"], campaign["oldest_wait_s"]) == (CAMPAIGN, "HELD", 0)
    _, out, _ = await dialctl(world, "campaigns", "-o", "wide")
    assert "LAST ACTION" in out
    assert "hold by" in out
    _, out, _ = await dialctl(world, "purge", CAMPAIGN, "--yes", "-o", "json")
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
        await client.hold_campaign("first")
        assert re.match(rb"\d\d:\d\d:\d\d first: held, 0 queued", await process.stdout.readline())
        await client.hold_campaign("second")
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
            await client.hold_campaign("held-one")
            await until(lambda: shows("held-one"))
            await client.hold_campaign(NASTY)
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
            await client.hold_campaign("first")
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
    for command in (["campaigns"], ["purge", NASTY], ["release", NASTY]):
        _, out, err = await dialctl(world, *command)
        assert "<b>x</b>\\x1b]0;owned\\x07\\u202e\\u0301" in out + err
        assert not set(out + err) & set("\x1b\x07\u202e\u0301")


async def test_an_unreachable_gateway(world: World) -> None:
    """An unreachable gateway gives exit code 3."""
    code, _, err = await dialctl(world, "campaigns", "--gateway", "127.0.0.1:1")
    assert code == 3
    assert "127.0.0.1:1" in err
