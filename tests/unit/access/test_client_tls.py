"""The certificates for the shared state: invalid ones are named, and incomplete ones are not used."""

import logging
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.access.client_tls import read_client_tls, reloaded_client_tls
from gateway.access.errors import KeyPairError
from gateway.access.key_pair import ClientTlsFiles
from gateway.access.settled_file import QUIET_S, WRITTEN_QUIET_S
from tests import pki
from tests.files import ManualClocks, put

CA, OTHER = pki.Authority(), pki.Authority()
NOW = datetime.now(UTC).replace(microsecond=0)
SETTING = "DIAL_GATEWAY_SHARED_STATE_TLS_"


def files_in(folder: Path, own: pki.Issued | None = None) -> ClientTlsFiles:
    """Write two authorities, and a certificate of the first with its key."""
    put(folder / "ca.crt", CA.pem + OTHER.pem)
    certificate, key = (own or CA.issue(dns="gateway.example.org")).write(folder)
    return ClientTlsFiles(str(folder / "ca.crt"), str(certificate), str(key))


def refusal(files: ClientTlsFiles) -> str:
    with pytest.raises(KeyPairError) as error:
        read_client_tls(files, time.time())
    return str(error.value)


def trusted(context: ssl.SSLContext) -> int:
    return len(context.get_ca_certs())


def test_what_is_read_and_when_the_first_of_it_ends(tmp_path: Path) -> None:
    ends = NOW + timedelta(hours=3)
    found = read_client_tls(files_in(tmp_path, CA.issue(dns="a.example.org", not_after=ends)), time.time())
    assert (found.names, found.has_certificate, found.ends_at) == (("a.example.org",), True, ends.timestamp())
    assert trusted(found.context) == 2
    assert found.context.check_hostname
    assert found.context.verify_mode is ssl.CERT_REQUIRED


def test_the_authority_is_counted_too(tmp_path: Path) -> None:
    """Without a certificate, or with one that lives longer, the authority is what ends first."""
    files_in(tmp_path)
    found = read_client_tls(ClientTlsFiles(str(tmp_path / "ca.crt")), time.time())
    assert not found.has_certificate
    assert found.ends_at is not None
    assert found.ends_at > time.time()
    with pytest.raises(KeyPairError, match=f"^{SETTING}CA_FILE: every certificate in .*ca.crt has expired$"):
        read_client_tls(ClientTlsFiles(str(tmp_path / "ca.crt")), found.ends_at)


def test_without_files_the_authorities_are_those_of_the_system() -> None:
    found = read_client_tls(ClientTlsFiles(), time.time())
    assert (found.ends_at, found.has_certificate) == (None, False)
    assert found.context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tls.key", CA.issue().key_pem, "KEY_FILE: .* is not the key of the certificate"),
        ("tls.key", b"nonsense", "KEY_FILE: .* contains no readable private key in PEM"),
        ("tls.crt", b"", "CERT_FILE: .* contains no readable certificate in PEM"),
        ("ca.crt", b"nonsense", "CA_FILE: .* contains no readable certificate in PEM"),
        ("ca.crt", None, "CA_FILE: cannot read .*: No such file"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, file: str, content: bytes | None, words: str) -> None:
    files = files_in(tmp_path)
    (tmp_path / file).unlink() if content is None else put(tmp_path / file, content)
    with pytest.raises(KeyPairError, match=f"^{SETTING}{words}"):
        read_client_tls(files, time.time())


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = CA.issue(dns="a", not_after=NOW - timedelta(days=1))
    assert "CERT_FILE: the certificate in" in (said := refusal(files_in(tmp_path, expired)))
    assert "expired on" in said


def test_a_part_of_the_files_is_not_used(tmp_path: Path) -> None:
    """A part of the authorities is valid, and lacks the one that the server has."""
    clock = ManualClocks()
    clock.ahead = time.time() + 3600.0
    kept = reloaded_client_tls(files_in(tmp_path), clock.clocks)
    first = kept.value
    for after_s in (0.0, QUIET_S, WRITTEN_QUIET_S - 2):
        (tmp_path / "ca.crt").write_bytes(CA.pem)
        clock.now += after_s
        assert not kept.reread()
    (tmp_path / "ca.crt").write_bytes(OTHER.pem + CA.pem + pki.Authority().pem)
    assert not kept.reread()
    assert kept.value is first
    clock.now += 1.0
    assert kept.reread()
    assert trusted(kept.value.context) == 3
    assert kept.refused == 0


def test_a_key_before_its_certificate_is_waited_for(tmp_path: Path) -> None:
    kept = reloaded_client_tls(files_in(tmp_path))
    renewed = CA.issue(dns="renewed.example.org")
    put(tmp_path / "tls.key", renewed.key_pem)
    assert not kept.reread()
    assert (kept.refused, kept.complaint) == (0, "")
    put(tmp_path / "tls.crt", renewed.pem)
    assert kept.reread()
    assert kept.value.names == ("renewed.example.org",)


def test_an_invalid_change_keeps_what_was_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and logged once, and names the file and the rule."""
    kept = reloaded_client_tls(files_in(tmp_path))
    first = kept.value
    put(tmp_path / "tls.key", CA.issue().key_pem)
    for _ in range(3):
        assert not kept.reread()
    assert kept.value is first
    assert kept.refused == 1
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("the certificate for the shared state: the change is not taken over")
    assert f"{SETTING}KEY_FILE: " in errors[0]
