"""The URL of the shared state: what it means, and which rule a wrong one breaks."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shared_state.address import Address, AddressError, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://store", Address("single", False, (("store", 6379),))),
        ("redis://127.0.0.1:7000/3", Address("single", False, (("127.0.0.1", 7000),), database=3)),
        ("valkeys://gw@store:1", Address("single", True, (("store", 1),), user="gw")),
        ("rediss://a%40b@[::1]:6380/", Address("single", True, (("::1", 6380),), user="a@b")),
        ("VALKEY://store", Address("single", False, (("store", 6379),))),
        (
            "valkey+sentinel://a,b:5/main",
            Address("sentinel", False, (("a", 26379), ("b", 5)), service="main"),
        ),
        (
            "rediss+sentinel://u@a:1/main/2",
            Address("sentinel", True, (("a", 1),), user="u", service="main", database=2),
        ),
        ("valkeys+cluster://a,b", Address("cluster", True, (("a", 6379), ("b", 6379)))),
    ],
)
def test_what_a_url_means(url: str, address: Address) -> None:
    assert parse(url) == address
    assert parse(str(address)) == Address(
        address.kind, address.tls, address.nodes, None, address.service, address.database
    )


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://store", "must begin with valkey://"),
        ("store:6379", "must begin with valkey://"),
        ("valkey+ha://store", "must begin with valkey://"),
        ("valkey://", "each host must be HOST"),
        ("valkey://a b", "each host must be HOST"),
        ("valkey://a:b", "each host must be HOST"),
        ("valkey://a:0", "each port must be from 1 to 65535"),
        ("valkey://a:70000", "each port must be from 1 to 65535"),
        ("valkey://a,b", "one host only"),
        ("valkey://a/b", "number of a database"),
        ("valkey://a/1/2", "number of a database"),
        ("valkey://a?db=1", "query"),
        ("valkey+sentinel://a:1", "needs the service's name"),
        ("valkey+sentinel://a:1/x y", "the service's name"),
        ("valkey+cluster://a/1", "database 0 only"),
        ("valkey://@a", "the user in front of @ is empty"),
        ("valkey://user:secret@store", "must not contain a password"),
        ("valkey://:secret@store", "must not contain a password"),
        ("valkey://user:se@cret@store", "must not contain a password"),
        ("valkey://user:se/cret@store", "HOST"),
        ("valkey://user:secret", "HOST"),
        ("secret", "must begin with valkey://"),
    ],
)
def test_a_wrong_url_names_the_setting_and_the_rule_and_never_the_password(url: str, rule: str) -> None:
    with pytest.raises(AddressError) as raised:
        parse(url)
    text = str(raised.value)
    assert text.startswith("DIAL_GATEWAY_SHARED_STATE_URL: ")
    assert rule in text
    assert "\n" not in text
    assert "cret" not in text


@given(st.text(max_size=60))
def test_any_other_text_is_an_address_or_refused(text: str) -> None:
    with suppress(AddressError):  # and nothing else is raised
        parse(f"valkey://{text}")
