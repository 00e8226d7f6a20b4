"""Translates failures of calls with one table from AWS's codes to the exceptions of core/errors.py.

`failing` owns what happens to an exception of a call, for every sender. An error reply is untrusted input.
Only the kind of the failure is kept, never its text, which may repeat what was sent.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from botocore import exceptions as foreign

from gateway.connect.api_versions import OPERATIONS
from gateway.connect.replies import member, state
from gateway.connect.ticket import Ticket
from gateway.core import errors

log = logging.getLogger(__name__)

_THROTTLED = (
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "TooManyRequestsException",
)
"""AWS's codes for throttling (botocore's `retries/standard.py`); some come with status 400."""
_EXPIRED = ("ExpiredToken", "ExpiredTokenException")
"""AWS's codes for expired session credentials."""
_SKEWED = ("RequestExpired", "RequestTimeTooSkewed")
"""AWS's codes for a signature whose time is too far off."""
_says_skewed = re.compile(r"Signature (expired|not yet current)").search
"""In the text of an InvalidSignatureException: the same."""
_REFUSED = (
    "AuthFailure",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
"""AWS's codes for an unknown access key, and for a signature that does not match."""
_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "Forbidden",
    "ForbiddenException",
    "InvalidIdentityToken",
    "NotAuthorized",
    "NotAuthorizedException",
    "OptInRequired",
    "SubscriptionRequiredException",
    "UnauthorizedException",
    "UnauthorizedOperation",
)
"""AWS's codes (API references, common errors) for a missing right; some come with status 400."""
_names_a_member = re.compile(r" at '([A-Za-z][A-Za-z0-9.]{0,99})' failed to satisfy constraint").search
"""In the text of a ValidationException: the member that breaks a constraint of the service's model."""
_BY_CODE: Mapping[str, type[errors.CallFailure]] = {
    "ValidationException": errors.CallInvalid,
    "SerializationException": errors.CallInvalid,
    "ResourceNotFoundException": errors.CampaignNotFound,
    "ConflictException": errors.CallConflict,
    **dict.fromkeys(_THROTTLED, errors.RateThrottled),
    **dict.fromkeys(_DENIED, errors.AccessDenied),
    **dict.fromkeys(_EXPIRED, errors.CredentialsExpired),
    **dict.fromkeys(_REFUSED, errors.CredentialsRefused),
    **dict.fromkeys(_SKEWED, errors.ClockSkewed),
}
_BY_STATUS: Mapping[int, type[errors.CallFailure]] = {
    401: errors.AccessDenied,
    403: errors.AccessDenied,
    408: errors.ConnectFailed,
    413: errors.CallInvalid,  # too large, so smaller ones may pass
    429: errors.RateThrottled,
}
LONGEST_TEXT = 1000
"""Characters of an error's text that are read."""
_NO_CREDENTIALS = (
    foreign.NoCredentialsError,
    foreign.PartialCredentialsError,
    foreign.CredentialRetrievalError,
    foreign.TokenRetrievalError,
    foreign.SSOError,
)
_NOTHING_SENT = (
    foreign.EndpointConnectionError,
    foreign.ConnectTimeoutError,
    foreign.ProxyConnectionError,
)
_NOT_VERIFIED = "CERTIFICATE_VERIFY_FAILED"
"""The text of the only TLS failure that certainly precedes the first byte of a request."""


@contextmanager
def failing(ticket: Ticket, translate: Callable[[Exception], errors.CallFailure]) -> Iterator[None]:
    """Turn any exception of a call into its `CallFailure`, which is certain if no byte has left.

    `translate` returns the failure for an exception of the sender's library.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the batch needs an answer after any exception
        failure = error if isinstance(error, errors.CallFailure) else translate(error)
        # `from None`: the text of the exception may contain a phone number or an attribute.
        raise _certain(failure, ticket) from None


def translated(error: BaseException) -> errors.CallFailure:
    """Return the failure of core/errors.py for a failure of boto3."""
    if isinstance(error, errors.CallFailure):
        return error
    if isinstance(error, foreign.ClientError):
        return _translated_answer(error)
    if isinstance(error, _NO_CREDENTIALS):
        return errors.NoCredentials()
    if isinstance(error, _NOTHING_SENT) or (
        isinstance(error, foreign.SSLError) and _NOT_VERIFIED in str(error)
    ):
        return errors.ConnectUnreachable()
    if isinstance(error, foreign.HTTPClientError | foreign.SSLError):
        return errors.AnswerLost()
    if _file_of(error).endswith("botocore/credentials.py"):  # the refreshed credentials have expired already
        return errors.NoCredentials()
    return unforeseen(error)


def unforeseen(error: BaseException) -> errors.CallFailure:
    """Log an exception that this version does not know, and return the failure for it."""
    where = _raised_at(error)
    line = f"{_file_of(error)}:{where.tb_lineno}" if where else "?"
    # The type and the place only: the text of a foreign error may hold what was sent.
    log.error("a call to Connect failed in an unknown way: %s at %s", type(error).__name__, line)
    return errors.CallUnexpected()


def _file_of(error: BaseException) -> str:
    where = _raised_at(error)
    return where.tb_frame.f_code.co_filename if where else "?"


def _raised_at(error: BaseException) -> TracebackType | None:
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    return where


def _translated_answer(error: foreign.ClientError) -> errors.CallFailure:
    status = _parts_of(error.response)[2]
    if error.operation_name not in OPERATIONS:  # boto3 asked for credentials, so nothing was sent to Connect
        return errors.ConnectUnreachable() if status >= 500 else errors.NoCredentials()
    return of_answer(error.response)


def of_answer(response: object) -> errors.CallFailure:
    """Return the failure for an error reply of AWS."""
    code, text, status = _parts_of(response)
    if code == "InvalidCampaignStateException":
        return errors.CampaignNotRunning(state(member(response, "state")))
    if code == "ValidationException" and (found := _names_a_member(text)) and found[1] == "id":
        return errors.CampaignInvalid()
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is errors.CredentialsRefused and _says_skewed(text):
        return errors.ClockSkewed()
    if known is not None:
        return known()
    return errors.CallRefused() if 400 <= status < 500 else errors.ConnectFailed()


def _certain(failure: errors.CallFailure, ticket: Ticket) -> errors.CallFailure:
    """Return the failure of a call. It is a certain one if no byte has left."""
    if failure.uncertain and not ticket.may_have_left:
        if isinstance(failure, errors.CallTransient):
            return errors.ConnectUnreachable()
        failure.uncertain = False
    return failure


def _parts_of(response: object) -> tuple[str, str, int]:
    """Return code, text and HTTP status of an error. Only this module looks at the text."""
    error, about = member(response, "Error"), member(response, "ResponseMetadata")
    code, text, status = member(error, "Code"), member(error, "Message"), member(about, "HTTPStatusCode")
    return (
        code if isinstance(code, str) else "",
        text[:LONGEST_TEXT] if isinstance(text, str) else "",
        status if isinstance(status, int) else 0,
    )
