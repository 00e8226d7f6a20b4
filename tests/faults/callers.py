"""Callers whose every word is written down: what they sent, what they heard, and when."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from dialgateway import DialGatewayClient, DialRequest, DialResult
from tests.history.history import Recorder, StreamRecorder

CHUNK = 500


def dial_request(token: str, expires_in_s: float = 600.0, phone_number: str = "+12025550123") -> DialRequest:
    """Make a dial request of the usual size."""
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    return DialRequest(token, phone_number, expires_at, {"first_name": "Ada", "language": "en"})


def dial_requests(count: int, prefix: str, expires_in_s: float = 600.0) -> list[DialRequest]:
    """Make dial requests under tokens of their own."""
    return [dial_request(f"{prefix}-{number}", expires_in_s) for number in range(count)]


def sent(stream: StreamRecorder, campaign: str, request: DialRequest) -> DialRequest:
    """Write down that a request leaves."""
    expires_at = request.expires_at.timestamp()
    stream.sent(campaign, request.client_token, expires_at, request.phone_number, request.attributes)
    return request


def heard(stream: StreamRecorder, index: int, result: DialResult) -> None:
    """Write an answer down."""
    reason = result.reason.removeprefix("UNSPECIFIED")
    stream.heard(
        index, result.client_token, result.outcome, reason, result.dial_request_id, replayed=result.replayed
    )


class ReturningCaller:
    """The Python client as it is: it comes back over any number of connections, and answers once for each."""

    def __init__(self, target: str, recorder: Recorder, window: int = 2000) -> None:
        self._target = target
        self._recorder = recorder
        self._window = window

    async def dial(
        self,
        campaign: str,
        requests: Sequence[DialRequest],
        on_answer: Callable[[DialResult], None] = lambda _: None,
    ) -> None:
        """Send requests on one logical stream until each has its answer."""
        record = self._recorder.stream("returning")
        source = (sent(record, campaign, request) for request in requests)
        async with DialGatewayClient(self._target, window=self._window, chunk=CHUNK) as client:
            async for result in client.dial(campaign, source):
                heard(record, result.index, result)
                on_answer(result)
