"""What the failures of boto3 mean to the gateway: one table from AWS's words to core/errors.py.

Everything here is given by others: only the kind of a failure is kept, never its text, which may hold
what was sent.
"""

import logging
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as foreign

from gateway.connect.apis import LONGEST_WORD, OPERATIONS
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
"""AWS's words for a call rate that is used up (botocore's `retries/standard.py`), some with status 400."""
_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "Forbidden",
    "ForbiddenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "NotAuthorizedException",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SubscriptionRequiredException",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
)
"""AWS's words (API references, common errors) for no right and for refused credentials, some with 400."""
_BY_CODE: Mapping[str, type[errors.CallFailure]] = {
    "ValidationException": errors.CallInvalid,
    "SerializationException": errors.CallInvalid,
    "ResourceNotFoundException": errors.CampaignNotFound,
    "ConflictException": errors.CallConflict,
    **dict.fromkeys(_THROTTLED, errors.RateThrottled),
    **dict.fromkeys(_DENIED, errors.AccessDenied),
}
_BY_STATUS: Mapping[int, type[errors.CallFailure]] = {
    401: errors.AccessDenied,
    403: errors.AccessDenied,
    408: errors.ConnectFailed,
    413: errors.CallInvalid,  # too large, so smaller ones may pass
    429: errors.RateThrottled,
}
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
"""In the text of the one failure of TLS that certainly came before anything was sent."""


def translated(error: BaseException) -> errors.CallFailure:
    """Return what a failure of boto3 means to the gateway, as the table in core/errors.py has it."""
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
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    file = where.tb_frame.f_code.co_filename if where else "?"
    if file.endswith("botocore/credentials.py"):  # credentials that are expired as soon as refreshed
        return errors.NoCredentials()
    line = f"{file}:{where.tb_lineno}" if where else "?"
    # The type and the place only: the text of a foreign error may hold what was sent.
    log.error("a call to Connect failed in a way that is not known: %s at %s", type(error).__name__, line)
    return errors.CallUnexpected()


def _translated_answer(error: foreign.ClientError) -> errors.CallFailure:
    response: Mapping[str, Any] = error.response
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if error.operation_name not in OPERATIONS:  # boto3 asked for credentials, so nothing was sent to Connect
        return errors.ConnectUnreachable() if status >= 500 else errors.NoCredentials()
    if code == "InvalidCampaignStateException":
        return errors.CampaignNotRunning(
            str(response.get("state", "in a state that is not told"))[:LONGEST_WORD]
        )
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return known()
    return errors.CallRefused() if 400 <= status < 500 else errors.ConnectFailed()
