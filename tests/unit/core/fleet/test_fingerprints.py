import json
from itertools import combinations

from gateway.core.channels import Email
from gateway.core.fleet.fingerprints import KEY_ID_LENGTH, Fingerprints, differ
from tests.unit.core.making import PHONE, dial
from tests.unit.core.test_channels import DISTINCT

PRINTS = Fingerprints(b"a key of a fleet")


def test_equal_dials_have_equal_fingerprints_whatever_the_order_of_their_attributes() -> None:
    one = PRINTS.of(dial("t1", attributes={"a": "1", "b": "2"}))
    other = PRINTS.of(dial("t2", attributes={"b": "2", "a": "1"}))
    assert one == other
    assert len(one) == 24
    assert not differ(one, other)


def test_packed_attributes_have_the_fingerprint_of_the_same_attributes_in_a_dictionary() -> None:
    attributes = {"b": "ü 2", "a": "1"}
    packed = json.dumps(attributes, sort_keys=True).encode()
    assert PRINTS.of(dial(attributes=packed)) == PRINTS.of(dial(attributes=attributes))
    assert PRINTS.of(dial(attributes=b"{}")) == PRINTS.of(dial())


def test_different_numbers_and_attributes_have_different_fingerprints() -> None:
    attributes = [{}, {"ab": "c"}, {"a": "bc"}, {"a": "b", "c": ""}, {"a": "", "b": "c"}, {"ü": "ü"}]
    dials = [dial(attributes=one) for one in attributes] + [dial(phone=PHONE + "1"), dial(phone=PHONE[:-1])]
    prints = [PRINTS.of(one) for one in dials]
    assert all(differ(one, other) for one, other in combinations(prints, 2))


def test_each_field_of_a_channel_counts() -> None:
    """Requests that differ in a field of their channel differ, and none is mistaken for attributes."""
    dials = [dial(channel=channel) for channel in DISTINCT]
    dials += [dial(attributes={"sms": ""}), dial(attributes={"3:sms": "0:0:"}), dial(attributes={"|": ""})]
    prints = [PRINTS.of(one) for one in dials]
    assert all(differ(one, other) for one, other in combinations(prints, 2))
    mail = dial(phone="", channel=Email("a", "f", "c"))
    assert differ(PRINTS.of(mail), PRINTS.of(dial(phone="", attributes={"email": "a", "f": "c"})))


def test_a_request_without_a_channel_has_its_old_fingerprint() -> None:
    """Replicas without channels, and records of them, agree on requests without a channel."""
    assert PRINTS.of(dial(attributes={"a": "1"})) == "qt1q4CxbzXPc3vUgiIcKB6gK"


def test_fingerprints_of_different_keys_cannot_be_compared() -> None:
    others = Fingerprints(b"another key")
    one, other = PRINTS.of(dial()), others.of(dial(phone=PHONE + "1"))
    assert one[:KEY_ID_LENGTH] != other[:KEY_ID_LENGTH]
    assert not differ(one, other)


def test_a_long_key_counts_in_full() -> None:
    long = b"k" * 100
    assert Fingerprints(long + b"1").of(dial()) != Fingerprints(long + b"2").of(dial())


def test_nothing_of_the_dial_can_be_read_in_its_fingerprint() -> None:
    text = PRINTS.of(dial(attributes={"name": "Ada"}))
    assert PHONE not in text
    assert "Ada" not in text
