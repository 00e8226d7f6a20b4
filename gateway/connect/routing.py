"""Chooses the version of Connect's API by campaign: a port in front of several others.

A company that moves from V1 to V2 does so campaign by campaign. Patterns state which campaigns have moved.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from gateway.connect.port import ConnectPort, Operation, PutReply
from gateway.connect.ticket import Ticket
from gateway.core.errors import AccessDenied, CallFailure
from gateway.core.model import DialRequest
from gateway.directory.directory import (
    NO_DIRECTORY,
    CampaignDirectory,
    campaign_pattern,
    undecided_by_any,
)
from gateway.runtime.patterns import Matcher

log = logging.getLogger(__name__)


class RoutingConnect:
    """A `ConnectPort` that passes each campaign to the port chosen by its id.

    `ports` are the ports by name, such as `v1` and `v2`. `routes` are pairs of a pattern and a name. A
    pattern must match the whole id, or the name or a tag of the campaign in the `directory`; `*` matches any
    characters, and case counts. The first route that matches wins, so put narrower patterns first. `default`
    is used if no pattern matches, also as long as the names are not known. A pattern that matches no campaign
    is allowed. Raises ValueError for a pattern that breaks a rule of `gateway.runtime.patterns`, and for an
    unknown name of a port.
    """

    def __init__(
        self,
        ports: Mapping[str, ConnectPort],
        routes: Sequence[tuple[str, str]],
        default: str,
        directory: CampaignDirectory = NO_DIRECTORY,
    ) -> None:
        for name in (default, *(name for _, name in routes)):
            if name not in ports:
                raise ValueError(f"there is no API {name!r}; there is {', '.join(ports)}")
        self._ports = dict(ports)
        self._routes = [(_compiled(pattern, directory), name) for pattern, name in routes]
        self._patterns = [pattern for pattern, _ in self._routes]
        self._default = default
        self._guessed = False

    def api(self, campaign_id: str) -> str:
        """Return the name of the port that a campaign goes to."""
        for pattern, name in self._routes:
            if pattern.matches(campaign_id):
                return name
        if not self._guessed and undecided_by_any(self._patterns, campaign_id):
            self._guessed = True
            log.warning(
                "names or tags of campaigns are not known yet: campaigns without another match go to %s",
                self._default,
            )
        return self._default

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of the call by the API of its campaign."""
        return self._ports[self.api(campaign_id)].operation(campaign_id)

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule that a campaign id breaks by the API of its campaign, if any."""
        return self._ports[self.api(campaign_id)].campaign_problem(campaign_id)

    def takes_channels(self, campaign_id: str) -> bool:
        """Whether the API of the campaign has channels besides telephone calls."""
        return self._ports[self.api(campaign_id)].takes_channels(campaign_id)

    @property
    def endpoint(self) -> str:
        """The addresses that calls go to."""
        return " and ".join(sorted({port.endpoint for port in self._ports.values()}))

    @property
    def clock_behind_s(self) -> float:
        """Seconds by which the local clock is behind, from the port that reports the largest difference."""
        return max((port.clock_behind_s for port in self._ports.values()), key=abs)

    @property
    def has_credentials(self) -> bool:
        """Whether every port has credentials."""
        return all(port.has_credentials for port in self._ports.values())

    @property
    def credentials_in_words(self) -> str:
        """The state of the credentials: of the first port without any, or of the first port."""
        ports = sorted(self._ports.values(), key=lambda port: port.has_credentials)
        return ports[0].credentials_in_words

    @property
    def stalled(self) -> bool:
        """Whether any of the ports can make no calls."""
        return any(port.stalled for port in self._ports.values())

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send one call by the API of its campaign."""
        port = self._ports[self.api(campaign_id)]
        return await port.put_dial_requests(campaign_id, requests, ticket)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Read the states of each API's campaigns, all at the same time.

        If one API fails with a transient failure, its campaigns are left out; if all fail, the failure is
        raised. A missing right is always raised: a retry does not help, and the operator must learn of it.
        """
        asked: dict[str, list[str]] = {}
        for campaign_id in campaign_ids:
            asked.setdefault(self.api(campaign_id), []).append(campaign_id)
        calls = [self._ports[name].campaign_states(ids) for name, ids in asked.items()]
        return _merged(await asyncio.gather(*calls, return_exceptions=True))

    async def close(self) -> None:
        """Close every port, also where closing another fails."""
        ends = await asyncio.gather(*(port.close() for port in self._ports.values()), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end


def _compiled(pattern: str, directory: CampaignDirectory) -> Matcher:
    try:
        return campaign_pattern(pattern, directory)
    except ValueError as error:
        raise ValueError(f"the campaign pattern {pattern!r} {error}") from error


def _merged(answers: Sequence[Mapping[str, str] | BaseException]) -> Mapping[str, str]:
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    for failure in failures:
        if isinstance(failure, AccessDenied) or not isinstance(failure, CallFailure):
            raise failure
    if failures and len(failures) == len(answers):
        raise failures[0]
    states: dict[str, str] = {}
    for answer in answers:
        if not isinstance(answer, BaseException):
            states |= answer
    return states
