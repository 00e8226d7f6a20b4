"""Other times leave room for the longest interval between two beats."""

from gateway.core.claims.doubts import CLEAN_END_S
from gateway.core.claims.fleet_ledger import UNCLAIMED_AFTER_S
from gateway.core.fleet.shared_conditions import ALONE_AFTER_S
from gateway.core.quota.beat_times import BEAT_EVERY_S, IDLE_BEAT_EVERY_S
from gateway.core.quota.fleet_permits import SOLO_AFTER_S
from gateway.fleet.actions import CONFIRMED_WITHIN_S
from gateway.fleet.sending_stop import BEHIND_S
from gateway.settings import Settings
from gateway.shared_state.rules.bucket import AHEAD_S
from gateway.shared_state.rules.membership import LOST_MS
from gateway.shared_state.rules.quota import PERMIT_MS, SILENCE_MS, SPARE_MS

TIMEOUT_S = Settings().shared_state_timeout
LOST_S, SILENCE_S, PERMIT_S, SPARE_S = (ms / 1000 for ms in (LOST_MS, SILENCE_MS, PERMIT_MS, SPARE_MS))
ROUNDING_S = 1e-9


def test_a_member_is_not_lost_because_one_message_is_lost() -> None:
    """A beat acknowledges the reply to the one before, and is sent again after the time-out."""
    assert 2 * IDLE_BEAT_EVERY_S + TIMEOUT_S < LOST_S


def test_the_part_of_a_replica_is_reserved_before_it_uses_it() -> None:
    """Until a member is lost, permits for the others are assigned ahead."""
    assert LOST_S + AHEAD_S <= SOLO_AFTER_S + ROUNDING_S


def test_a_silent_store_begins_a_new_epoch_before_replicas_use_their_parts() -> None:
    assert IDLE_BEAT_EVERY_S + 2 * TIMEOUT_S < SILENCE_S <= SOLO_AFTER_S


def test_a_replica_probes_campaigns_itself_only_when_others_regard_it_as_lost() -> None:
    assert ALONE_AFTER_S > LOST_S


def test_a_lost_member_sends_without_claims_after_its_end_would_have_been_noticed() -> None:
    assert LOST_S + IDLE_BEAT_EVERY_S + CLEAN_END_S < UNCLAIMED_AFTER_S


def test_an_idle_replica_always_has_a_permit_in_advance() -> None:
    """At each beat it gets another one unless the present one lasts until after the next beat."""
    assert min(PERMIT_S - IDLE_BEAT_EVERY_S, SPARE_S) > 0.0
    assert PERMIT_S - IDLE_BEAT_EVERY_S < SPARE_S or PERMIT_S > 2 * IDLE_BEAT_EVERY_S


def test_actions_of_operators_reach_an_idle_replica_in_time() -> None:
    """They arrive in time even if a message is lost; a suppression is read after the beat that tells it."""
    assert IDLE_BEAT_EVERY_S + TIMEOUT_S + BEAT_EVERY_S < CONFIRMED_WITHIN_S
    assert IDLE_BEAT_EVERY_S + BEHIND_S < CONFIRMED_WITHIN_S
