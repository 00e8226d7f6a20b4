"""Every status that the gateway ends a call with has a reason, as error_reason.proto documents it."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from dialgateway.v1 import error_reason_pb2
from gateway.api.wire.status_details import DOMAIN, ErrorReason, status_details

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "protos" / "dialgateway" / "v1" / "error_reason.proto"
PREFIX = "ERROR_REASON_"


def test_the_reasons_are_those_of_the_contract() -> None:
    names = {name.removeprefix(PREFIX) for name, _ in error_reason_pb2.ErrorReason.items()}
    assert {reason.value for reason in ErrorReason} == names - {"UNSPECIFIED"}


def test_the_contract_documents_the_code_of_each_reason() -> None:
    """The comment of each reason begins with the status code."""
    commented = re.findall(rf"// ([A-Z_]+): [^;]*?{PREFIX}([A-Z_]+) =", CONTRACT.read_text())
    assert {(reason, code) for code, reason in commented} == {
        (reason.value, reason.code.name) for reason in ErrorReason
    }


@pytest.mark.parametrize("reason", ErrorReason)
def test_the_details_name_the_reason(reason: ErrorReason) -> None:
    """Any library that reads google.rpc.Status finds code, text, reason and domain."""
    status = status_pb2.Status.FromString(status_details(reason, "why"))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message) == (reason.code.value[0], "why")
    assert (info.reason, info.domain) == (reason.value, DOMAIN)


def test_the_details_say_how_long_to_wait() -> None:
    """RetryInfo is there where waiting helps, and only there."""
    waits = {}
    for reason in ErrorReason:
        status = status_pb2.Status.FromString(status_details(reason, "why"))
        for detail in status.details[1:]:
            retry = error_details_pb2.RetryInfo()
            assert detail.Unpack(retry)
            waits[reason] = retry.retry_delay.ToTimedelta().total_seconds()
    assert waits == {
        ErrorReason.STREAM_LIMIT: 1.0,
        ErrorReason.OVERLOADED: 1.0,
        ErrorReason.CALLER_WINDOW: 1.0,
        ErrorReason.WATCH_LIMIT: 5.0,
        ErrorReason.DIRECTORY_UNREAD: 5.0,
        ErrorReason.SHARED_STATE_UNREACHABLE: 1.0,
    }
    assert all(reason.code is not grpc.StatusCode.OK for reason in ErrorReason)


def test_no_call_is_ended_without_details() -> None:
    """One function ends calls, so that no status comes without its reason."""
    found = {
        path.name
        for path in (ROOT / "gateway" / "api").rglob("*.py")
        if re.search(r"\.abort\(|\.abort_with_status\(|\.set_code\(", path.read_text())
    }
    assert found == {"status_details.py"}
