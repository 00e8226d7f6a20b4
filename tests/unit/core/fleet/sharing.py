"""Replicas that share conditions of campaigns, over the rules of the store, on a manual clock."""

import random
from dataclasses import dataclass, field

from gateway.core.campaigns.condition import Condition
from gateway.core.campaigns.conditions import Conditions
from gateway.core.fleet.messages import FleetSettings, Member, TickReply
from gateway.core.fleet.shared_conditions import SharedConditions
from gateway.core.model import CampaignNotice
from gateway.shared_state.rules.conditions import ConditionsRules
from tests.unit.core.making import NOW

SETTINGS = FleetSettings(10.0, 10.0, 1200.0)


@dataclass
class Replica:
    """One replica's conditions; `waits` has the campaigns with waiting requests. It keeps notices."""

    name: str
    store: "Store"
    waits: set[str] = field(default_factory=lambda: {"c"})
    told: list[tuple[str, CampaignNotice]] = field(default_factory=list)
    reopenings: list[str] = field(default_factory=list)
    endings: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conditions = Conditions(random.Random(1))
        self.shared = SharedConditions(self.name, self.conditions, self.waits.__contains__, self)

    def stopped(self, now: float, campaign_id: str, notice: CampaignNotice | None) -> None:
        """Keep a notice."""
        if notice is not None:
            self.told.append((campaign_id, notice))

    def reopened(self, now: float, campaign_id: str) -> None:
        """Note that the campaign may be probed here."""
        self.reopenings.append(campaign_id)

    def ended(self, now: float, campaign_id: str, state: str) -> None:
        """Note that the campaign flows, or has ended."""
        self.endings.append((campaign_id, state))

    def beat(self, *, lost: bool = False, leaving: bool = False) -> bool:
        """Exchange a beat, whose reply may be lost; return whether it carried conditions."""
        store = self.store
        request = self.shared.request(store.now, leaving=leaving)
        newest = store.rules.newest(store.ms)
        reply = None if request is None else store.rules.exchange(store.ms, request)
        if lost:
            self.shared.failed(store.now)
        else:
            self.shared.replied(store.now, store.tick(), newest, reply)
        return request is not None

    def condition(self, campaign_id: str = "c") -> tuple[Condition, bool] | None:
        """Return the condition of a campaign, and whether this replica owns it."""
        record = self.conditions.records().get(campaign_id)
        return None if record is None else (record.condition, not record.elsewhere)


@dataclass
class Store:
    """The store and the members that it knows; `live` are those that are not lost."""

    now: float = NOW
    rules: ConditionsRules = field(default_factory=ConditionsRules)
    live: list[str] = field(default_factory=list)
    epoch: str = "1"
    shift_s: float = 0.0

    @property
    def ms(self) -> int:
        """The store's clock, which is `shift_s` ahead of the replicas'."""
        return round((self.now + self.shift_s) * 1000)

    def tick(self) -> TickReply:
        """Return what a tick tells."""
        members = tuple(Member(name, name, lost=name not in self.live) for name in "abc")
        return TickReply(self.epoch, members, SETTINGS, 10.0)

    def replicas(self, names: str = "ab") -> list[Replica]:
        """Add replicas, and let each exchange a beat."""
        made = [Replica(name, self) for name in names]
        self.live += names
        for replica in made:
            replica.beat()
        return made


def parked(names: str = "ab") -> list[Replica]:
    """Let the first replica find that a campaign is paused, and the others read that."""
    replicas = Store().replicas(names)
    replicas[0].conditions.park(NOW, "c", "Paused")
    beat(*replicas)
    return replicas


def beat(*replicas: Replica) -> None:
    """Exchange beats of replicas twice, so that the first replica hears what the last one told."""
    for replica in (*replicas, *replicas):
        replica.beat()


def after(seconds: float, *replicas: Replica) -> None:
    """Let time pass, and exchange beats."""
    replicas[0].store.now += seconds
    beat(*replicas)


OWN, COPY = (Condition.PARKED, True), (Condition.PARKED, False)
