"""Fleets whose requests count under contact limits: nobody is dialed more often than they allow.

What counts is when Amazon Connect gets a request that it did not have, whether its answer arrives or not.
"""

import random
from collections import Counter, defaultdict
from dataclasses import replace

from gateway.core.fleet.contacts import ContactLimit
from gateway.core.model import Outcome, Reason
from gateway.shared_state.rules.contacts import ContactRules
from tests.oracle.records import Key
from tests.simulation.fleet.account import Attempt
from tests.simulation.fleet.fleet import Fleet
from tests.simulation.fleet.traffic import (
    BUSY_S,
    OTHER_PHONE,
    SETTLED_S,
    Traffic,
    random_fleet,
    until_answered,
)
from tests.simulation.world import PHONE
from tests.unit.core.compliance.hours_guard import HoursGuard

SHORT_S, LONG_S = 8.0, 600.0
"""Periods of limits in seconds: some calls of a run are past the one, none are past the other."""
UNDER_WAY_S = 2.0
"""Seconds after it was counted in which a call with one attempt arrives: claims are answered within 0.75 s,
and connections opened within half a second."""
PHONES = (PHONE, OTHER_PHONE, "+12065550102")


class Dials:
    """Counts by number what Connect gets, and checks the limit whenever it gets something."""

    def __init__(self, fleet: Fleet, limit: ContactLimit, within_s: float) -> None:
        self._fleet, self._limit, self._within_s = fleet, limit, within_s
        self._known: set[Key] = set()
        self.of: dict[str, list[tuple[float, Key]]] = defaultdict(list)
        fleet.account.arrived = self._arrived

    def reasons(self) -> Counter[Reason]:
        """Return how often callers were given each reason."""
        return Counter(told.answer.reason for told in self._fleet.promises.told)

    def _arrived(self, attempt: Attempt) -> None:
        promises, now = self._fleet.promises, self._fleet.now
        promises.arrived(attempt)
        for request in attempt.requests:
            key = request.campaign_id, request.client_token
            if key in promises.connect.journal and key not in self._known:
                self._known.add(key)
                dials = self.of[request.phone_number]
                dials.append((now, key))
                since = max(now - self._within_s, promises.memory.nothing_before)
                recent = [at for at, _ in dials if at > since]
                few = len(recent) <= self._limit.calls
                promises.check(few, "dialed more often than the limit allows", request.phone_number, dials)


class LimitedTraffic(Traffic):
    """Requests for few numbers, which do not live long. The store's clock is right, and it is not split.

    A split, or a replica that is cut off while the store loses its last writes, hides contacts from others.
    """

    lives_s = (30.0, 30.0, 12.0, 7.0, 3.0)
    harms = ("kill", "hang", "flush", "read only", "fail over")

    def phone(self) -> str:
        """Return one of few numbers."""
        return self._rng.choice(PHONES)

    def _burst(self) -> None:
        self._send(self._rng.choice((5, 25)))

    def later(self) -> None:
        """Send something in calm as well, when periods are past."""
        for _ in range(20):
            at = self._fleet.now + self._rng.uniform(0.0, 3 * SHORT_S)
            self._fleet.at(at, self._few)


async def run_limited_seed(rng: random.Random) -> Dials:
    """Run one fleet with a contact limit until all is calm and everything is answered; return its dials."""
    limit = ContactLimit("limit", rng.choice((1, 2, 3, 10)), rng.choice((SHORT_S, LONG_S)))
    fleet = random_fleet(rng)
    fleet.odd_clocks.clear()  # with those, requests may wait for an hour
    fleet.guard = HoursGuard(limits=(limit,))
    tolerance_s = 0.0
    if limit.period_s == SHORT_S:
        fleet.limits, tolerance_s = replace(fleet.limits, max_attempts=1), UNDER_WAY_S
    dials = Dials(fleet, limit, limit.period_s - tolerance_s)
    traffic = LimitedTraffic(fleet, rng)
    traffic.plan()
    await fleet.run(BUSY_S + SETTLED_S)
    traffic.later()
    await fleet.run(fleet.now + 3 * SHORT_S)
    await until_answered(fleet, "dial requests")
    fleet.promises.raise_if_broken()
    check_contacts(fleet, dials)
    return dials


def check_contacts(fleet: Fleet, dials: Dials) -> None:
    """Check that the store keeps no contact of a request that Connect certainly does not have.

    Such contacts are left only where a withdrawal is lost, or something was in doubt.
    """
    contacts = fleet.store.rules.contacts
    assert isinstance(contacts, ContactRules)
    if not fleet.promises.store_works:
        return
    unknown = {told.key for told in fleet.promises.told if told.answer.outcome is Outcome.UNKNOWN}
    for (_, number), numbered in contacts.numbers.items():
        for one in numbered.contacts:
            campaign_id, _, token = one.call.decode().partition(" ")
            key = campaign_id, token
            has = key in fleet.connect.journal or key in unknown or one.in_doubt
            fleet.promises.check(has, "a contact without a call", number, key)
    fleet.promises.raise_if_broken()
