"""Who a caller is: by its certificate, or by the word of a trusted proxy."""

from ipaddress import ip_network
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.certificate import names_in
from gateway.access.identity import (
    CallerEvidence,
    Identification,
    identify,
    identity_of,
    is_trusted,
    operator_identity,
)
from tests import pki

BILLING = "spiffe://example.org/ns/billing/sa/dialer"
CA = pki.Authority()
PROXY = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
INSIDE, OUTSIDE = "ipv4:10.1.2.3:999", "ipv4:192.0.2.7:999"


def forwarded(*values: str) -> str | None:
    return identify(CallerEvidence(INSIDE, forwarded=values), PROXY, names_in).identity


@pytest.mark.parametrize(
    ("uris", "dns", "identity"),
    [
        ([BILLING], ["billing.example.org"], BILLING),
        (["https://example.org/x", BILLING], [], BILLING),
        (["https://example.org/x"], ["a.example.org"], "https://example.org/x"),
        ([], ["A.Example.ORG", "b.example.org"], "a.example.org"),
        ([], [], None),
        ([BILLING, "spiffe://example.org/other"], ["a.example.org"], None),
        (["spiffe://example.org/a b"], ["a\nb", "", "ünï"], None),
        ([], ["spiffe://example.org/x"], None),
        (["x" * 3000], [], None),
    ],
)
def test_the_identity_among_the_names_of_a_certificate(
    uris: list[str], dns: list[str], identity: str | None
) -> None:
    assert identity_of(uris, dns) == identity


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        (INSIDE, True),
        (OUTSIDE, False),
        ("ipv6:%5B::ffff:10.1.2.3%5D:999", True),
        ("ipv6:[fd00::1]:999", True),
        ("ipv6:%5Bfd00::1%25eth0%5D:999", True),
        ("ipv6:%5B2001:db8::1%5D:999", False),
        ("unix:10.1.2.3:999", False),
        ("ipv4:proxy:999", False),
        ("", False),
    ],
)
def test_which_peers_are_trusted(peer: str, trusted: bool) -> None:
    assert is_trusted(peer, PROXY) is trusted


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        (f"By=spiffe://x/y;Hash=ab;URI={BILLING}", BILLING),
        (f"uri={BILLING}", BILLING),
        (f'Hash=ab;Subject="CN=a,O=b;c=\\"d\\"";URI={BILLING};DNS=a.example.org', BILLING),
        (f"URI=spiffe://evil/x,By=spiffe://x/y;URI={BILLING}", BILLING),
        (f'URI={BILLING};Subject="x",Hash=00', None),
        ('Subject="CN=a",DNS=b.example.org;DNS=a.example.org', "b.example.org"),
        (f'URI="{BILLING}"', BILLING),
        (f'Cert="-----BEGIN%20CERTIFICATE-----,;";URI={BILLING}', BILLING),
        (f'URI="{BILLING}', None),
        (f'Subject="a"b";URI={BILLING}', None),
        (f'Subject=a"b";URI={BILLING}', None),
        (f"nonsense;URI={BILLING}", None),
        (f"URI={BILLING},", None),
        (f"URI={BILLING};URI=spiffe://example.org/other", None),
        (f'Subject=",URI=spiffe://evil/x";URI={BILLING}', BILLING),
        ("URI=", None),
        ("", None),
        (f"Hash={'0' * 70_000};URI={BILLING}", None),
    ],
)
def test_the_element_of_the_nearest_proxy_counts(header: str, identity: str | None) -> None:
    assert forwarded(header) == identity


def test_several_headers_are_one_list() -> None:
    assert forwarded("URI=spiffe://evil/x", f"URI={BILLING}") == BILLING


def test_a_header_of_an_untrusted_peer_is_forged_and_gives_nothing() -> None:
    header = (f"URI={BILLING}",)
    assert identify(CallerEvidence(OUTSIDE, forwarded=header), PROXY, names_in) == Identification(
        None, forged=True
    )
    own = CallerEvidence(OUTSIDE, ["spiffe://example.org/own"], forwarded=header)
    assert identify(own, PROXY, names_in) == Identification("spiffe://example.org/own", forged=True)
    assert identify(CallerEvidence(INSIDE, forwarded=header), (), names_in) == Identification(
        None, forged=True
    )


def test_a_proxy_lends_its_own_identity_to_nobody() -> None:
    assert identify(
        CallerEvidence(INSIDE, ["spiffe://example.org/proxy"]), PROXY, names_in
    ) == Identification(None)


@given(st.text(alphabet='abURI=;,"\\ ', max_size=40))
def test_no_header_breaks_it(header: str) -> None:
    forwarded(header)


@given(st.text(alphabet='ab,;="\\', max_size=20))
def test_nothing_in_quotes_ends_an_element(subject: str) -> None:
    """Whatever a certificate's subject holds, as Envoy quotes it, the identity behind it is read."""
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    assert forwarded(f'Subject="{quoted}";URI={BILLING}') == BILLING


def certificate(*, spiffe: str | None = None, dns: str | None = None) -> str:
    return CA.issue(spiffe=spiffe, dns=dns).pem.decode()


def test_the_certificate_itself_as_nginx_and_haproxy_hand_it_on() -> None:
    """nginx escapes the PEM, HAProxy sends one line of base64. Both use quotes."""
    pem = certificate(spiffe=BILLING)
    begin, *lines, end = pem.strip().splitlines()
    one_line = quote("".join(lines), safe="")
    assert forwarded(f'Cert="{quote(pem)}"') == BILLING
    for empty in ("URI=", "DNS=", 'URI="";DNS=', "Cert="):
        assert forwarded(f'{empty};Cert="{quote(pem)}"') == BILLING
        assert forwarded(f'Cert="{quote(pem)}";{empty}') == BILLING
    assert forwarded(f'Cert="{quote(begin)}%0A{one_line}%0A{quote(end)}%0A"') == BILLING
    assert forwarded(f'Cert="{quote(certificate(dns="a.example.org"))}"') == "a.example.org"
    assert forwarded(f'Cert="{quote(certificate())}"') is None
    assert forwarded('Cert="nonsense"') is None
    assert forwarded(f'Cert="{quote(pem)}";Cert="{quote(pem)}"') is None
    assert forwarded(f'Cert="{quote(pem)}";URI=spiffe://example.org/x') == "spiffe://example.org/x"


@pytest.mark.parametrize(
    ("host", "values", "identity"),
    [
        ("10.1.2.3", ["ines"], "ines"),
        ("::ffff:10.1.2.3", ["ines"], "ines"),
        ("192.0.2.7", ["ines"], None),
        ("localhost", ["ines"], None),
        ("10.1.2.3", [], None),
        ("10.1.2.3", ["ines", "otto"], None),
        ("10.1.2.3", ["ines\n"], None),
    ],
)
def test_an_operator_is_named_by_one_header_of_a_trusted_proxy(
    host: str, values: list[str], identity: str | None
) -> None:
    assert operator_identity(host, values, PROXY) == identity
