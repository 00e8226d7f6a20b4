"""Client of the dial gateway: stream dial requests, and read one answer per client token.

`DialGatewayClient` is for asyncio, `SyncDialGatewayClient` for programs without an event loop.
"""

from dialgateway.campaigns import (
    Action,
    ActionDone,
    ActionKind,
    Campaign,
    CampaignsSeen,
    CampaignState,
    Confirmation,
    HeldRequests,
    Hold,
    Replica,
    ReplicaPart,
)
from dialgateway.client import DialGatewayClient
from dialgateway.compliance import (
    DialCheck,
    DialChecks,
    DialCheckVerdict,
    NumberAllowed,
    NumberSuppressed,
    ObservedRule,
    SuppressionLifetime,
)
from dialgateway.contact_channels import AnswerMachineDetection, Channel, Email, Sms, Telephony, WhatsApp
from dialgateway.errors import (
    AccessDenied,
    CallFailed,
    ClientClosed,
    DeadlineExceeded,
    DialGatewayError,
    GatewayOverloaded,
    GatewayUnavailable,
    ProtocolError,
    StreamBroken,
)
from dialgateway.retry import NO_RETRIES, RetryPolicy
from dialgateway.sync import SyncDialGatewayClient
from dialgateway.values import (
    DialRequest,
    DialResult,
    Notice,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
    new_client_token,
)

__all__ = [
    "NO_RETRIES",
    "AccessDenied",
    "Action",
    "ActionDone",
    "ActionKind",
    "AnswerMachineDetection",
    "CallFailed",
    "Campaign",
    "CampaignState",
    "CampaignsSeen",
    "Channel",
    "ClientClosed",
    "Confirmation",
    "DeadlineExceeded",
    "DialCheck",
    "DialCheckVerdict",
    "DialChecks",
    "DialGatewayClient",
    "DialGatewayError",
    "DialRequest",
    "DialResult",
    "Email",
    "GatewayOverloaded",
    "GatewayUnavailable",
    "HeldRequests",
    "Hold",
    "Notice",
    "NoticeKind",
    "NumberAllowed",
    "NumberSuppressed",
    "ObservedRule",
    "Outcome",
    "Priority",
    "ProtocolError",
    "Reason",
    "Replica",
    "ReplicaPart",
    "RetryAdvice",
    "RetryPolicy",
    "Sms",
    "StreamBroken",
    "SuppressionLifetime",
    "SyncDialGatewayClient",
    "Telephony",
    "WhatsApp",
    "new_client_token",
]
