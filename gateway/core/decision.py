"""What the engine decides: all that the shell must do after one poll."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.campaigns.condition import ConditionChange
from gateway.core.campaigns.notices import AddressedNotice
from gateway.core.fleet.token_look_up import TokenLookUp
from gateway.core.model import Batch, Waiter


@dataclass(slots=True)
class Decision:
    """What the shell must do now.

    Revoke the calls of `revoked`, start the calls of `batches`, let the calls of `granted` make another
    attempt and end those of `denied` (both by the numbers of the calls), read the states of the campaigns of
    `look_up`, deliver `notices`, and poll again at `wake_at`. The answers are in `Engine.take_answers`.
    `token_look_ups` are for the shared state; `FleetLedger.found` must follow for each.
    `changes` are campaigns whose condition has changed, for watches. `departed` are waiters with a span whose
    sources are gone, and `dropped` counts the dial requests that were dropped unsent for that reason.
    """

    revoked: Sequence[Batch] = ()
    batches: list[Batch] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    denied: list[int] = field(default_factory=list)
    look_up: list[str] = field(default_factory=list)
    token_look_ups: Sequence[TokenLookUp] = ()
    notices: Sequence[AddressedNotice] = ()
    changes: Sequence[ConditionChange] = ()
    departed: Sequence[Waiter] = ()
    dropped: int = 0
    wake_at: float | None = None
