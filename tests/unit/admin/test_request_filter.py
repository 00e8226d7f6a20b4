"""The host names of the admin port."""

import pytest

from gateway.admin.request_filter import is_own_name
from gateway.runtime.patterns import text_pattern

LISTED = [text_pattern(host) for host in ("console.example.org", "*.corp.example.org")]
EVERYWHERE = ["localhost", "localhost:9464", "a.localhost", "127.0.0.1", "127.1.2.3:9464", "[::1]:9464"]
INSIDE = [
    "10.0.0.7:9464",
    "192.0.2.7",
    "[2001:db8::7]:9464",
    "[2001:db8::7]",
    "dial-gateway",
    "dial-gateway:9464",
    "DIAL-Gateway.",
    "dial-gateway.dialing.svc",
    "dial-gateway-0.dial-gateway.dialing.svc.cluster.local:9464",
    "ip-10-0-0-7.eu-central-1.compute.internal",
    "desk.local",
]
STRANGE = [
    "attacker.example",
    "attacker.example:9464",
    "attacker.example.",
    "127.0.0.1.attacker.example",
    "localhost.attacker.example",
    "svc.attacker.example",
    "attacker-svc.example",
    "a.svc.example",
    "",
    ":9464",
    "[attacker.example]:9464",
    "a b",
    "example.org",
    "console.example.org.attacker.example",
]


@pytest.mark.parametrize("host", EVERYWHERE)
@pytest.mark.parametrize("on_loopback", [True, False])
def test_loopback_names_are_its_own_everywhere(host: str, on_loopback: bool) -> None:
    assert is_own_name(host, (), on_loopback=on_loopback)


@pytest.mark.parametrize("host", INSIDE)
def test_names_inside_are_its_own_where_it_listens_for_others(host: str) -> None:
    assert is_own_name(host, (), on_loopback=False)
    assert not is_own_name(host, (), on_loopback=True)


@pytest.mark.parametrize("host", STRANGE)
@pytest.mark.parametrize("on_loopback", [True, False])
def test_names_that_a_stranger_can_have_are_not(host: str, on_loopback: bool) -> None:
    assert not is_own_name(host, LISTED, on_loopback=on_loopback)


@pytest.mark.parametrize("on_loopback", [True, False])
def test_names_that_are_listed_are_its_own(on_loopback: bool) -> None:
    for host in (
        "console.example.org",
        "CONSOLE.example.org.:443",
        "a.corp.example.org",
        "a.b.corp.example.org",
    ):
        assert is_own_name(host, LISTED, on_loopback=on_loopback)
        assert not is_own_name(host, (), on_loopback=on_loopback)
    for host in ("a.console.example.org", "corp.example.org", "xcorp.example.org"):
        assert not is_own_name(host, LISTED, on_loopback=on_loopback)


def test_a_request_without_a_name_is_a_probe_and_no_browser() -> None:
    assert is_own_name(None, (), on_loopback=False)
    assert not is_own_name(None, (), on_loopback=True)
