"""How a call to Amazon Connect fails, as the gateway distinguishes it.

CallFailure
├── RateThrottled          the account's call rate: HTTP 429, ThrottlingException
├── CallInvalid            ValidationException: Connect refuses the whole call
│   └── ChannelNotCarried  not sent: the campaign's API cannot carry the channel of a request
├── CampaignInvalid        ValidationException that names the campaign's id
├── CampaignNotFound       ResourceNotFoundException
├── CampaignNotRunning     InvalidCampaignStateException, with the state
├── AccessDenied           AccessDeniedException and the like
│   └── NoCredentials      none were found, or their source failed; Connect was not asked
├── AuthenticationFailed   AWS refuses the gateway's credentials or clock: requests wait for a fix
│   ├── CredentialsExpired ExpiredTokenException and the like: a refresh is due
│   ├── CredentialsRefused unknown key, or a signature that does not match
│   └── ClockSkewed        RequestTimeTooSkewed and the like: the gateway's clock is off
├── CallConflict           ConflictException
├── CallTransient          worth the same call again, after a pause
│   ├── ConnectFailed      InternalServerException and other 5xx
│   ├── AnswerLost         time-out, broken connection
│   └── ConnectUnreachable connection refused, no route, name not resolved
├── CallRefused            any other 4xx: a wrong address, a proxy; nothing was carried out
├── CallTooLate            not sent, since one of its requests had expired
├── CallRevoked            not sent, since its right to be sent was taken back: a hold, a purge, a drain
└── CallUnexpected         anything that this version does not know

Exceptions of Connect: botocore models `connectcampaigns/2021-01-30` and `connectcampaignsv2/2024-04-23`.
Codes about credentials and the clock: Common Errors in AWS's API references.

The adapter in `connect/` raises them, from the foreign exception. Their texts reach callers, so they come
from this module only, never from Connect or a library.
"""


class CallFailure(Exception):
    """A call to Connect did not return an answer per item.

    `uncertain`: Connect may still have carried the call out. `attempted`: it was tried on the network, so it
    counts as an attempt; otherwise the gateway did not send it, and its permit is unused.
    """

    uncertain = False
    attempted = True


class RateThrottled(CallFailure):
    """The call rate of the account and Region is used up; nothing was carried out."""


class CallInvalid(CallFailure):
    """Connect refuses the call as invalid; nothing was carried out."""


class ChannelNotCarried(CallInvalid):
    """The API that the campaign has now cannot carry the channel of one of the requests: nothing was sent."""

    attempted = False


class CampaignInvalid(CallFailure):
    """Connect refuses the campaign's id as invalid, whatever the call carries; nothing was carried out."""


class CampaignNotFound(CallFailure):
    """Connect knows no campaign of this id."""


class CampaignNotRunning(CallFailure):
    """The campaign exists and takes no dial requests in its `state`."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the campaign is {state}")
        self.state = state


class AccessDenied(CallFailure):
    """The gateway has no right to send for this campaign."""


class NoCredentials(AccessDenied):
    """The gateway has no credentials to ask Connect with, so nothing was sent."""

    attempted = False


class AuthenticationFailed(CallFailure):
    """AWS refuses the gateway's credentials or clock, which may pass; nothing was carried out.

    It says nothing about the campaign or its dial requests.
    """


class CredentialsExpired(AuthenticationFailed):
    """The gateway's session credentials have expired."""


class CredentialsRefused(AuthenticationFailed):
    """AWS does not know the gateway's access key, or computes another signature than the gateway."""


class ClockSkewed(AuthenticationFailed):
    """The gateway's clock is more than the five minutes off that AWS tolerates in a signature."""


class CallConflict(CallFailure):
    """Another operation on the campaign was under way; nothing was carried out."""


class CallRefused(CallFailure):
    """Whatever answered refused the call in a way that says nothing of its dial requests."""


class CallTooLate(CallFailure):
    """The time of one of the requests was up before the call could be sent."""

    attempted = False


class CallRevoked(CallFailure):
    """The right to send the call was taken back before a byte of it left."""

    attempted = False


class CallTransient(CallFailure):
    """The call failed in a way that passes; the same call is worth another attempt."""


class ConnectFailed(CallTransient):
    """Connect failed while working on the call."""

    uncertain = True


class AnswerLost(CallTransient):
    """The call was sent and no answer came back: a time-out or a broken connection."""

    uncertain = True


class ConnectUnreachable(CallTransient):
    """No connection to Connect came about, so nothing was sent."""


class CallUnexpected(CallFailure):
    """A failure that this version does not know; see the log and the call's span."""

    uncertain = True


_AFTER_AUTHENTICATION = (
    AccessDenied,
    CallConflict,
    CallInvalid,
    CampaignInvalid,
    CampaignNotFound,
    CampaignNotRunning,
)


def shows_authentication(failure: CallFailure | None) -> bool:
    """Whether a call that ended so had been authenticated: Connect checks the credentials first."""
    return failure is None or (isinstance(failure, _AFTER_AUTHENTICATION) and failure.attempted)
