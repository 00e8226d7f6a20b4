"""Callers are identified and get their grants. Refusals are counted, and logged once."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.access.errors import PolicyError
from gateway.access.grants import AccessControl
from gateway.access.identity import CallerEvidence
from gateway.access.policy import EVERYTHING, Grant
from gateway.access.policy_file import reloaded_policy
from gateway.access.refusal import AccessRefusal
from gateway.access.setup import Access, AccessFiles
from gateway.core.model import Priority

BILLING = "spiffe://example.org/billing"
PEER = "ipv4:192.0.2.7:999"
POLICY = f"version: 1\ncallers: [{{identities: ['{BILLING}'], dial: [{{campaigns: ['debt-*']}}], weight: 3}}]"


class Counted:
    def __init__(self) -> None:
        self.refusals: list[tuple[str, str, int]] = []

    def __call__(self, caller: str, kind: str, number: int) -> None:
        self.refusals.append((caller, kind, number))


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def access_control(tmp_path: Path, counted: Counted) -> AccessControl:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return AccessControl(reloaded_policy(str(tmp_path / "policy.yaml")), (ip_network("10.0.0.0/8"),), counted)


def test_callers_by_identity_else_by_host(access_control: AccessControl) -> None:
    known = access_control.caller(CallerEvidence(PEER, [BILLING]), "192.0.2.7")
    unknown = access_control.caller(CallerEvidence(PEER), "192.0.2.7")
    assert (known.identity, known.name, known.key) == (BILLING, BILLING, BILLING)
    assert (unknown.identity, unknown.name, unknown.key) == (None, PEER, "192.0.2.7")


def test_an_ipv6_peer_is_named_as_people_write_it(access_control: AccessControl) -> None:
    """gRPC escapes the brackets; logs, audit events and listings show them."""
    caller = access_control.caller(CallerEvidence("ipv6:%5B2001:db8::7%5D:999"), "2001:db8::7")
    assert caller.name == "ipv6:[2001:db8::7]:999"


def test_grants(access_control: AccessControl) -> None:
    grant = access_control.grant(access_control.caller(CallerEvidence(PEER, [BILLING]), "h"))
    assert isinstance(grant, Grant)
    assert grant.weight == 3
    assert (
        access_control.grant(access_control.caller(CallerEvidence(PEER), "h"))
        is AccessRefusal.UNAUTHENTICATED
    )
    assert (
        access_control.grant(access_control.caller(CallerEvidence(PEER, ["spiffe://example.org/x"]), "h"))
        is AccessRefusal.UNKNOWN
    )
    assert AccessControl().grant(access_control.caller(CallerEvidence(PEER), "h")) is EVERYTHING


def test_a_permit_lowers_priorities_and_refuses_campaigns(
    access_control: AccessControl, counted: Counted
) -> None:
    permission = access_control.dial_permission(access_control.caller(CallerEvidence(PEER, [BILLING]), "h"))
    grant = permission.grant()
    assert permission.priority(grant, "debt-1", Priority.HIGH, 5) is Priority.NORMAL
    assert permission.priority(grant, "debt-1", Priority.BULK, 5) is Priority.BULK
    assert permission.priority(grant, "other", Priority.NORMAL, 7) is None
    assert permission.priority(None, "debt-1", Priority.NORMAL, 1) is None
    assert counted.refusals == [(BILLING, "priority", 5), (BILLING, "campaign", 7), (BILLING, "campaign", 1)]


def test_a_caller_sees_the_campaigns_that_it_may_dial(access_control: AccessControl) -> None:
    for uris, seen in (([BILLING], [True, False]), ([], [False, False])):
        caller = access_control.caller(CallerEvidence(PEER, uris), "192.0.2.7")
        permission = access_control.dial_permission(caller)
        assert [permission.visible(one) for one in ("debt-1", "surveys")] == seen


@pytest.mark.parametrize("campaign_id", ["", "a b", "..", "x" * 257])
def test_an_invalid_campaign_id_is_left_to_the_core(
    access_control: AccessControl, counted: Counted, campaign_id: str
) -> None:
    """A caller without the right learns which rule its campaign id breaks; nothing is counted as refused."""
    permission = access_control.dial_permission(access_control.caller(CallerEvidence(PEER, [BILLING]), "h"))
    assert permission.priority(permission.grant(), campaign_id, Priority.HIGH, 1) is Priority.HIGH
    assert counted.refusals == []


def test_a_refusal_is_logged_once_and_counted_always(
    access_control: AccessControl, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        access_control.caller(CallerEvidence(PEER, forwarded=[f"URI={BILLING}"]), "192.0.2.7")
    assert counted.refusals == [("192.0.2.7", "forged_identity", 1)] * 3
    assert len(caplog.records) == 1


def test_a_policy_that_could_know_nobody_ends_the_start(tmp_path: Path, counted: Counted) -> None:
    with pytest.raises(PolicyError, match="no caller could have an identity: set DIAL_GATEWAY_TLS_CLIENT_CA"):
        Access(AccessFiles(policy=str(tmp_path / "policy.yaml")), counted)
