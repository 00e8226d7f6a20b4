"""What becomes of an exception of a call, whichever sender has met it."""

import pytest

from gateway.connect.failures import failing, translated
from gateway.connect.ticket import Ticket
from gateway.core import errors

PHONE = "+12065550177"


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("raised", [errors.AnswerLost(), errors.ConnectFailed(), ValueError(PHONE)])
def test_a_failure_is_certain_if_no_byte_has_left(raised: Exception, left: bool) -> None:
    """It is in doubt only if Amazon Connect may have the call, and hides the text of the exception."""
    ticket = Ticket()
    if left:
        ticket.leave()
    with pytest.raises(errors.CallFailure) as caught, failing(ticket, translated):
        raise raised
    assert caught.value.uncertain is left
    assert caught.value.__suppress_context__
    assert PHONE not in repr(caught.value)
