"""The settings of a simulated Connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class NamedCampaign:
    """A campaign that exists and runs from the start. `api` is `v1` or `v2`, the only one that lists it."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    api: str = "v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """The settings of a simulator; the defaults are a fresh AWS account.

    Rates are per second, durations in seconds.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        call_rate: PutDialRequestBatch and PutOutboundRequestBatch calls a second together; 0 means no limit.
        call_burst: how many of them may come at once.
        verify_signatures: whether SigV4 signatures are recomputed and compared.
        buffer_capacity: dial requests that the buffer of a campaign takes; None is unlimited.
        buffer_drain_per_s: dial requests that leave the buffer each second, as they are dialed.
        latency_s: time that every answer takes.
        max_expiration_ahead_s: an expiration time further ahead is InvalidInput; None allows any.
        credentials: secret by access key, beside those that are always known (see `signing`).
        seed: of the generator behind ids and the probabilities of faults.
        journal_limit: dial requests that the journal remembers; None is unlimited.
        token_limit: accepted client tokens that idempotency remembers; None is unlimited.
        campaigns: those that exist from the start; any other exists once a call names it.
        max_body_bytes: size of the largest request body that is read.

    Raises:
        ValueError: a number is out of its range.

    """

    host: str = "127.0.0.1"
    port: int = 0
    call_rate: float = 10.0
    call_burst: float = 10.0
    verify_signatures: bool = True
    buffer_capacity: int | None = None
    buffer_drain_per_s: float = 0.0
    latency_s: float = 0.0
    max_expiration_ahead_s: float | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    seed: int = 0
    journal_limit: int | None = 100_000
    token_limit: int | None = 500_000
    campaigns: Sequence[NamedCampaign] = ()
    max_body_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"{item.name} must be 0 or more, not {value}")
        if self.call_rate > 0 and self.call_burst < 1:
            raise ValueError(f"call_burst must be at least 1, not {self.call_burst}")
        if self.port > 65535:
            raise ValueError(f"port must be at most 65535, not {self.port}")
