"""The permits that a replica was granted and has not used, and what it must report of them."""

from collections import Counter, deque
from dataclasses import dataclass

from gateway.core.fleet.messages import PermitGrant

REMEMBERED = 4096
"""Permits of past calls that are remembered, to name them if Connect throttles a call."""


@dataclass(slots=True)
class RemainingGrant:
    """The permits of one grant that are left, usable from `start` until `end`.

    `number` is that of the grant, `next` that of the permit that is used next.
    """

    number: int
    next: int
    left: int
    start: float
    end: float
    caller: str
    campaign_id: str


class GrantedPermits:
    """The permits of a replica. `used` and `returned` count permits by grant, until they are reported."""

    def __init__(self) -> None:
        self._grants: list[RemainingGrant] = []
        self._taken: deque[tuple[float, int, int]] = deque(maxlen=REMEMBERED)
        self.used: Counter[int] = Counter()
        self.returned: Counter[int] = Counter()

    def add(self, now: float, sent_at: float, grant: PermitGrant) -> None:
        """Add a grant whose reply arrived at `now`; the tick was first sent at `sent_at`."""
        start, end = now + grant.start_in_ms / 1000, sent_at + grant.end_in_ms / 1000
        number, turn = grant.number, (grant.caller, grant.campaign_id)
        self._grants.append(RemainingGrant(number, number, grant.count, start, end, *turn))
        self._grants.sort(key=lambda one: one.start)

    def first(self, now: float) -> RemainingGrant | None:
        """Return the grant whose permit is usable first; None if no permit is left.

        Permits whose time is over count as returned.
        """
        grants = self._grants
        if grants and any(one.end <= now for one in grants):
            for one in grants:
                if one.end <= now:
                    self.returned[one.number] += one.left
            grants = self._grants = [one for one in grants if one.end > now]
        return grants[0] if grants else None

    def take(self, now: float) -> bool:
        """Use a permit at `now`, if one is usable."""
        grant = self.first(now)
        if grant is None or grant.start > now:
            return False
        self._taken.append((now, grant.number, grant.next))
        self.used[grant.number] += 1
        grant.next += 1
        grant.left -= 1
        if not grant.left:
            self._grants.remove(grant)
        return True

    def give_back(self) -> None:
        """Return the permit that was used last, since its call did not leave."""
        if self._taken:
            _, number, _ = self._taken.pop()
            if self.used[number] > 0:  # else it was reported as used: the fleet does without that permit
                self.used[number] -= 1
                self.returned[number] += 1

    def number_at(self, left_at: float) -> int | None:
        """Return the number of the permit of a call that left at `left_at`, as far as it is remembered."""
        return next((number for at, _, number in reversed(self._taken) if at <= left_at), None)

    def return_all(self) -> None:
        """Return all permits that are left."""
        for grant in self._grants:
            self.returned[grant.number] += grant.left
        self._grants.clear()

    def forget(self) -> None:
        """Forget all permits: the store does not know them any more."""
        self._grants.clear()
        self._taken.clear()
        self.used.clear()
        self.returned.clear()
