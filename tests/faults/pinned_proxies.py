"""Caddy, Envoy and Traefik in front of gateways, with the published configurations.

They are in `deploy/proxies/`; only addresses, paths and time-outs are filled in here.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import grpc

from tests.faults.certificates import Certificates
from tests.faults.processes import Service, running
from tests.faults.proxies import CONFIGURATIONS, MUTUAL, PATHS, PLAIN, TLS_FOLDER, Upstream
from tests.ports import reserved_ports

FILES = {
    "caddy": ("Caddyfile",),
    "envoy": ("envoy.yaml",),
    "traefik": ("traefik.yml", "traefik-gateways.yml"),
}
"""The files of each; the first is the one to start with."""
FOLDERS = f"{Path(sys.executable).parent}:{PATHS}"
READY = {
    "caddy": b"serving initial configuration",
    "envoy": b"starting main dispatch loop",
    "traefik": b"Starting provider *file.Provider",
}
ONLY_HERE = {
    "caddy": {
        "localhost:2019": "off",
        ":50443": ":{mutual}",
        "bind 0.0.0.0": "bind 127.0.0.1",
        PLAIN: "127.0.0.1:{plain}",
    },
    "envoy": {
        "address: 0.0.0.0, port_value: 50443": "address: 127.0.0.1, port_value: {mutual}",
        "port_value: 50050": "port_value: {plain}",
    },
    "traefik": {
        "/etc/traefik": "{folder}",
        "port: 9464": "port: {admin}",
        MUTUAL: "127.0.0.1:{mutual}",
        PLAIN: "127.0.0.1:{plain}",
    },
}
GATEWAY = {
    "caddy": ("gateway-{number}.internal:50051", "{host}:{port}"),
    "envoy": (
        """address: gateway-{number}.internal, port_value: 50051 }} }}
                  health_check_config: {{ port_value: 9464 }}""",
        """address: {host}, port_value: {port} }} }}
                  health_check_config: {{ port_value: {admin} }}""",
    ),
    "traefik": ("gateway-{number}.internal:50051", "{host}:{port}"),
}
"""The address of a gateway in the files, and what takes its place."""
SECOND = {
    "caddy": " gateway-2.internal:50051",
    "envoy": """              - endpoint:
                  address: { socket_address: { address: gateway-2.internal, port_value: 50051 } }
                  health_check_config: { port_value: 9464 }
""",
    "traefik": "          - url: h2c://gateway-2.internal:50051\n",
}
SILENCE = {
    "caddy": ("read_body_idle 30m", "write_idle 30m"),
    "envoy": ("stream_idle_timeout: 1800s",),
    "traefik": ("readTimeout: 0s", "writeTimeout: 0s"),
}
"""The settings in the files for the longest silence, or the longest duration, of a stream."""


def absent(*names: str) -> str:
    """Return why tests with these proxies, or with all, are skipped here, or an empty string."""
    missing = [name for name in names or FILES if which(name, path=FOLDERS) is None]
    return f"no {' and no '.join(missing)} here (scripts/proxies.sh brings them)" if missing else ""


@dataclass(frozen=True, slots=True)
class PinnedProxy:
    """A proxy before one or two gateways. `ports`: without and with mutual TLS.

    Behind Traefik both gateways have one admin port.
    """

    name: str
    folder: Path
    upstreams: Sequence[Upstream]
    ports: tuple[int, int]
    certificates: Certificates | None = None
    silence_s: float | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The address for callers, with mutual TLS if it has certificates."""
        return f"127.0.0.1:{self.ports[0 if self.certificates is None else 1]}"

    @property
    def plain_target(self) -> str:
        """The address without TLS."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """The credentials that a caller needs."""
        return None if self.certificates is None else self.certificates.caller()

    async def mark(self, number: int, *, down: bool) -> None:
        """Do nothing: Envoy and Traefik check the gateways, and Caddy avoids one that refuses connections."""

    def service(self) -> Service:
        """Write the configuration; return the process."""
        text = {file: (CONFIGURATIONS / file).read_text(encoding="utf-8") for file in FILES[self.name]}
        for old, new in self._replacements().items():
            if not any(old in each for each in text.values()):
                raise ValueError(f"the configuration of {self.name} has no {old!r} to fill in")
            text = {file: each.replace(old, new) for file, each in text.items()}
        for file, filled in text.items():
            (self.folder / file).write_text(filled, encoding="utf-8")
        binary, first = which(self.name, path=FOLDERS) or self.name, self.folder / FILES[self.name][0]
        words = {
            "caddy": ("run", "--adapter", "caddyfile", "--config", str(first)),
            "envoy": ("--disable-hot-restart", "--concurrency", "2", "-c", str(first)),
            "traefik": (f"--configFile={first}",),
        }
        return Service(self.name, [binary, *words[self.name]], {}, self.folder, READY[self.name])

    def _replacements(self) -> dict[str, str]:
        plain, mutual = self.ports
        here = {
            "admin": self.upstreams[0].admin_port,
            "folder": self.folder,
            "mutual": mutual,
            "plain": plain,
        }
        ours = {old: new.format(**here) for old, new in ONLY_HERE[self.name].items()}
        certificates = self.certificates or Certificates.unused(self.folder)
        ours[TLS_FOLDER] = str(certificates.folder)
        if len(self.upstreams) == 1:
            ours[SECOND[self.name]] = ""
        for number, upstream in enumerate(self.upstreams, 1):
            old, new = GATEWAY[self.name]
            host, _, port = upstream.address.rpartition(":")
            filled = new.format(host=host, port=port, admin=upstream.admin_port)
            ours[old.format(number=number)] = filled
        if self.silence_s is not None:
            for old in SILENCE[self.name]:
                ours[old] = f"{old.rpartition(' ')[0]} {self.silence_s:g}s"
        return {**ours, **self.more}


@asynccontextmanager
async def proxied_by(
    name: str,
    folder: Path,
    *upstreams: Upstream,
    certificates: Certificates | None = None,
    silence_s: float | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[PinnedProxy]:
    """Run a proxy in front of gateways."""
    with reserved_ports(2) as (plain, mutual):
        proxy = PinnedProxy(name, folder, upstreams, (plain, mutual), certificates, silence_s, more or {})
        async with running(proxy.service()):
            yield proxy
