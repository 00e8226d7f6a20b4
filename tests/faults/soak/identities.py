"""Certificates and a policy for a soak: each caller has a name of its own, and files change under load."""

import itertools
from pathlib import Path

import grpc

from tests import pki
from tests.files import put

CALLERS = "spiffe://example.org/ns/soak/sa/"
OPERATOR = "spiffe://example.org/ns/ops/sa/operator"
POLICY = """
version: 1
callers:
  - identities: ["{callers}*"]
    dial:
      - campaigns: ["campaign-*"]
    weight: {weight}
  - identities: ["{operator}"]
    hold: ["*"]
    release: ["*"]
"""


class Identities:
    """An authority, and the files of the gateways in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = pki.Authority()
        self._numbers = itertools.count()
        put(folder / "ca.pem", self._authority.pem)
        self.rotate()
        self.change_policy(weight=1)

    def settings(self) -> dict[str, str]:
        """Return the settings of a gateway that requires certificates and applies the policy."""
        return {
            "tls_cert_file": str(self._folder / "gateway.crt"),
            "tls_key_file": str(self._folder / "gateway.key"),
            "tls_client_ca_file": str(self._folder / "ca.pem"),
            "policy_file": str(self._folder / "policy.yaml"),
        }

    def rotate(self) -> None:
        """Replace certificate and key of the gateways."""
        self._authority.issue(dns="dial-gateway.internal", ip="127.0.0.1").write(self._folder, "gateway")

    def change_policy(self, weight: int) -> None:
        """Replace the policy by one in which callers have another weight."""
        put(
            self._folder / "policy.yaml",
            POLICY.format(callers=CALLERS, operator=OPERATOR, weight=weight),
        )

    def caller(self) -> grpc.ChannelCredentials:
        """Return the credentials of a caller that the gateways have never seen."""
        return self._credentials(f"{CALLERS}caller-{next(self._numbers)}")

    def operator(self) -> grpc.ChannelCredentials:
        """Return the credentials of an operator, who may hold and release campaigns."""
        return self._credentials(OPERATOR)

    def _credentials(self, name: str) -> grpc.ChannelCredentials:
        pair = self._authority.issue(spiffe=name)
        return grpc.ssl_channel_credentials(self._authority.pem, pair.key_pem, pair.pem)
