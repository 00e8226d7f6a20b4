"""What the gateway asks of Amazon Connect, without naming a library."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.connect.ticket import Ticket
from gateway.core.model import Batch, CallReport, DialRequest, ItemFailure


@dataclass(frozen=True, slots=True)
class PutReply:
    """Connect's answer to one call, by client token; a token may be missing, or in both."""

    accepted: Mapping[str, str]
    failed: Mapping[str, ItemFailure]
    request_id: str = ""


class Operation(NamedTuple):
    """The name of a call, as AWS has it."""

    service: str = "ConnectCampaigns"
    method: str = "PutDialRequestBatch"


class ConnectPort(Protocol):
    """One call to Amazon Connect, tried once."""

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of the call that carries the campaign's dial requests."""
        ...

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule that a campaign id breaks by the API that would carry its calls, if any."""
        ...

    def takes_channels(self, campaign_id: str) -> bool:
        """Whether the API that would carry the campaign's calls has channels besides telephone calls."""
        ...

    @property
    def endpoint(self) -> str:
        """The address that calls go to, for people."""
        ...

    @property
    def clock_behind_s(self) -> float:
        """Seconds by which the local wall clock is behind Connect's; 0 if the difference is small."""
        ...

    @property
    def has_credentials(self) -> bool:
        """Whether there are credentials to sign calls with; without them calls raise `NoCredentials`."""
        ...

    @property
    def credentials_in_words(self) -> str:
        """The state of the credentials as a text for people. It contains no part of them."""
        ...

    @property
    def stalled(self) -> bool:
        """Whether no call can be made, because every thread hangs in an abandoned call."""
        ...

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Send 1 to 25 dial requests of one campaign; raises `CallFailure` (core/errors.py) only.

        `ticket.leave()` is called right before the first byte is written; its exceptions `CallRevoked` and
        `CallTooLate` are passed on. If nothing has left, the failure raised is never `uncertain`.
        """
        ...

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the states of 1 to 25 campaigns, except those that Connect does not report.

        Raises `CallFailure`. A state is Connect's name for it, such as `Running` or `Paused`. A campaign that
        Connect does not know is `NotFound`. Raises `AccessDenied` if the gateway has no right to read states.
        """
        ...

    async def close(self) -> None:
        """Give up connections and threads, without waiting for calls in flight."""
        ...


class CallSender(Protocol):
    """A call with its retries."""

    async def call(self, batch: Batch, permit: Callable[[], Awaitable[bool]]) -> CallReport:
        """Send a batch and return a report. Never raises a `CallFailure`.

        The first attempt has its permit. Each further attempt awaits `permit` first. If that returns False,
        no permit will come, and the call ends with its last failure.
        """
        ...

    def revoke(self, batch: Batch) -> bool:
        """Stop a call whose batch is `revoked` from sending more bytes. It ends soon if it can.

        Return whether Amazon Connect certainly received nothing of it in any attempt.
        """
        ...

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the states of campaigns as `ConnectPort.campaign_states` does."""
        ...
