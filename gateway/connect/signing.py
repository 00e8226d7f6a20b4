"""Signs calls by AWS's clock if the local one is wrong, through botocore's public events.

botocore's signer reads the local clock. While that is about right, it signs as usual. Otherwise our handler
of `choose-signer` leaves the call unsigned, and our handler of `before-sign` signs it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

from gateway.connect.aws_clock import AwsClock


class ClockedSigV4(SigV4Auth):
    """AWS Signature Version 4 at a time that is given: `stamp`, as `%Y%m%dT%H%M%SZ`."""

    def __init__(self, credentials: Any, service: str, region: str, stamp: str) -> None:
        super().__init__(credentials, service, region)
        self._stamp = stamp

    def add_auth(self, request: AWSRequest) -> None:
        """Sign a request; raises `NoCredentialsError` without credentials."""
        if self.credentials is None:
            raise NoCredentialsError
        request.context["timestamp"] = self._stamp
        for name in ("Authorization", "Date", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in request.headers:
                del request.headers[name]
        request.headers["X-Amz-Date"] = self._stamp
        if self.credentials.token:
            request.headers["X-Amz-Security-Token"] = self.credentials.token
        signature = self.signature(self.string_to_sign(request, self.canonical_request(request)), request)
        signed = self.signed_headers(self.headers_to_sign(request))
        credential = f"Credential={self.scope(request)}"
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={signed}, Signature={signature}"
        )


def sign_by(clock: AwsClock, client: Any, credentials: Callable[[], Any]) -> None:
    """Make a boto3 client learn AWS's time from replies, and sign by it if the local clock is wrong.

    `credentials` returns the credentials for botocore's signer, None if there are none.
    """

    def observe_date(response_dict: Mapping[str, Any] | None, **_: object) -> None:
        headers = response_dict["headers"] if response_dict is not None else {}
        if headers.get("x-amzn-requestid"):  # otherwise a proxy may have answered, with its own clock
            clock.observe(headers.get("date"))

    def choose(**_: object) -> object:
        return botocore.UNSIGNED if clock.behind_s else None

    def sign(
        request: AWSRequest, signing_name: str, region_name: str, signature_version: object, **_: object
    ) -> None:
        if signature_version is botocore.UNSIGNED:
            found = credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
            ClockedSigV4(frozen, signing_name, region_name, clock.stamp()).add_auth(request)

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"response-received.{service}", observe_date)
    client.meta.events.register(f"choose-signer.{service}", choose)
    client.meta.events.register(f"before-sign.{service}", sign)
