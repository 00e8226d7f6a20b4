"""What the console's page asks to be done: JSON, a token, and a name and reason for the log."""

import json
import unicodedata

from gateway.admin.port import Command, CommandRefused

LONGEST_BODY = 16_384
OPERATOR_LIMIT, REASON_LIMIT = 100, 500
_FIELDS = {"campaign_id", "operator", "reason", "answering"}
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def order(kind: str, body: bytes, authorization: str | None, source: str = "") -> Command:
    """Return the order in a request from the address `source`.

    Raises `CommandRefused` with the field and the rule, never the value.
    """
    fields = _fields(body)
    return Command(
        kind,
        _campaign(fields.get("campaign_id")),
        _text("operator", fields.get("operator"), OPERATOR_LIMIT, needed=True),
        _text("reason", fields.get("reason", ""), REASON_LIMIT, needed=kind == "hold"),
        authorization,
        _switch("answering", fields.get("answering", False)),
        source,
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
    # JSON can name half a character, which is no text: nobody could be told of such a campaign.
    if not isinstance(value, str) or not value or any("\ud800" <= each <= "\udfff" for each in value):
        raise CommandRefused(400, "campaign_id: required, a text")
    return value


def _text(name: str, value: object, limit: int, *, needed: bool) -> str:
    if not isinstance(value, str):
        raise CommandRefused(400, f"{name}: must be a text")
    if len(value) > limit:
        raise CommandRefused(400, f"{name}: at most {limit} characters")
    if any(unicodedata.category(character) in _UNSEEN for character in value):
        raise CommandRefused(400, f"{name}: no control characters")
    if needed and not value.strip():
        raise CommandRefused(400, f"{name}: required")
    return value.strip()


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise CommandRefused(400, f"{name}: true or false")
    return value
