"""The program of the Python client for the scenarios. It uses only the client's public API."""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from dialgateway import (
    AnswerMachineDetection,
    CallFailed,
    Channel,
    DialGatewayClient,
    DialGatewayError,
    DialRequest,
    DialResult,
    Email,
    Notice,
    Priority,
    Sms,
    Telephony,
    WhatsApp,
)

Command = dict[str, Any]
PHONE = "+12025550123"


class OwnError(Exception):
    """The error of a reader that fails."""


def write(**document: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def name_of(value: str) -> str:
    """Return the name of an enum value, empty if it is unspecified."""
    return value.removeprefix("UNSPECIFIED")


def answer_of(campaign: str, result: DialResult) -> dict[str, Any]:
    """Describe an answer."""
    wait = result.retry_after
    return {
        "campaign": campaign,
        "token": result.client_token,
        "outcome": result.outcome.value,
        "reason": name_of(result.reason),
        "detail": result.detail,
        "retry_advice": name_of(result.retry_advice),
        "retry_after_s": wait.total_seconds() if wait else 0,
        "attempts": result.attempts,
        "replayed": result.replayed,
        "dial_request_id": result.dial_request_id,
        "trace_id": result.trace_id,
    }


def resident_pages() -> int:
    """Return the resident memory of this process, in pages."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])


def generated(command: Command, number: int, step: int) -> Iterator[DialRequest]:
    """Make every `step`-th request from `number` on."""
    many = command["generate"]
    attributes = {"k": "x" * many["attribute_bytes"]} if many["attribute_bytes"] else {}
    for each in range(number, many["count"], step):
        expires_at = datetime.now(UTC) + timedelta(seconds=many["expires_in_s"])
        yield DialRequest(f"{many['prefix']}{each}", PHONE, expires_at, attributes)


def listed(command: Command) -> Iterator[DialRequest]:
    """Make the requests that a command lists."""
    for each in command["requests"]:
        expires_at = datetime.now(UTC) + timedelta(seconds=each["expires_in_s"])
        attributes, in_doubt = each.get("attributes", {}), each.get("in_doubt", False)
        channel = channel_of(each["channel"]) if "channel" in each else None
        yield DialRequest(
            each["token"], each["phone"], expires_at, attributes, in_doubt=in_doubt, channel=channel
        )


def channel_of(fields: Mapping[str, Any]) -> Channel:
    """Make the channel that a command describes."""
    source, template = fields.get("source"), fields.get("template")
    match fields["kind"]:
        case "sms":
            return Sms(source, template)
        case "whats_app":
            return WhatsApp(source, template)
        case "email":
            return Email(fields["address"], source, template)
    detection = AnswerMachineDetection(enabled=True, await_prompt=fields["await_prompt"])
    return Telephony(source, timedelta(seconds=fields["ring_timeout_s"]), detection)


class Program:
    """Carries out commands with one client."""

    def __init__(self, client: DialGatewayClient) -> None:
        self._client = client

    async def run(self, command: Command) -> None:
        """Carry out one command, and write how it ended."""
        id_ = command["id"]
        try:
            await getattr(self, f"_{command['do']}")(id_, command)
            write(id=id_, end="ok")
        except OwnError as error:
            write(id=id_, end="error", error="OWN", status="", reason="", message=str(error))
        except (DialGatewayError, ValueError) as error:
            code = error.code if isinstance(error, CallFailed) else None
            reason = error.reason if isinstance(error, CallFailed) else ""
            write(
                id=id_,
                end="error",
                error=type(error).__name__,
                status=code.name if code else "",
                reason=reason,
                message=str(error),
            )

    async def _dial(self, id_: str, command: Command) -> None:
        campaigns = command.get("campaigns") or [command["campaign"]]
        counts: Counter[str] = Counter()
        offered = 0

        def offer(requests: Iterator[DialRequest]) -> Iterator[DialRequest]:
            nonlocal offered
            for request in requests:
                offered += 1
                yield request

        try:
            async with asyncio.TaskGroup() as group:
                for number, campaign in enumerate(campaigns):
                    many = "generate" in command
                    requests = generated(command, number, len(campaigns)) if many else listed(command)
                    group.create_task(self._dial_one(id_, command, campaign, offer(requests), counts))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        write(id=id_, offered=offered)
        if command.get("quiet"):
            write(id=id_, counts=counts)

    async def _dial_one(
        self,
        id_: str,
        command: Command,
        campaign: str,
        requests: Iterator[DialRequest],
        counts: Counter[str],
    ) -> None:
        quiet = command.get("quiet", False)

        def on_notice(notice: Notice) -> None:
            if quiet:
                return
            wait = notice.retry_after
            told = {"campaign": notice.campaign_id, "kind": name_of(notice.kind)}
            write(id=id_, notice={**told, "retry_after_s": wait.total_seconds() if wait else 0})

        priority, answers = Priority(command.get("priority", "NORMAL")), 0
        results = self._client.dial(campaign, requests, priority=priority, on_notice=on_notice)
        async with aclosing(results):
            async for result in results:
                counts[result.outcome.value] += 1
                if not quiet:
                    write(id=id_, answer=answer_of(campaign, result))
                answers += 1
                if answers == command.get("throw_after"):
                    raise OwnError("the reader has failed")
                if answers == command.get("close_after"):
                    return
                if answers == command.get("pause_after"):
                    await asyncio.sleep(command["pause_s"])

    async def _put(self, id_: str, command: Command) -> None:
        campaign = command["campaign"]
        for result in await self._client.put(campaign, listed(command), timeout=30):
            write(id=id_, answer=answer_of(campaign, result))

    async def _hold(self, id_: str, command: Command) -> None:
        await self._client.hold_campaign(command["campaign"], command["reason"])

    async def _release(self, id_: str, command: Command) -> None:
        await self._client.release_campaign(command["campaign"], command["reason"])

    async def _purge(self, id_: str, command: Command) -> None:
        await self._client.purge_campaign(command["campaign"], command["reason"])

    async def _campaigns(self, id_: str, command: Command) -> None:
        seen = await self._client.list_campaigns()
        write(
            id=id_,
            campaigns=[
                {"campaign": each.campaign_id, "state": each.state.value, "queued": each.queued}
                for each in seen
            ],
        )

    async def _memory(self, id_: str, command: Command) -> None:
        pages, times = resident_pages(), os.times()
        write(id=id_, rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"), cpu_s=times.user + times.system)


def credentials_of(options: argparse.Namespace) -> grpc.ChannelCredentials | None:
    """Return the TLS credentials that the options name, None without TLS."""
    if options.ca is None:
        return None
    pair = [path and path.read_bytes() for path in (options.key, options.cert)]
    return grpc.ssl_channel_credentials(options.ca.read_bytes(), *pair)


async def serve(options: argparse.Namespace) -> None:
    """Carry out the commands on stdin at the same time, until it ends."""
    commands = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    client = DialGatewayClient(
        options.target,
        credentials=credentials_of(options),
        server_name=options.authority,
        window=options.window,
        keepalive=options.keepalive,
    )
    async with client, asyncio.TaskGroup() as group:
        program = Program(client)
        async for line in commands:
            group.create_task(program.run(json.loads(line)))


def main(arguments: Sequence[str]) -> None:
    """Read the options, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    for name in ("--ca", "--cert", "--key"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--authority")
    parser.add_argument("--window", type=int, default=2000)
    parser.add_argument("--keepalive", type=float, default=30.0)
    asyncio.run(serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
