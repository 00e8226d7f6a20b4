"""The HTTP session of OpenTelemetry's exporters.

It is imported only where one is made, since requests takes long to load.
"""

from collections.abc import Callable, Mapping
from typing import Any

import requests

from gateway.telemetry.export_watch import RefusedReplyError


class OtlpSession(requests.Session):
    """Trusts the authorities that the exporter names, and lets an export fail that is redirected.

    `read` is called with each other reply. In a session of requests itself, `REQUESTS_CA_BUNDLE` and
    `CURL_CA_BUNDLE` take precedence over `OTEL_EXPORTER_OTLP_CERTIFICATE`. OpenTelemetry's exporters do
    not follow redirects since version 1.45, and take them for successes. They also begin an attempt when
    their time is over, which requests refuses with a `ValueError`; here it is a time-out like any other.
    """

    def __init__(self, read: Callable[[requests.Response], None]) -> None:
        super().__init__()
        self._read = read
        self.hooks["response"].append(self._received)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return the settings of a request; a file of authorities is not replaced by the environment's."""
        named = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; raises `ConnectTimeout` if no time is left for it."""
        timeout_s = options.get("timeout")
        if isinstance(timeout_s, int | float) and timeout_s <= 0:
            raise requests.ConnectTimeout("no time is left for this attempt", request=request)
        return super().send(request, **options)

    def _received(self, response: requests.Response, **_: Mapping[str, Any]) -> None:
        if 300 <= response.status_code < 400:
            response.close()  # nobody else does, after an exception
            raise RefusedReplyError(f"HTTP {response.status_code}, a redirect, which is not followed")
        self._read(response)
