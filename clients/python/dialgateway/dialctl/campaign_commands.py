"""The commands `dialctl campaigns`, `watch`, `hold`, `release` and `purge`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from dialgateway.campaigns import ActionDone, ActionKind, CampaignsSeen, HeldRequests
from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.campaign_arguments import CampaignArguments
from dialgateway.dialctl.campaign_table import missing, reach, sentence, table_lines, wide_lines
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.send import INTERRUPTED
from dialgateway.dialctl.terminal import rich_console, unambiguous
from dialgateway.errors import CallFailed, GatewayUnavailable

DONE, NOT_DONE, UNREACHABLE = 0, 1, 3


async def run_campaign_command(arguments: CampaignArguments) -> int:
    """Run one command and return its exit code. Raises UnusableFile and OSError."""
    command: Callable[[DialGatewayClient, CampaignArguments], Awaitable[int]] = _COMMANDS[arguments.command]
    gateway = arguments.gateway
    async with DialGatewayClient(
        gateway.target, credentials=gateway.credentials(), server_name=gateway.server_name
    ) as client:
        try:
            return await command(client, arguments)
        except GatewayUnavailable as error:
            _say(f"cannot reach the gateway at {gateway.target}: {error}")
            return UNREACHABLE
        except CallFailed as error:
            _say(str(error))
            return NOT_DONE
        except asyncio.CancelledError:  # Ctrl-C
            return INTERRUPTED


async def _list(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    seen = await client.see_campaigns()
    campaigns = list(seen.campaigns.values())
    if arguments.output is OutputFormat.JSON:
        print_json({"as_of": seen.as_of, "campaigns": campaigns, "replicas": seen.replicas})
    elif campaigns and arguments.output is OutputFormat.WIDE:
        _print(*wide_lines(campaigns))
    elif campaigns and (console := rich_console(sys.stdout)) is not None:
        from dialgateway.dialctl.campaign_screen import print_campaigns

        print_campaigns(campaigns, console)
    else:
        _print(*(table_lines(campaigns) if campaigns else ["no campaigns"]))
    if others := missing(seen):
        _say(others.removeprefix("; "))
    return DONE


async def _watch(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    """Redraw a table on a terminal with Rich; elsewhere write a line for each campaign that has changed."""
    as_text = arguments.output is OutputFormat.TEXT
    if not as_text or (console := rich_console(sys.stdout)) is None:
        async for seen in client.watch_campaigns(arguments.every):
            _print_changes(seen, arguments.output)
        return DONE
    from dialgateway.dialctl.campaign_screen import WatchScreen

    with WatchScreen(console) as screen:
        async for seen in client.watch_campaigns(arguments.every):
            screen.show(seen)
    return DONE


async def _hold(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    held_requests = HeldRequests.ANSWER if arguments.answer else HeldRequests.WAIT
    done = await client.act_on_campaign(
        ActionKind.HOLD, arguments.campaign_id, arguments.reason, held_requests=held_requests
    )
    answered = f"; {done.answered:,} dial requests answered" if done.answered else ""
    return _done(
        done, arguments, sentence(done.campaign) + answered, "the hold reaches the others once it is back"
    )


async def _release(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    done = await client.act_on_campaign(ActionKind.RELEASE, arguments.campaign_id, arguments.reason)
    return _done(done, arguments, sentence(done.campaign))


async def _purge(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    name = unambiguous(arguments.campaign_id)
    if not arguments.yes:
        listed = {campaign.campaign_id: campaign for campaign in await client.list_campaigns()}
        campaign = listed.get(arguments.campaign_id)
        queued = campaign.queued if campaign is not None else 0
        if not await _confirmed(f"remove {queued:,} queued dial requests of {name}? [y/N] "):
            _say("nothing was removed")
            return NOT_DONE
    done = await client.act_on_campaign(ActionKind.PURGE, arguments.campaign_id, arguments.reason)
    return _done(
        done, arguments, f"{name}: {done.answered:,} dial requests removed", "purge again once it is back"
    )


def _done(done: ActionDone, arguments: CampaignArguments, text: str, without_store: str = "") -> int:
    """Print what came of an action, and which replicas have done it; return the exit code."""
    confirmed, problem = reach(done)
    if arguments.output is OutputFormat.JSON:
        print_json({"action": arguments.command.upper(), **fields_json(done)})
    else:
        _print(text, *([confirmed] if confirmed else []))
    if arguments.output is OutputFormat.WIDE:
        _print(*wide_lines([done.campaign]))
    if problem and done.confirmation is not None and done.confirmation.only_here:
        problem += f"; {without_store}"
    if problem:
        _say(problem)
    return NOT_DONE if problem else DONE


async def _confirmed(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    return answer.strip().lower() in {"y", "yes"}


def _print_changes(seen: CampaignsSeen, output: OutputFormat) -> None:
    at = f"{seen.as_of:%H:%M:%S}"
    changed = {name: seen.campaigns.get(name) for name in sorted(seen.changed)}
    if output is OutputFormat.WIDE:
        _print(*(f"{at} {line}" for line in wide_lines([one for one in changed.values() if one is not None])))
    for name, campaign in changed.items():
        if output is OutputFormat.JSON:
            print_json({"as_of": seen.as_of, "campaign_id": name, "campaign": campaign})
        elif campaign is None:
            _print(f"{at} {unambiguous(name)}: gone")
        elif output is OutputFormat.TEXT:
            _print(f"{at} {sentence(campaign)}")


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"dialctl: {unambiguous(text)}\n")


_COMMANDS: dict[str, Callable[[DialGatewayClient, CampaignArguments], Awaitable[int]]] = {
    "campaigns": _list,
    "watch": _watch,
    "hold": _hold,
    "release": _release,
    "purge": _purge,
}
