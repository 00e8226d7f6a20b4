"""The gateway's own validation of a dial request: the rules of Connect's model, and E.164.

The rules of channels are in `core/channels.py`.

Limits of token and attributes: botocore models `connectcampaigns/2021-01-30` (V1) and
`connectcampaignsv2/2024-04-23` (V2), which botocore does not check by itself. Phone numbers: E.164,
since anything else cannot be dialed.
Every rule answers with the field and the rule, never with the value.
"""

import re
from collections.abc import Callable, Mapping

from gateway.core.channels import Channel
from gateway.core.model import DialRequest

ATTRIBUTE_LIMIT = 32_767

_client_token = re.compile(r"[a-zA-Z0-9_\-.]{1,200}").fullmatch
_phone_number = re.compile(r"\+[1-9][0-9]{1,14}").fullmatch
_attribute_key = re.compile(r"[a-zA-Z0-9\-_]{1,32767}").fullmatch


def problem_with(request: DialRequest, takes_channels: Callable[[str], bool] | None = None) -> str | None:
    """Return the field and the rule that `request` breaks; None if it breaks none.

    `takes_channels` says of a campaign whether its API has channels besides telephone calls; without it,
    every campaign's does. The campaign id is checked once for a whole list, in `Admission.admit`. A past
    expiration is not checked here, since a token that Connect has accepted is answered so at any time.
    """
    if not _client_token(request.client_token):
        return _token_problem(request.client_token)
    if request.channel is not None:
        problem = _channel_problem(request, request.channel, takes_channels)
        if problem is not None:
            return problem
    elif not _phone_number(request.phone_number):
        return _phone_problem(request.phone_number)
    if request.expiration is None:
        return "expiration_time: required, a time in the years 1970 to 9999"
    attributes = request.attributes
    # Packed attributes were checked before they were packed.
    return None if isinstance(attributes, bytes) else problem_with_attributes(attributes)


def problem_with_number(phone_number: str) -> str | None:
    """Return the field and the rule that a phone number breaks; None if it breaks none."""
    return None if _phone_number(phone_number) else _phone_problem(phone_number)


def problem_with_attributes(attributes: Mapping[str, str]) -> str | None:
    """Return the field and the rule that attributes break; None if they break none."""
    for key, value in attributes.items():
        if not _attribute_key(key) or len(value) > ATTRIBUTE_LIMIT:
            return _attribute_problem(key)
    return None


def is_past(request: DialRequest, now: float) -> str | None:
    """Return the field and the rule if the request had expired at `now`, else None."""
    return "expiration_time: must be in the future" if request.expires_at <= now else None


def _token_problem(token: str) -> str:
    return "client_token: required" if not token else "client_token: 1 to 200 of a-z, A-Z, 0-9, '_', '-', '.'"


def _phone_problem(phone_number: str) -> str:
    if not phone_number:
        return "phone_number: required"
    return "phone_number: must be E.164, '+', country code and number, at most 15 digits"


def _channel_problem(
    request: DialRequest, channel: Channel, takes_channels: Callable[[str], bool] | None
) -> str | None:
    if takes_channels is not None and not takes_channels(request.campaign_id):
        return f"{channel.first_field}: campaigns of Amazon Connect's API V1 do not have it"
    number = request.phone_number
    if not channel.to_number and number:
        return f"phone_number: must be empty with {channel.name}, which has an address of its own"
    if channel.to_number and not _phone_number(number):
        return _phone_problem(number)
    return channel.broken_rule


def _attribute_problem(key: str) -> str:
    if not _attribute_key(key):
        return f"attributes: a key must be 1 to {ATTRIBUTE_LIMIT:,} of a-z, A-Z, 0-9, '-', '_'"
    return f"attributes: a value must be at most {ATTRIBUTE_LIMIT:,} characters"
