"""ComplianceService: suppresses numbers, allows them again, looks them up, and checks dial requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from dialgateway.v1 import compliance_service_pb2 as pb
from dialgateway.v1 import dial_request_service_pb2 as dial_pb
from gateway.access.actions import NumberRight
from gateway.access.grants import Caller, DialPermission
from gateway.access.refusal import AccessRefusal
from gateway.api.authorization import Authorizer, actor_of
from gateway.api.campaign_names import NamedCampaigns, is_name
from gateway.api.method_handlers import only_message, unary
from gateway.api.open_checks import OpenChecks
from gateway.api.operation_call import completed, end_after_bug
from gateway.api.wire import compliance as wire
from gateway.api.wire import dial_requests
from gateway.api.wire.incoming import Incoming, TooLargeError, Unreadable, UnreadableError
from gateway.api.wire.status_details import ErrorReason, end_call
from gateway.control.number_checks import NumberChecks
from gateway.control.operations import Operator
from gateway.control.suppressions import (
    NumberOperations,
)
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.intake.dry_run import Checked, CheckedKind, refused
from gateway.core.model import Answer, DialRequest, Reason
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

SERVICE = pb.DESCRIPTOR.services_by_name["ComplianceService"].full_name
LONGEST_LIST, CHECKED_AT_ONCE = 1_000, 20
"""The most dial requests in one check, and how many are checked without a pause: a millisecond, or twenty if
all numbers must be looked up."""
NUMBERS_AT_ONCE = 1_000
"""The most numbers in one look-up."""
_NOT_ALLOWED = Checked(CheckedKind.REJECT, Reason.ACCESS_DENIED, AccessRefusal.CAMPAIGN.text)
_NOT_YET = Checked(
    CheckedKind.NOT_ACCEPT,
    Reason.ACCESS_DENIED,
    "campaign_id: the policy of this gateway grants by names or tags of campaigns, which are not known yet",
)
_RIGHTS: dict[type[Any], NumberRight] = {
    pb.SuppressNumberRequest: NumberRight.SUPPRESS,
    pb.AllowNumberRequest: NumberRight.END_SUPPRESSIONS,
    pb.CheckNumbersRequest: NumberRight.SEE_SUPPRESSIONS,
}
Response = TypeVar("Response", pb.SuppressNumberResponse, pb.AllowNumberResponse, pb.CheckNumbersResponse)
NumberRequest = pb.SuppressNumberRequest | pb.AllowNumberRequest | pb.CheckNumbersRequest


class ComplianceServicer:
    """The service of `protos/dialgateway/v1/compliance_service.proto`.

    `number_checks` tells which numbers are suppressed, `check` what would happen to dial requests, and
    `guard_version` the version of the guard file.
    """

    def __init__(
        self,
        numbers: NumberOperations,
        number_checks: NumberChecks,
        check: Callable[[Sequence[DialRequest]], Awaitable[Sequence[Checked]]],
        guard_version: Callable[[], str],
        authorizer: Authorizer,
        directory: CampaignDirectory = NO_DIRECTORY,
    ) -> None:
        self._numbers, self._number_checks = numbers, number_checks
        self._check, self._guard_version = check, guard_version
        self._authorizer = authorizer
        self._directory = directory
        self._open = OpenChecks()
        self._turn = asyncio.Lock()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the gRPC handlers. They authorize a caller before they read its message."""
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "SuppressNumber": self._of_numbers(self.SuppressNumber, pb.SuppressNumberRequest),
            "AllowNumber": self._of_numbers(self.AllowNumber, pb.AllowNumberRequest),
            "CheckNumbers": self._of_numbers(self.CheckNumbers, pb.CheckNumbersRequest),
            "CheckDialRequests": grpc.stream_unary_rpc_method_handler(
                self.CheckDialRequests,
                response_serializer=pb.CheckDialRequestsResponse.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _of_numbers(self, method: Any, request: type[NumberRequest]) -> "grpc.RpcMethodHandler[Any, Any]":
        return unary(method, request, partial(self._authorizer.may_with_numbers, _RIGHTS[request]))

    # --- numbers --------------------------------------------------------------------------------------

    async def SuppressNumber(  # noqa: N802, D102
        self, request: pb.SuppressNumberRequest, context: "Context"
    ) -> pb.SuppressNumberResponse:
        return await self._answered(self._suppress, request, context)

    async def AllowNumber(  # noqa: N802, D102
        self, request: pb.AllowNumberRequest, context: "Context"
    ) -> pb.AllowNumberResponse:
        return await self._answered(self._allow, request, context)

    async def CheckNumbers(  # noqa: N802, D102
        self, request: pb.CheckNumbersRequest, context: "Context"
    ) -> pb.CheckNumbersResponse:
        caller = self._authorizer.caller_of(context)
        async with self._open.one(caller, context):
            if len(request.phone_numbers) > NUMBERS_AT_ONCE:
                text = f"phone_numbers: at most {NUMBERS_AT_ONCE:,} in one call"
                await end_call(context, ErrorReason.LIST_TOO_LONG, text)
            return await self._answered(self._look_up, request, context)

    async def _suppress(
        self, request: pb.SuppressNumberRequest, operator: Operator
    ) -> pb.SuppressNumberResponse:
        return wire.suppressed(await self._numbers.suppress(request.phone_number, operator))

    async def _allow(self, request: pb.AllowNumberRequest, operator: Operator) -> pb.AllowNumberResponse:
        return wire.allowed(await self._numbers.allow(request.phone_number, operator))

    async def _look_up(self, request: pb.CheckNumbersRequest, operator: Operator) -> pb.CheckNumbersResponse:
        done = await self._number_checks.check(request.phone_numbers, operator)
        return await wire.numbers_checked(done, self._guard_version())

    async def _answered(
        self,
        handler: Callable[[Any, Operator], Coroutine[Any, Any, Response]],
        request: NumberRequest,
        context: "Context",
    ) -> Response:
        """Authorize the caller and run a handler; end the call if either is refused or fails."""
        caller = await self._authorizer.may_with_numbers(_RIGHTS[type(request)], context)
        operator = Operator(actor_of(caller), request.reason)
        return await completed(handler(request, operator), context)

    # --- checks ---------------------------------------------------------------------------------------

    async def CheckDialRequests(  # noqa: N802, D102
        self, messages: AsyncIterator[bytes], context: "Context"
    ) -> pb.CheckDialRequestsResponse:
        caller, _ = await self._authorizer.may_dial(context)
        try:
            async with self._open.one(caller, context):
                await context.send_initial_metadata(())
                message = await self._message(messages, context)
                return await self._checked(message, caller, context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except UnreadableError:
            await end_call(context, ErrorReason.UNREADABLE_MESSAGE, "this is no CheckDialRequestsRequest")
        except Exception as bug:  # noqa: BLE001 - gRPC would send and log its text
            await end_after_bug(bug, context)

    async def _message(self, messages: AsyncIterator[bytes], context: "Context") -> Incoming:
        """Read the message of a check, whose fields have the numbers of a message of a stream."""
        try:
            message = Incoming(await only_message(messages, "CheckDialRequestsRequest", context))
        except TooLargeError:
            await end_call(context, ErrorReason.MESSAGE_TOO_LARGE, "a check may have 4 MiB at most")
        count = 0
        for found in message.counts(LONGEST_LIST):
            count = found
            await asyncio.sleep(0)  # let other tasks run
        if count > LONGEST_LIST:
            text = f"dial_requests: at most {LONGEST_LIST:,} in one check"
            await end_call(context, ErrorReason.LIST_TOO_LONG, text)
        return message

    async def _checked(
        self, message: Incoming, caller: Caller, context: "Context"
    ) -> pb.CheckDialRequestsResponse:
        """Check the dial requests of a message, some at a time and one message after another."""
        permission = self._authorizer.access_control.dial_permission(caller)
        response = pb.CheckDialRequestsResponse(guard_version=self._guard_version())
        found = self._campaign(message.campaign_id, permission)
        async with self._turn:
            while not message.ended and not context.cancelled():
                part = message.part(CHECKED_AT_ONCE)
                if isinstance(part, Unreadable):
                    problem = Checked(CheckedKind.REJECT, Reason.INVALID_REQUEST, part.problem)
                    wire.add_check(response, part.client_token, problem)
                else:
                    await self._check_part(response, found, part)
                await asyncio.sleep(0)  # let other tasks run
        return response

    async def _check_part(
        self,
        response: pb.CheckDialRequestsResponse,
        campaign: str | Checked,
        part: Sequence[dial_pb.DialRequest],
    ) -> None:
        if isinstance(campaign, Checked):
            checked: Sequence[Checked] = [campaign] * len(part)
        else:
            checked = await self._check([dial_requests.dial_request(campaign, one) for one in part])
        for item, found in zip(part, checked, strict=True):
            wire.add_check(response, item.client_token, found)

    def _campaign(self, sent: str, permission: DialPermission) -> str | Checked:
        """Return the campaign that a caller means, or what would happen to all requests for it."""
        campaign_id = sent
        if is_name(sent):
            found = NamedCampaigns(self._directory, permission.visible).resolve(sent)
            if isinstance(found, Answer):
                return refused(found)
            campaign_id = found
        grant = permission.grant()
        may_dial = grant is not None and grant.may_dial(campaign_id) is not None
        if may_dial or problem_with_campaign(campaign_id) is not None:  # the latter is refused with its rule
            return campaign_id
        return _NOT_YET if permission.undecided(grant, campaign_id) else _NOT_ALLOWED
