"""The retry budget that the replicas of a fleet share."""

from gateway.core.scheduling.pacing import RETRY_CREDIT, RETRY_SHARE


class FleetRetryBudget:
    """The retry budget of the fleet, as the last reply told it, with what this replica has done since."""

    def __init__(self) -> None:
        self._credit = RETRY_CREDIT
        self.first_attempts = 0
        self.retries = 0

    def earn(self) -> None:
        """Note a first attempt."""
        self.first_attempts += 1
        self._credit = min(RETRY_CREDIT, self._credit + RETRY_SHARE)

    def spend(self) -> bool:
        """Take the price of one more attempt of a call, if it is there."""
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        self.retries += 1
        return True

    def replied(self, credit: float) -> None:
        """Take the credit of a reply, which does not know of the attempts since its tick was made."""
        self._credit = min(RETRY_CREDIT, credit + RETRY_SHARE * self.first_attempts) - self.retries
