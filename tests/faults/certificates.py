"""Certificates for mutual TLS in fault runs: an authority, a proxy, gateways and callers."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from tests import pki
from tests.files import put

CALLER = "spiffe://example.org/ns/billing/sa/reminders"
"""The name in the certificate of a caller."""
STRANGER = "spiffe://example.org/ns/elsewhere/sa/dialer"
"""The name in the certificate of a caller that no policy names."""
PROXY = "proxy.example"
"""The name in the certificate of a proxy."""
GATEWAY = "dial-gateway.internal"
"""The name in the certificate of each gateway."""
POLICY = f"""
version: 1
callers:
  - name: reminders
    identities: ["{CALLER}"]
    dial:
      - campaigns: ["campaign-*"]
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """A folder with the authority's certificate, and certificates with keys, such as `proxy.pem` and
    `caller.pem`.
    """

    folder: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificates":
        """Make one authority and the certificates."""
        folder.mkdir(exist_ok=True)
        ca = pki.Authority()
        for name in ("callers-ca.pem", "gateways-ca.pem"):
            put(folder / name, ca.pem)
        issued = {
            "proxy": ca.issue(dns=PROXY, ip="127.0.0.1"),
            "gateway": ca.issue(dns=GATEWAY, ip="127.0.0.1"),
            "caller": ca.issue(spiffe=CALLER),
            "stranger": ca.issue(spiffe=STRANGER),
        }
        for name, pair in issued.items():
            pair.write(folder, name)
            (folder / f"{name}.pem").write_bytes(pair.pem + pair.key_pem)
        put(folder / "policy.yaml", POLICY)
        return cls(folder)

    @classmethod
    def unused(cls, folder: Path) -> "Certificates":
        """Make unused certificates once, for a proxy whose port with TLS is not called but must be
        configured.
        """
        made = folder / "tls"
        return cls(made) if made.exists() else cls.made_in(made)

    def gateway_settings(self) -> dict[str, str]:
        """Return the settings of a gateway that accepts only the proxy, and allows the caller to dial."""
        return {
            "tls_cert_file": str(self.folder / "gateway.crt"),
            "tls_key_file": str(self.folder / "gateway.key"),
            "tls_client_ca_file": str(self.folder / "gateways-ca.pem"),
            "trusted_proxies": "127.0.0.1",
            "policy_file": str(self.folder / "policy.yaml"),
        }

    def caller(self, believed: "Certificates | None" = None) -> grpc.ChannelCredentials:
        """Return the caller's credentials; it trusts its own authority, or that of `believed`."""
        pair = (self.folder / "caller.pem").read_bytes()
        return grpc.ssl_channel_credentials((believed or self)._believed(), pair, pair)

    def without_certificate(self) -> grpc.ChannelCredentials:
        """Return credentials of a caller without a certificate, that trusts the proxy."""
        return grpc.ssl_channel_credentials(self._believed())

    def _believed(self) -> bytes:
        return (self.folder / "callers-ca.pem").read_bytes()
