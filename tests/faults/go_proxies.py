"""Caddy and Traefik in front of gateways, with the published configurations.

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

FILES = {"caddy": ("Caddyfile",), "traefik": ("traefik.yml", "traefik-gateways.yml")}
"""The files of each; the first is the one to start with."""
FOLDERS = f"{Path(sys.executable).parent}:{PATHS}"
READY = {"caddy": b"serving initial configuration", "traefik": b"Starting provider *file.Provider"}
ONLY_HERE = {
    "caddy": {"localhost:2019": "off", ":50443": ":{mutual}", "bind 0.0.0.0": "bind 127.0.0.1"},
    "traefik": {
        "/etc/traefik": "{folder}",
        "port: 9464": "port: {admin}",
        MUTUAL: "127.0.0.1:{mutual}",
    },
}
SECOND = {
    "caddy": " gateway-2.internal:50051",
    "traefik": "          - url: h2c://gateway-2.internal:50051\n",
}
SILENCE = {
    "caddy": ("read_body_idle 30m", "write_idle 30m"),
    "traefik": ("readTimeout: 0s", "writeTimeout: 0s"),
}
"""The settings in the files for the longest silence, or the longest duration, of a stream."""


def absent() -> str:
    """Return why tests with these proxies are skipped on this machine, or an empty string."""
    missing = [name for name in FILES if which(name, path=FOLDERS) is None]
    return f"no {' and no '.join(missing)} here (scripts/proxies.sh brings them)" if missing else ""


@dataclass(frozen=True, slots=True)
class GoProxy:
    """A proxy before one gateway, or two with one admin port. `ports`: without and with mutual TLS."""

    name: str
    folder: Path
    upstreams: Sequence[Upstream]
    ports: tuple[int, int]
    certificates: Certificates
    silence_s: float | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The address for callers without TLS."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def mutual_target(self) -> str:
        """The address for callers with mutual TLS."""
        return f"127.0.0.1:{self.ports[1]}"

    @property
    def caller(self) -> grpc.ChannelCredentials:
        """The credentials of a caller."""
        return self.certificates.caller()

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
        words = [f"--configFile={first}"]
        if self.name == "caddy":
            words = ["run", "--adapter", "caddyfile", "--config", str(first)]
        return Service(self.name, [binary, *words], {}, self.folder, READY[self.name])

    def _replacements(self) -> dict[str, str]:
        here = {
            "admin": self.upstreams[0].admin_port,
            "folder": self.folder,
            "mutual": self.ports[1],
        }
        ours = {old: new.format(**here) for old, new in ONLY_HERE[self.name].items()}
        ours |= {PLAIN: self.target, TLS_FOLDER: str(self.certificates.folder)}
        if len(self.upstreams) == 1:
            ours[SECOND[self.name]] = ""
        for number, upstream in enumerate(self.upstreams, 1):
            ours[f"gateway-{number}.internal:50051"] = upstream.address
        if self.silence_s is not None:
            for old in SILENCE[self.name]:
                ours[old] = f"{old.rpartition(' ')[0]} {round(self.silence_s * 1000)}ms"
        return {**ours, **self.more}


@asynccontextmanager
async def proxied_by(
    name: str,
    folder: Path,
    *upstreams: Upstream,
    silence_s: float | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[GoProxy]:
    """Run a proxy in front of gateways."""
    certificates = Certificates.made_in(folder / "tls")
    with reserved_ports(2) as (plain, mutual):
        proxy = GoProxy(name, folder, upstreams, (plain, mutual), certificates, silence_s, more or {})
        async with running(proxy.service()):
            yield proxy
