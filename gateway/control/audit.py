"""The audit record: who has changed or looked up what, as events in the log and as OTLP log records.

Each event is written once that is done, and all have one format. Its fields are listed in docs/audit.md; they
are only added to. No field contains a phone number or an attribute.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

log = logging.getLogger(__name__)

Value = str | int | float | bool
Export = Callable[[str, str, Mapping[str, Value]], None]
"""Exports an event: its name, its text for people, and its fields."""


class Event(StrEnum):
    """What has been changed or looked up."""

    HOLD = "campaign.hold"
    RELEASE = "campaign.release"
    PURGE = "campaign.purge"
    SETTING = "setting.change"
    SUPPRESS = "number.suppress"
    ALLOW = "number.allow"
    LOOK_UP = "number.look_up"


class IdentifiedBy(StrEnum):
    """How the gateway knows an actor's name.

    CERTIFICATE: the client certificate of the connection. PROXY: a trusted proxy vouches for it. ADDRESS: the
    name is the network address, since there is no identity. TYPED: somebody typed the name into the console,
    and nothing vouches for it. FILE: whoever may write a file of the gateway.
    """

    CERTIFICATE = "certificate"
    PROXY = "proxy"
    ADDRESS = "address"
    TYPED = "typed"
    FILE = "file"


class Interface(StrEnum):
    """The way by which a change was asked for."""

    GRPC = "grpc"
    CONSOLE = "console"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change, how the gateway knows that, and by which way."""

    name: str
    identified_by: IdentifiedBy
    interface: Interface


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change, or one look-up. `fields` are those of its kind, besides the ones that all events have."""

    event: Event
    text: str
    actor: Actor
    reason: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)


class Audit:
    """Writes events to the log, and hands them to `export` if there is one. `replica` names this process."""

    def __init__(self, replica: str, export: Export | None = None) -> None:
        self._replica = replica
        self._export = export

    def write(self, event: AuditEvent) -> None:
        """Write an event."""
        about: dict[str, Value] = {
            "actor": event.actor.name,
            "identified_by": event.actor.identified_by.value,
            "interface": event.actor.interface.value,
            "reason": event.reason,
            "replica": self._replica,
            **event.fields,
        }
        log.info(event.text, extra={"event_name": event.event.value, **about})
        if self._export is not None:
            self._export(event.event.value, event.text, about)
