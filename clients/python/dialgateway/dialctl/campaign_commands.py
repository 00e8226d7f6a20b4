"""The commands `dialctl campaigns`, `watch`, `hold`, `release` and `purge`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from grpc import StatusCode

from dialgateway.campaigns import ActionDone, ActionKind, Campaign, CampaignsSeen, HeldRequests
from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.campaign_arguments import CampaignArguments, is_pattern
from dialgateway.dialctl.campaign_table import (
    campaign_label,
    campaign_line,
    confirmation_texts,
    missing_replicas,
    table_lines,
    wide_lines,
)
from dialgateway.dialctl.gateway_command import DONE, NOT_DONE, run_with_client, write_error
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.terminal import rich_console, unambiguous
from dialgateway.errors import CallFailed, GatewayUnavailable


async def run_campaign_command(arguments: CampaignArguments) -> int:
    """Run one command and return its exit code. Raises UnusableFile and OSError."""
    command: Callable[[DialGatewayClient, CampaignArguments], Awaitable[int]] = _COMMANDS[arguments.command]
    return await run_with_client(arguments.gateway, lambda client: command(client, arguments))


async def _list(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    seen = await client.see_campaigns(arguments.campaign_id)
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
    if others := missing_replicas(seen):
        write_error(others.removeprefix("; "))
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


async def _operate(client: DialGatewayClient, arguments: CampaignArguments) -> int:
    """Hold, release or purge a campaign, or all that a pattern means, after a confirmation if one is due."""
    targets = await _targets(client, arguments)
    if not targets:
        return NOT_DONE
    return max([await _act(client, arguments, target) for target in targets])


async def _targets(client: DialGatewayClient, arguments: CampaignArguments) -> list[str]:
    """Return the campaigns to operate on; none if there is none, or if it was not confirmed."""
    text, command = arguments.campaign_id, arguments.command
    if is_pattern(text):
        return await _targets_of_pattern(client, arguments)
    if command == "purge" and not arguments.yes:
        queued = sum(campaign.queued for campaign in await _found(client, text))
        if not await _confirmed(f"remove {queued:,} queued dial requests of {unambiguous(text)}? [y/N] "):
            write_error("nothing was removed")
            return []
    return [text]


async def _targets_of_pattern(client: DialGatewayClient, arguments: CampaignArguments) -> list[str]:
    """Print the campaigns that match a pattern, only held ones for a release, and ask for confirmation."""
    text, command = arguments.campaign_id, arguments.command
    seen = await client.see_campaigns(text)
    found = list(seen.campaigns.values())
    if command == "release":
        found = [campaign for campaign in found if campaign.hold is not None]
    if not found:
        kind = "held campaign" if command == "release" else "campaign"
        write_error(f"no {kind} matches {text}, so nothing was done{missing_replicas(seen)}")
        return []
    for campaign in found:
        sys.stderr.write(f"{campaign_line(campaign)}\n")
    what = f"{len(found):,} campaign{'s' if len(found) > 1 else ''}{missing_replicas(seen)}"
    if not arguments.yes and not await _confirmed(f"{command} {what}? [y/N] "):
        write_error("nothing was done")
        return []
    return [campaign.campaign_id for campaign in found]


async def _found(client: DialGatewayClient, text: str) -> list[Campaign]:
    """Return the campaigns with an id or a name. A gateway without names still finds ids."""
    if text.startswith("name:"):
        return list((await client.see_campaigns(text)).campaigns.values())
    return [campaign for campaign in await client.list_campaigns() if campaign.campaign_id == text]


async def _act(client: DialGatewayClient, arguments: CampaignArguments, target: str) -> int:
    """Operate on one campaign; return the exit code. What is refused for one is no reason to skip others."""
    kind = ActionKind[arguments.command.upper()]
    try:
        done = await client.act_on_campaign(
            kind,
            target,
            arguments.reason,
            held_requests=HeldRequests.ANSWER if arguments.answer else HeldRequests.WAIT,
            known_only=not arguments.in_advance,
        )
    except GatewayUnavailable:
        raise
    except CallFailed as error:
        unknown = kind is ActionKind.HOLD and error.code is StatusCode.NOT_FOUND
        hint = "; if the id is right, use --in-advance" if unknown and not target.startswith("name:") else ""
        write_error(f"{target}: {error}{hint}")
        return NOT_DONE
    return _done(done, arguments, *_texts_of(kind, done))


def _texts_of(kind: ActionKind, done: ActionDone) -> tuple[str, str]:
    """Return what an action has done, and what to expect if the shared state could not record it."""
    if kind is ActionKind.PURGE:
        text = f"{campaign_label(done.campaign)}: {done.answered:,} dial requests removed"
        return text, "purge again once it is back"
    answered = f"; {done.answered:,} dial requests answered" if done.answered else ""
    then = "the hold reaches the others once it is back" if kind is ActionKind.HOLD else ""
    return campaign_line(done.campaign) + answered, then


def _done(done: ActionDone, arguments: CampaignArguments, text: str, without_store: str = "") -> int:
    """Print what came of an action, and which replicas have done it; return the exit code."""
    confirmed, problem = confirmation_texts(done.confirmation)
    if arguments.output is OutputFormat.JSON:
        print_json({"action": arguments.command.upper(), **fields_json(done)})
    else:
        _print(text, *([confirmed] if confirmed else []))
    if arguments.output is OutputFormat.WIDE:
        _print(*wide_lines([done.campaign]))
    if problem and done.confirmation is not None and done.confirmation.only_here:
        problem += f"; {without_store}"
    if problem:
        write_error(problem)
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
            _print(f"{at} {campaign_line(campaign)}")


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


_COMMANDS: dict[str, Callable[[DialGatewayClient, CampaignArguments], Awaitable[int]]] = {
    "campaigns": _list,
    "watch": _watch,
    "hold": _operate,
    "release": _operate,
    "purge": _operate,
}
