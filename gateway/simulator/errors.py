"""The refusals of a call, with the codes and messages of Connect.

CallError             a refusal that reaches the client as an AWS error
+-- IllegalCallError  the client broke the service's contract: a ValidationException that is not injected
"""

from __future__ import annotations


class CallError(Exception):
    """A call is refused with an AWS error code.

    Attributes:
        code: the error code, as in `x-amzn-ErrorType`.
        status: HTTP status; None takes the one that the service model gives for the code.
        state: the campaign's state, which InvalidCampaignStateException carries.

    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, state: str | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.state = state


class IllegalCallError(CallError):
    """The call breaks the constraints of the service model."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def not_found(campaign: str) -> CallError:
    """Return the refusal for a campaign that does not exist."""
    return CallError("ResourceNotFoundException", f"Campaign {campaign} does not exist")


def wrong_state(operation: str, state: str) -> CallError:
    """Return the refusal for an operation that the campaign's state does not allow."""
    message = f"{operation} is not valid for a campaign in state {state}"
    return CallError("InvalidCampaignStateException", message, state=state)


def throttled() -> CallError:
    """Return the refusal for a call beyond the account's quota."""
    return CallError("ThrottlingException", "Rate exceeded")
