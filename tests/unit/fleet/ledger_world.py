"""A model of the shared state, and the ledger's messages of replicas to it."""

import asyncio
from dataclasses import dataclass, field

from gateway.core.fleet.fingerprints import Fingerprints
from gateway.core.fleet.messages import Claim, Settlement, TokenState
from gateway.fleet.claims import Claims
from gateway.fleet.ledger_questions import AWAY_S
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.ledger import LedgerRules
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore

WINDOW_S = 1200.0
CLAIM = Claim("t", "fingerprint", 1)


async def turns() -> None:
    """Give all tasks turns of the event loop until they wait."""
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass
class Ledger:
    """The core's part of the ledger; `doubts` are the instants until which it was told to doubt."""

    fingerprints: Fingerprints = field(default_factory=lambda: Fingerprints(b""))
    doubts: list[float] = field(default_factory=list)
    contacts_known_from: float = 0.0
    has_limits: bool = False

    def doubt(self, now: float, until: float) -> None:
        self.doubts.append(until)

    def beat_answered(self, now: float) -> None:
        pass


@dataclass
class World:
    """A store, one replica's messages to it, a clock, and the pauses of the writer."""

    now: float = 100.0
    operations: list[str] = field(default_factory=list)
    fails: bool = False
    limit: int = 1000
    key: bytes | None = None

    def __post_init__(self) -> None:
        self.store = ModelStore(lambda: round(self.now * 1000))
        self.state = ModelState(self.store, on_request=self._asked)
        self.pause = asyncio.Event()
        self.ledger = Ledger()
        self.claims = self.new_claims(self.ledger)

    def new_claims(self, ledger: Ledger) -> Claims:
        """Make one replica's messages to the store."""
        return Claims(
            self.state,
            ledger,
            "a",
            lambda: ["a"],
            lambda: self.now,
            WINDOW_S,
            self.key,
            sleep=self._sleep,
            backlog_limit=self.limit,
        )

    async def _asked(self, operation: str) -> None:
        self.operations.append(operation)
        if self.fails:
            raise SharedStateUnavailable("it is away")

    async def _sleep(self, seconds: float) -> None:
        assert seconds == AWAY_S
        await self.pause.wait()
        self.pause.clear()

    async def after_pause(self) -> None:
        """Let the pause after a failure pass."""
        self.now += AWAY_S
        self.pause.set()
        await turns()

    @property
    def recorded(self) -> dict[str, TokenState]:
        """The tokens in the store, with their states."""
        ledger = self.store.rules.ledger
        assert isinstance(ledger, LedgerRules)
        return {token: record.state for (_, token), record in ledger.records.items()}


def accepted(token: str, number: int = 1) -> tuple[str, Settlement]:
    return "campaign", Settlement(token, "fingerprint", number, TokenState.ACCEPTED, "id", "trace")
