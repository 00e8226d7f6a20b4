"""Certificates for mutual TLS in fault runs, made by openssl and good for a day."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc

CALLER = "reminders.billing.example"
"""The common name of a caller."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """A folder with what a proxy is given: `proxy.pem`, `callers-ca.pem`, and `caller.pem` for a caller."""

    folder: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificates":
        """Make an authority, a proxy's certificate for 127.0.0.1 and a caller's."""
        folder.mkdir(exist_ok=True)
        made = cls(folder)
        made._authority("callers-ca")
        made._signed("proxy", "proxy.example", "IP:127.0.0.1")
        made._signed("caller", CALLER, f"DNS:{CALLER}")
        return made

    @classmethod
    def for_nobody(cls, folder: Path) -> "Certificates":
        """Make them once for a proxy whose port with TLS nobody calls: its configuration needs them."""
        made = folder / "tls"
        return cls(made) if made.exists() else cls.made_in(made)

    def caller(self, believed: "Certificates | None" = None) -> grpc.ChannelCredentials:
        """Return what a caller shows, and whom it believes: its own authority, or that of others."""
        pair = (self.folder / "caller.pem").read_bytes()
        return grpc.ssl_channel_credentials((believed or self)._believed(), pair, pair)

    def stranger(self) -> grpc.ChannelCredentials:
        """Return what a caller without a certificate has: it believes the proxy, and shows nothing."""
        return grpc.ssl_channel_credentials(self._believed())

    def _believed(self) -> bytes:
        return (self.folder / "callers-ca.pem").read_bytes()

    def _authority(self, name: str) -> None:
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        _openssl("req", "-x509", *_new_key(key), "-out", certificate, "-days", "1", "-subj", "/CN=fault runs")

    def _signed(self, name: str, common: str, alternative: str) -> None:
        key, asked, pair = (self.folder / f"{name}{ending}" for ending in (".key", ".csr", ".pem"))
        _openssl("req", *_new_key(key), "-out", asked, "-subj", f"/O=example/CN={common}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n", encoding="ascii")
        authority = ("-CA", self.folder / "callers-ca.pem", "-CAkey", self.folder / "callers-ca.key")
        signed = ("-CAcreateserial", "-extfile", extensions, "-days", "1")
        _openssl("x509", "-req", "-in", asked, *authority, *signed, "-out", pair)
        pair.write_bytes(pair.read_bytes() + key.read_bytes())
        key.unlink()  # HAProxy would take a second copy beside the certificate


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S603, S607
