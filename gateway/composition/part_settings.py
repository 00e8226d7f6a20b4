"""What the settings of the process mean for each of its parts."""

from gateway.access.errors import AccessError
from gateway.access.key_pair import files_of
from gateway.access.setup import AccessFiles
from gateway.admin.connections import LIMIT as ADMIN_CONNECTIONS
from gateway.api.streams import StreamLimits
from gateway.compliance.number_hash import NumberHash
from gateway.control.guard_keeper import GuardPaths
from gateway.control.suppression_file import SETTING, SuppressionFile
from gateway.core.limits import Limits
from gateway.directory.directory import CampaignDirectory
from gateway.runtime.open_files import left_for_callers
from gateway.settings import Settings

OWN_FILES = 128
"""Open files besides connections of callers, of the admin port and for calls: connections to the shared state
and to collectors, files that are read, the audit trail, pipes."""


def limits_of(settings: Settings) -> Limits:
    """Return the settings of the core."""
    return Limits(
        call_rate=settings.call_rate,
        call_burst=settings.call_burst,
        concurrent_calls=settings.max_concurrent_calls,
        linger_s=settings.linger,
        queue_limit=settings.queue_limit,
        queue_bytes=settings.queue_bytes,
        expiry_headroom_s=settings.expiry_headroom,
        replay_window_s=settings.replay_window,
        replay_limit=settings.replay_limit,
        max_attempts=settings.max_attempts,
        forecast=settings.would_expire,
    )


def stream_limits_of(settings: Settings) -> StreamLimits:
    """Return the settings of streams."""
    return StreamLimits(
        window=settings.stream_window,
        caller_window=settings.caller_window,
        streams=settings.stream_limit,
        caller_streams=settings.caller_streams,
        max_age_s=settings.stream_max_age or None,
        grace_s=settings.drain_grace,
    )


def connections_of(settings: Settings, open_files: int) -> int:
    """Return how many connections callers may have, if the process may open so many files."""
    own = OWN_FILES + ADMIN_CONNECTIONS + settings.max_concurrent_calls
    return left_for_callers(open_files, own)


def access_files_of(settings: Settings) -> AccessFiles:
    """Return where the settings say that certificates, policy, token and campaigns are."""
    return AccessFiles(
        pair=files_of(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file),
        policy=settings.policy_file,
        token=settings.admin_token_file,
        campaigns=settings.campaign_file,
        trusted=settings.trusted_proxies,
    )


def suppression_file_of(settings: Settings, hashing: NumberHash) -> SuppressionFile | None:
    """Return the file that keeps suppressions, None without one. Raises `AccessError`."""
    if settings.suppression_file is None:
        return None
    if settings.shared_state_url is not None:
        raise AccessError(f"{SETTING}: with a shared state suppressions are kept there; unset one of both")
    if not hashing.fixed:
        raise AccessError(f"{SETTING}: needs DIAL_GATEWAY_GUARD_KEY_FILE, the key of its hashes")
    return SuppressionFile(settings.suppression_file, hashing.key)


def guard_paths_of(settings: Settings) -> GuardPaths:
    """Return where the settings say that the files of the guard are."""
    return GuardPaths(settings.guard_file, settings.guard_key_file, settings.shared_state_url is not None)


def directory_of(settings: Settings) -> CampaignDirectory:
    """Return the directory of the names of campaigns, which is empty at first."""
    return CampaignDirectory(enabled=settings.campaign_directory != "off")
