"""`dialctl campaigns`, `watch`, `hold`, `release` and `purge`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable

from dialgateway.campaigns import Campaign, CampaignsSeen, CampaignState, HeldRequests
from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.send import INTERRUPTED
from dialgateway.dialctl.steer_arguments import SteerArguments
from dialgateway.dialctl.tables import plain, sentence, table
from dialgateway.errors import CallFailed, GatewayUnavailable

DONE, NOT_DONE, UNREACHABLE = 0, 1, 3
_TO_TOP, _TO_END_OF_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


async def steer(arguments: SteerArguments) -> int:
    """Run one command about campaigns; return the exit code."""
    command: Callable[[DialGatewayClient, SteerArguments], Awaitable[int]] = _COMMANDS[arguments.command]
    gateway = arguments.gateway
    async with DialGatewayClient(
        gateway.target, credentials=gateway.credentials(), server_name=gateway.server_name
    ) as client:
        try:
            return await command(client, arguments)
        except GatewayUnavailable as error:
            _say(f"the gateway at {gateway.target} is not reached: {error}")
            return UNREACHABLE
        except CallFailed as error:
            _say(str(error))
            return NOT_DONE
        except asyncio.CancelledError:  # Ctrl-C
            return INTERRUPTED


async def _list(client: DialGatewayClient, arguments: SteerArguments) -> int:
    del arguments
    campaigns = await client.list_campaigns()
    _print(*(table(campaigns) if campaigns else ["no campaigns"]))
    return DONE


async def _watch(client: DialGatewayClient, arguments: SteerArguments) -> int:
    """Show a table in place on a terminal; elsewhere a line for each campaign that has changed."""
    show = _redraw if sys.stdout.isatty() else _tell
    async for seen in client.watch_campaigns(arguments.every):
        show(seen)
    return DONE


async def _hold(client: DialGatewayClient, arguments: SteerArguments) -> int:
    held_requests = HeldRequests.ANSWER if arguments.answer else HeldRequests.WAIT
    campaign = await client.hold_campaign(
        arguments.campaign_id, arguments.reason, held_requests=held_requests
    )
    _print(sentence(campaign))
    return DONE


async def _release(client: DialGatewayClient, arguments: SteerArguments) -> int:
    _print(sentence(await client.release_campaign(arguments.campaign_id, arguments.reason)))
    return DONE


async def _purge(client: DialGatewayClient, arguments: SteerArguments) -> int:
    name = plain(arguments.campaign_id)
    if not arguments.yes:
        listed = {campaign.campaign_id: campaign for campaign in await client.list_campaigns()}
        campaign = listed.get(arguments.campaign_id)
        queued = campaign.queued if campaign is not None else 0
        if not await _confirmed(f"remove {queued:,} queued dial requests of {name}? [y/N] "):
            _say("nothing was removed")
            return NOT_DONE
    purged = await client.purge_campaign(arguments.campaign_id, arguments.reason)
    _print(f"{name}: {purged:,} dial requests removed")
    return DONE


async def _confirmed(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    return answer.strip().lower() in {"y", "yes"}


def _redraw(seen: CampaignsSeen) -> None:
    columns, height = shutil.get_terminal_size()
    in_order = sorted(seen.campaigns.values(), key=_trouble_first)
    head = f"{seen.as_of:%H:%M:%S} UTC, {len(in_order)} campaigns"
    room = max(1, height - 4)
    if len(in_order) > room:
        head += f", {room} of them here"
    lines = [line[: columns - 1] for line in (head, *table(in_order[:room]))]
    text = "".join(f"{line}{_TO_END_OF_LINE}\n" for line in lines)
    sys.stdout.write(f"{_TO_TOP}{text}{_CLEAR_BELOW}")
    sys.stdout.flush()


def _trouble_first(campaign: Campaign) -> tuple[bool, int, str]:
    """Order campaigns by whether they flow, then by what waits: what does not fit a screen matters least."""
    return campaign.state is CampaignState.FLOWING, -campaign.queued, campaign.campaign_id


def _tell(seen: CampaignsSeen) -> None:
    at = f"{seen.as_of:%H:%M:%S}"
    for name in sorted(seen.changed):
        campaign = seen.campaigns.get(name)
        _print(f"{at} {plain(name)}: gone" if campaign is None else f"{at} {sentence(campaign)}")


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"dialctl: {plain(text)}\n")


_COMMANDS: dict[str, Callable[[DialGatewayClient, SteerArguments], Awaitable[int]]] = {
    "campaigns": _list,
    "watch": _watch,
    "hold": _hold,
    "release": _release,
    "purge": _purge,
}
