"""The calls of ComplianceService, as base classes of both clients.

The two classes are the same line by line, except for `async`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from dialgateway import _compliance_wire as wire
from dialgateway._campaign_calls import TIMEOUT_S, CampaignCalls, SyncCampaignCalls
from dialgateway.compliance import DialChecks, NumberAllowed, NumberChecks, NumberSuppressed
from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1.compliance_service_pb2_grpc import ComplianceServiceStub
from dialgateway.values import DialRequest

if TYPE_CHECKING:
    from dialgateway.v1.compliance_service_pb2_grpc import ComplianceServiceAsyncStub


class ComplianceCalls(CampaignCalls, ABC):
    """Suppresses numbers, allows them again, looks them up, and checks dial requests, with asyncio.

    Each method raises the errors that `CampaignCalls` names, with `CallFailed.reason` as error_reason.proto
    documents it.
    """

    async def suppress_number(self, phone_number: str, reason: str) -> NumberSuppressed:
        """Send nothing more to a number, given in the form E.164, from any campaign.

        Raises CallFailed (FAILED_PRECONDITION) if the shared state of a fleet does not answer: then the
        number is suppressed on the replica that was asked, which tells the others later. Ask again to find
        out. The gateway requires a reason.
        """
        message = pb.SuppressNumberRequest(phone_number=phone_number, reason=reason)
        async with self._calls_of(ComplianceServiceStub) as made:
            stub = cast("ComplianceServiceAsyncStub", made)
            response = await stub.SuppressNumber(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.suppressed(response)

    async def allow_number(self, phone_number: str, reason: str) -> NumberAllowed:
        """End the suppression of a number. Lists of the guard file stay in force.

        Raises CallFailed (NOT_FOUND) if `suppress_number` has not suppressed it. The gateway requires a
        reason.
        """
        message = pb.AllowNumberRequest(phone_number=phone_number, reason=reason)
        async with self._calls_of(ComplianceServiceStub) as made:
            stub = cast("ComplianceServiceAsyncStub", made)
            response = await stub.AllowNumber(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.allowed(response)

    async def check_numbers(self, phone_numbers: Sequence[str], reason: str = "") -> NumberChecks:
        """Return which numbers, given in the form E.164, are suppressed, by whom, since when and why.

        Nothing is changed. The reason is for the gateway's audit record, which has no number. Raises
        CallFailed (UNIMPLEMENTED) if the gateway is older than this call.
        """
        responses: list[pb.CheckNumbersResponse] = []
        async with self._calls_of(ComplianceServiceStub) as made:
            stub = cast("ComplianceServiceAsyncStub", made)
            for message in wire.number_messages(phone_numbers, reason):
                response = await stub.CheckNumbers(message, timeout=TIMEOUT_S, metadata=self._metadata)
                responses.append(response)
        return wire.numbers_checked(len(phone_numbers), responses)

    async def check_dial_requests(self, campaign_id: str, requests: Sequence[DialRequest]) -> DialChecks:
        """Return what the gateway would do with dial requests of a campaign now; nothing is sent."""
        responses: list[tuple[int, pb.CheckDialRequestsResponse]] = []
        async with self._calls_of(ComplianceServiceStub) as made:
            stub = cast("ComplianceServiceAsyncStub", made)
            for first, message in wire.check_messages(campaign_id, requests):
                response = await stub.CheckDialRequests(message, timeout=TIMEOUT_S, metadata=self._metadata)
                responses.append((first, response))
        return wire.checked(responses)


class SyncComplianceCalls(SyncCampaignCalls, ABC):
    """Suppresses numbers, allows them again, looks them up, and checks dial requests, without asyncio."""

    def suppress_number(self, phone_number: str, reason: str) -> NumberSuppressed:
        """Send nothing more to a number, given in the form E.164, from any campaign.

        Raises CallFailed (FAILED_PRECONDITION) if the shared state of a fleet does not answer: then the
        number is suppressed on the replica that was asked, which tells the others later. Ask again to find
        out. The gateway requires a reason.
        """
        message = pb.SuppressNumberRequest(phone_number=phone_number, reason=reason)
        with self._calls_of(ComplianceServiceStub) as stub:
            response = stub.SuppressNumber(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.suppressed(response)

    def allow_number(self, phone_number: str, reason: str) -> NumberAllowed:
        """End the suppression of a number. Lists of the guard file stay in force.

        Raises CallFailed (NOT_FOUND) if `suppress_number` has not suppressed it. The gateway requires a
        reason.
        """
        message = pb.AllowNumberRequest(phone_number=phone_number, reason=reason)
        with self._calls_of(ComplianceServiceStub) as stub:
            response = stub.AllowNumber(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.allowed(response)

    def check_numbers(self, phone_numbers: Sequence[str], reason: str = "") -> NumberChecks:
        """Return which numbers, given in the form E.164, are suppressed, by whom, since when and why.

        Nothing is changed. The reason is for the gateway's audit record, which has no number. Raises
        CallFailed (UNIMPLEMENTED) if the gateway is older than this call.
        """
        responses: list[pb.CheckNumbersResponse] = []
        with self._calls_of(ComplianceServiceStub) as stub:
            for message in wire.number_messages(phone_numbers, reason):
                response = stub.CheckNumbers(message, timeout=TIMEOUT_S, metadata=self._metadata)
                responses.append(response)
        return wire.numbers_checked(len(phone_numbers), responses)

    def check_dial_requests(self, campaign_id: str, requests: Sequence[DialRequest]) -> DialChecks:
        """Return what the gateway would do with dial requests of a campaign now; nothing is sent."""
        responses: list[tuple[int, pb.CheckDialRequestsResponse]] = []
        with self._calls_of(ComplianceServiceStub) as stub:
            for first, message in wire.check_messages(campaign_id, requests):
                response = stub.CheckDialRequests(message, timeout=TIMEOUT_S, metadata=self._metadata)
                responses.append((first, response))
        return wire.checked(responses)
