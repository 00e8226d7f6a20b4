"""Reads the commands of the console's page: JSON, a token, and a name and a reason for the audit record."""

import json

from gateway.admin.port import Command, CommandRefused

LONGEST_BODY = 16_384
NEEDS_REASON = ("hold", "purge")
_FIELDS = {"campaign_id", "operator", "reason", "answering", "known_only"}


def command(
    kind: str, body: bytes, authorization: str | None, source: str = "", identity: str | None = None
) -> Command:
    """Return the command in a request from the address `source`.

    `identity` is who a trusted proxy says is asking; without it, the request must have a name. Raises
    `CommandRefused` with the field and the rule, never the value.
    """
    fields = _fields(body)
    return Command(
        kind,
        _campaign(fields.get("campaign_id")),
        _text("operator", fields.get("operator", ""), needed=identity is None),
        _text("reason", fields.get("reason", ""), needed=kind in NEEDS_REASON),
        authorization,
        _switch("answering", fields.get("answering", False)),
        source,
        _switch("known_only", fields.get("known_only", False)),
        identity,
    )


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise CommandRefused(400, "body: must be JSON") from None
    if not isinstance(fields, dict):
        raise CommandRefused(400, "body: must be a JSON object")
    if not fields.keys() <= _FIELDS:
        raise CommandRefused(400, f"body: fields are {', '.join(sorted(_FIELDS))}")
    return fields


def _campaign(value: object) -> str:
    # JSON can contain a lone surrogate. That is no text, so no answer could name such a campaign.
    if not isinstance(value, str) or not value or any("\ud800" <= each <= "\udfff" for each in value):
        raise CommandRefused(400, "campaign_id: required, a text")
    return value


def _text(name: str, value: object, *, needed: bool) -> str:
    if not isinstance(value, str):
        raise CommandRefused(400, f"{name}: must be a text")
    if needed and not value.strip():
        raise CommandRefused(400, f"{name}: required")
    return value.strip()


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise CommandRefused(400, f"{name}: true or false")
    return value
