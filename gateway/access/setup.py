"""All that decides who may do what, put together from files and settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.access.admin_token import TokenAuthorizer
from gateway.access.campaign_file import reloaded_campaigns
from gateway.access.errors import PolicyError
from gateway.access.grants import AccessControl
from gateway.access.identity import Network
from gateway.access.key_pair import CLIENT_CA, KeyPair, KeyPairFiles
from gateway.access.policy import Policy
from gateway.access.policy_file import SETTING as POLICY
from gateway.access.policy_file import reloaded_policy
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import SYSTEM_CLOCKS, FileClocks
from gateway.directory.change_log import log_changes
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.directory.table import CampaignTable

PROXIES = "DIAL_GATEWAY_TRUSTED_PROXIES"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFiles:
    """The paths of certificates, policy, token and campaigns, None if unused, and the trusted proxies."""

    pair: KeyPairFiles | None = None
    policy: str | None = None
    token: str | None = None
    campaigns: str | None = None
    trusted: Sequence[Network] = ()


class Access:
    """Certificates, policy, token and campaigns, each with its newest valid content.

    `directory` has the names of campaigns that the policy may use. `publish_campaigns` fills it from a file.
    `count` is called for each refusal with caller, kind and number.
    Raises `AccessError` if a file cannot be used, or if no caller could have an identity under a policy.
    """

    def __init__(
        self,
        files: AccessFiles,
        count: Callable[[str, str, int], None],
        directory: CampaignDirectory = NO_DIRECTORY,
        clocks: FileClocks = SYSTEM_CLOCKS,
    ) -> None:
        check_callers_are_known(files)
        self._directory = directory
        self._campaigns: Reloaded[CampaignTable] | None = (
            reloaded_campaigns(files.campaigns, clocks) if files.campaigns is not None else None
        )
        self.publish_campaigns()
        self.pair: Reloaded[KeyPair] | None = (
            _reloaded_key_pair(files.pair, clocks) if files.pair is not None else None
        )
        self.policy: Reloaded[Policy] | None = (
            reloaded_policy(files.policy, directory=directory, clocks=clocks)
            if files.policy is not None
            else None
        )
        self.control = AccessControl(self.policy, tuple(files.trusted), count)
        self.operator_authorizer = TokenAuthorizer(files.token, clocks)
        files_in_use = (self.pair, self.policy, self._campaigns, self.operator_authorizer.file)
        self.files: list[Reloaded[Any]] = [file for file in files_in_use if file is not None]

    def reread(self) -> None:
        """Read again what has changed. Takes as long as the disk does."""
        for file in self.files:
            file.reread()

    def publish_campaigns(self) -> None:
        """Put the campaigns that were read last into the directory. Call this on the event loop."""
        if self._campaigns is not None and self._campaigns.value is not self._directory.table:
            log_changes(self._directory.publish(self._campaigns.value))

    @property
    def certificate_ends_at(self) -> float | None:
        """When the certificate in use ends, in seconds since the epoch; None without TLS."""
        return self.pair.value.ends_at if self.pair is not None else None

    @property
    def files_refused(self) -> dict[str, int]:
        """The number of refused changes by file, only for files in use."""
        files = {
            "certificate": self.pair,
            "policy": self.policy,
            "campaigns": self._campaigns,
            "admin_token": self.operator_authorizer.file,
        }
        return {name: one.refused for name, one in files.items() if one is not None}


def _reloaded_key_pair(files: KeyPairFiles, clocks: FileClocks) -> Reloaded[KeyPair]:
    from gateway.access.tls_key_pair import reloaded_key_pair

    return reloaded_key_pair(files, clocks)


def check_callers_are_known(files: AccessFiles) -> None:
    """Raise `PolicyError` if there is a policy and no caller can have an identity."""
    knows = files.trusted or (files.pair is not None and files.pair.client_ca is not None)
    if files.policy is not None and not knows:
        text = f"no caller could have an identity: set {CLIENT_CA} or {PROXIES} as well"
        raise PolicyError(f"{POLICY}: {text}")
