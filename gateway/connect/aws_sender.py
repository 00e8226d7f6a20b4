"""What both senders have in common: the API, the endpoint, the credentials and AWS's clock."""

from collections.abc import Callable

from gateway.connect.api_versions import APIS, ApiName
from gateway.connect.aws_client import BOTOCORE, Create, aws_client
from gateway.connect.aws_clock import AwsClock
from gateway.connect.credentials import AccessKeys, chain_of
from gateway.connect.port import Operation


class AwsSender:
    """The part of a `ConnectPort` that is the same however calls are sent. `create` makes the client."""

    def __init__(
        self,
        api: ApiName,
        *,
        region: str | None,
        endpoint_url: str | None,
        credentials: tuple[str, str] | None,
        keys: AccessKeys | None,
        wall: Callable[[], float],
        create: Create = BOTOCORE,
    ) -> None:
        self._keys = AccessKeys.fixed(*credentials) if credentials else keys or AccessKeys(chain_of(region))
        self._api = APIS[api]
        self._aws = aws_client(self._api, self._keys, region=region, endpoint_url=endpoint_url, create=create)
        self._clock = AwsClock(wall)
        self.service_model = self._aws.client.meta.service_model
        self._endpoint = str(self._aws.client.meta.endpoint_url)

    def operation(self, campaign_id: str) -> Operation:
        """Return the name of the call, which is the same for all campaigns."""
        return Operation(self.service_model.service_id, self._api.put_operation)

    def campaign_problem(self, campaign_id: str) -> str | None:
        """Return the rule of this API that a campaign id breaks, if any."""
        return self._api.campaign_problem(campaign_id)

    def takes_channels(self, campaign_id: str) -> bool:
        """Whether this API has channels besides telephone calls."""
        return self._api.has_channels

    @property
    def endpoint(self) -> str:
        """The address that calls go to."""
        return self._endpoint

    @property
    def clock_behind_s(self) -> float:
        """Seconds by which the local clock is behind AWS's, 0 unless the last replies agree on it."""
        return self._clock.confirmed_behind_s

    @property
    def has_credentials(self) -> bool:
        """Whether there are credentials now that have not expired."""
        return self._keys.usable

    @property
    def credentials_in_words(self) -> str:
        """The state of the credentials as a text for people."""
        return self._keys.in_words
