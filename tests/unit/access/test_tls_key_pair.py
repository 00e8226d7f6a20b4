"""Certificate, key and CA: which are accepted at the start, and which changes are accepted."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.access.errors import KeyPairError
from gateway.access.key_pair import KeyPairFiles, files_of
from gateway.access.tls_key_pair import read_key_pair, reloaded_key_pair
from tests import pki
from tests.files import ManualClocks, put

CA = pki.Authority()
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def files_in(folder: Path, issued: pki.Issued, ca: bytes | None = None) -> KeyPairFiles:
    certificate, key = issued.write(folder)
    if ca is None:
        return KeyPairFiles(str(certificate), str(key))
    (folder / "ca.crt").write_bytes(ca)
    return KeyPairFiles(str(certificate), str(key), str(folder / "ca.crt"))


def refusal(files: KeyPairFiles) -> str:
    with pytest.raises(KeyPairError) as error:
        read_key_pair(files, time.time())
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_good_pair_and_when_it_ends(tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    issued = CA.issue(dns="gateway.example.org", not_after=ends)
    pair = read_key_pair(files_in(tmp_path, issued, CA.pem), time.time())
    assert pair.ends_at == ends.timestamp()
    assert pair.names == ("gateway.example.org",)
    assert (pair.certificate, pair.key, pair.client_ca) == (issued.pem, issued.key_pem, CA.pem)
    assert "PRIVATE" not in repr(pair)


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    files = files_in(tmp_path, CA.issue())
    Path(files.key).write_bytes(CA.issue().key_pem)
    assert refusal(files).startswith("DIAL_GATEWAY_TLS_KEY_FILE: ")
    assert "is not the key of the certificate" in refusal(files)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256K1()), ed448.Ed448PrivateKey.generate()])
def test_a_key_that_grpc_does_not_take(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey
) -> None:
    """gRPC would go on with the pair before it, and say so nowhere."""
    files = files_in(tmp_path, CA.issue())
    Path(files.key).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "TLS_KEY_FILE: " in refusal(files)
    assert "use RSA, ECDSA on P-256, P-384 or P-521, or Ed25519" in refusal(files)


def test_a_certificate_out_of_its_time(tmp_path: Path) -> None:
    assert "expired on" in refusal(files_in(tmp_path, CA.issue(not_after=YESTERDAY)))
    tomorrow = datetime.now(UTC) + timedelta(hours=1)
    assert "is not valid before" in refusal(files_in(tmp_path, CA.issue(not_before=tomorrow)))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    files = files_in(tmp_path, CA.issue(), b"nonsense")
    assert "DIAL_GATEWAY_TLS_CLIENT_CA_FILE: " in refusal(files)
    assert "contains no readable certificate in PEM" in refusal(files)
    Path(files.key).write_text("nonsense")
    assert "contains no readable private key in PEM" in refusal(files)
    Path(files.certificate).write_text("")
    assert "contains no readable certificate in PEM" in refusal(files)
    Path(files.certificate).unlink()
    assert "cannot read" in refusal(files)


def test_a_setting_without_the_other() -> None:
    assert files_of(None, None, None) is None
    with pytest.raises(KeyPairError, match="DIAL_GATEWAY_TLS_KEY_FILE: not set"):
        files_of("a", None, None)
    with pytest.raises(KeyPairError, match="DIAL_GATEWAY_TLS_CERT_FILE: not set"):
        files_of(None, None, "ca")


def test_a_change_is_taken_over(tmp_path: Path) -> None:
    kept = reloaded_key_pair(files_in(tmp_path, CA.issue()))
    assert not kept.reread()
    renewed = CA.issue()
    renewed.write(tmp_path)
    assert kept.reread()
    assert kept.value.certificate == renewed.pem
    assert kept.refused == 0


@pytest.mark.parametrize("case", ["expired", "mismatch", "gone"])
def test_a_broken_change_never_replaces_a_good_pair(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one stays, the complaint is logged and counted once, and a good one after it is taken over."""
    files = files_in(tmp_path, CA.issue())
    kept = reloaded_key_pair(files)
    good = kept.value
    if case == "expired":
        CA.issue(not_after=YESTERDAY).write(tmp_path)
    elif case == "mismatch":
        put(Path(files.certificate), CA.issue().pem)
    else:
        Path(files.key).unlink()
    for _ in range(3):
        assert not kept.reread()
    assert kept.value is good
    assert kept.refused == 1
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert kept.complaint

    CA.issue().write(tmp_path)
    assert kept.reread()
    assert kept.complaint == ""


def test_a_certificate_of_tomorrow_is_taken_over_once_it_holds(tmp_path: Path) -> None:
    clock = ManualClocks()
    clock.ahead = time.time()
    kept = reloaded_key_pair(files_in(tmp_path, CA.issue()), clock.clocks)
    CA.issue(not_before=datetime.fromtimestamp(clock.clocks.wall() + 60, UTC)).write(tmp_path)
    assert not kept.reread()
    clock.now += 61
    assert kept.reread()
