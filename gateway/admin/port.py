"""What the admin server asks of the gateway, without knowing it."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether dial requests should come here: each check with its finding in words, and whether it holds.

    `notes` are for people: what is seen and does not make the gateway unready.
    """

    checks: dict[str, tuple[bool, str]]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every check holds."""
        return all(holds for holds, _ in self.checks.values())


class Overview(Protocol):
    """The gateway as those see it who run it."""

    def readiness(self) -> Readiness:
        """Return whether dial requests should come here."""
        ...

    async def metrics(self) -> tuple[str, str] | None:
        """Return all metrics as text, and its content type; None where nothing is counted."""
        ...
