"""Checks, without dialing, what a gateway would find at AWS. For `dial-gateway check`.

A right is checked by using it in a way that cannot dial anybody: a put for a campaign and a number that do
not exist, with an expiration in the past. If a campaign is given, an empty list is put.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore import exceptions as foreign
from botocore.config import Config

from gateway.connect.api_versions import APIS, LIST_OPERATION, STATES_OPERATION, ApiName, expiration_for_boto3
from gateway.connect.aws_clock import TOLERATED_S, AwsClock
from gateway.connect.failures import of_answer, translated
from gateway.connect.replies import member, states, word
from gateway.connect.signing import sign_by
from gateway.core import errors
from gateway.core.model import DialRequest
from gateway.runtime.check_result import CheckResult, Finding

TIMEOUT_S = 5.0
NO_CAMPAIGN = "00000000-0000-0000-0000-000000000000"
"""A campaign id that does not exist, for checks without a given campaign."""
_NOBODY = DialRequest(NO_CAMPAIGN, "dial-gateway-check", "+12025550100", {}, 1.0, 0)
"""One dial request for the year 1970, of a number that is kept for fiction."""
_LONGEST_CODE = 64
_is_name = re.compile(r"[!-~]{1,2048}").fullmatch
_DENIED = "denied"
_NO_RIGHT = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class Probe:
    """AWS as one version of Connect's API is reached. Raises botocore's `NoRegionError` without a region."""

    def __init__(
        self,
        api: ApiName,
        region: str | None,
        campaign_id: str | None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        session: Any = boto3.Session(region_name=region)
        self._session = session
        self._api = APIS[api]
        self._campaign_id = campaign_id or NO_CAMPAIGN
        self._named = campaign_id is not None
        self._client = session.client(self._api.service, config=_config())
        self._clock = AwsClock(wall)
        sign_by(self._clock, self._client, session.get_credentials)

    @property
    def endpoint(self) -> str:
        """The address that calls would go to."""
        return str(self._client.meta.endpoint_url)

    def credentials(self) -> Finding:
        """Tell where credentials come from, if there are any."""
        try:
            found = self._session.get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except Exception as error:  # noqa: BLE001 - a chain of credentials raises whatever its links do
            return Finding(CheckResult.WRONG, "credentials", f"could not be read: {type(error).__name__}")
        if frozen is None or not frozen.access_key:
            text = "none found: give the pod a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return Finding(CheckResult.WRONG, "credentials", text)
        return Finding(CheckResult.GOOD, "credentials", f"found by boto3's chain: {found.method}")

    def identity(self) -> Finding:
        """Tell who the credentials are, by STS GetCallerIdentity, which needs no right."""
        try:
            sts = self._session.client("sts", config=_config())
            sign_by(self._clock, sts, self._session.get_credentials)
            identity = sts.get_caller_identity()
        except foreign.ClientError as error:
            return Finding(CheckResult.WRONG, "identity", _refused(of_answer(error.response), _code(error)))
        except Exception as error:  # noqa: BLE001 - whatever a library raises is named by its type
            return Finding(CheckResult.UNSURE, "identity", f"STS could not be asked: {type(error).__name__}")
        return Finding(CheckResult.GOOD, "identity", _shown(identity.get("Arn")))

    def clock(self) -> Finding:
        """Report how far the local clock is from AWS's, by the replies to the checks before."""
        behind_s = self._clock.behind_s
        side = "behind" if behind_s > 0 else "ahead of"
        if abs(behind_s) >= TOLERATED_S:
            limit = f"which refuses signatures from {TOLERATED_S:.0f} s on"
            text = f"{abs(behind_s):.0f} s {side} AWS's, {limit}: set it (NTP)"
            return Finding(CheckResult.WRONG, "clock", text)
        if behind_s:
            return Finding(CheckResult.UNSURE, "clock", f"{abs(behind_s):.0f} s {side} AWS's: set it (NTP)")
        if not self._clock.known:
            return Finding(CheckResult.UNSURE, "clock", "AWS did not tell its time")
        return Finding(CheckResult.GOOD, "clock", "within a minute of AWS's")

    def right_to_put(self) -> Finding:
        """Check the right to put dial requests, with a put that cannot dial anybody."""
        operation, put = self._api.put_operation, getattr(self._client, self._api.put_method)
        items = (
            []
            if self._named
            else [self._api.item(_NOBODY, expiration_for_boto3(_NOBODY), _NOBODY.attributes)]
        )
        found = self._asked(operation, lambda: put(id=self._campaign_id, **{self._api.items: items}))
        if found is None and self._named:
            return Finding(CheckResult.GOOD, operation, "not denied: only the empty list was refused")
        return found or self._may(operation)

    def right_to_see_states(self) -> Finding:
        """Tell whether states of campaigns may be seen, and the state of the campaign that was named."""
        seen: dict[str, str] = {}

        def ask() -> None:
            asked = [self._campaign_id]
            seen.update(states(self._client.get_campaign_state_batch(campaignIds=asked), asked))

        found = self._asked(STATES_OPERATION, ask)
        if found is not None and found.words.startswith(_DENIED):  # the gateway can do without
            words = f"{found.words}; without it a paused campaign is probed now and then"
            return found._replace(result=CheckResult.UNSURE, words=words)
        if found is None and self._named:
            state = seen.get(self._campaign_id, "not stated")
            result = CheckResult.GOOD if state == "Running" else CheckResult.UNSURE
            return Finding(result, STATES_OPERATION, f"allowed; the campaign is {state}")
        return found or self._may(STATES_OPERATION)

    def right_to_list(self) -> Finding:
        """Tell whether the names of campaigns may be read, without which the directory stays empty."""
        found = self._asked(LIST_OPERATION, lambda: self._client.list_campaigns(maxResults=1))
        if found is not None:
            return found._replace(words=f"{found.words}; without it campaigns have no names")
        return Finding(CheckResult.GOOD, LIST_OPERATION, "allowed")

    def _may(self, operation: str) -> Finding:
        return Finding(CheckResult.GOOD, operation, "allowed, asked for a campaign that nobody has")

    def _asked(self, operation: str, ask: Callable[[], object]) -> Finding | None:
        """Run a request; return what shows that the right is missing, None if nothing does."""
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - whatever a library raises is reported in words of ours
            return self._in_words(operation, error)
        return None

    def _in_words(self, operation: str, error: Exception) -> Finding | None:
        failure = translated(error)
        match failure:
            case errors.CallInvalid() | errors.CampaignNotFound() | errors.CampaignNotRunning():
                return None
            case errors.CampaignInvalid() if self._named:
                return Finding(CheckResult.WRONG, operation, "Connect refuses the campaign id as invalid")
            case errors.CampaignInvalid():
                return None
            case errors.AuthenticationFailed():
                return Finding(CheckResult.WRONG, operation, _refused(failure, _code(error)))
            case errors.NoCredentials():
                return Finding(CheckResult.WRONG, operation, "no credentials to ask with")
            case errors.AccessDenied():
                return Finding(CheckResult.WRONG, operation, self._denied(operation, _code(error)))
            case errors.ConnectUnreachable() | errors.AnswerLost():
                text = f"{self.endpoint} cannot be reached: {type(error).__name__}"
                return Finding(CheckResult.WRONG, operation, text)
            case errors.RateThrottled():
                return Finding(CheckResult.UNSURE, operation, "throttled just now: ask again")
            case _:
                return Finding(CheckResult.UNSURE, operation, f"the answer is not conclusive: {_code(error)}")

    def _denied(self, operation: str, code: str) -> str:
        if code not in _NO_RIGHT:
            return f"AWS refuses the credentials: {code}"
        hint = "" if self._named else " (or name one that the policy allows with --campaign)"
        return f"{_DENIED}: the policy lacks connect-campaigns:{operation}{hint}"


_REFUSED: Mapping[type[errors.CallFailure], str] = {
    errors.CredentialsExpired: "the credentials have expired",
    errors.CredentialsRefused: "AWS refuses the access key, or the signature that was made with it",
    errors.ClockSkewed: "AWS refuses signatures of this clock, see below",
}


def _refused(failure: errors.CallFailure, code: str) -> str:
    return f"{_REFUSED.get(type(failure), 'AWS refuses the credentials')}: {code}"


def _shown(name: object) -> str:
    return name if isinstance(name, str) and _is_name(name) else "not stated"


def _code(error: Exception) -> str:
    """Return AWS's code for an error, never its text, which may contain what was sent."""
    if isinstance(error, foreign.ClientError):
        return word(member(member(error.response, "Error"), "Code"), longest=_LONGEST_CODE)
    return type(error).__name__


def _config() -> Config:
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=TIMEOUT_S,
        read_timeout=TIMEOUT_S,
        parameter_validation=False,  # an empty list must reach AWS
    )
