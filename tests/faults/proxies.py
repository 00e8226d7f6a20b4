"""HAProxy and nginx in front of the gateways of a fault run, with the published configurations.

They are in `deploy/proxies/`; only addresses, paths and time-outs are filled in here.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import grpc

from tests.faults.certificates import Certificates
from tests.faults.processes import Service, running
from tests.faults.world import World
from tests.ports import reserved_ports

CONFIGURATIONS = Path(__file__).parents[2] / "deploy" / "proxies"
PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Debian installs both in folders that are not in an ordinary user's PATH."""
PROXIES = ("haproxy", "nginx")
PLAIN, MUTUAL = "127.0.0.1:50050", "0.0.0.0:50443"
TLS_FOLDER = "/etc/dial-gateway/tls"


def absent(*names: str) -> str:
    """Return why fault runs with these proxies, or with all, are skipped here, or an empty string."""
    missing = [name for name in names or PROXIES if which(name, path=PATHS) is None]
    return f"no {' and no '.join(missing)} here (scripts/proxies.sh brings them)" if missing else ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A gateway from a proxy's view: its address, and the port for readiness checks."""

    address: str
    admin_port: int


def gateways_of(world: World) -> Sequence[Upstream]:
    """Return the gateways of a world."""
    return [Upstream(*each) for each in zip(world.targets, world.admin_ports, strict=True)]


class Proxy:
    """A proxy in front of gateways, with its configuration filled in. It keeps its ports over all restarts.

    `ports` are those without and with mutual TLS.
    """

    def __init__(
        self, name: str, folder: Path, upstreams: Sequence[Upstream], ports: tuple[int, int]
    ) -> None:
        self.name = name
        self.folder = folder
        self.upstreams = upstreams
        self.certificates: Certificates | None = None
        self.silence_s: float | None = None
        """Seconds of a stream's silence that are allowed; as in the file where this is None."""
        self.tls_behind = False
        """Whether the gateways ask the proxy for a certificate."""
        self.more: Mapping[str, str] = {}
        """Further replacements in the file, for a proxy that is set wrongly."""
        self._ports = dict(zip((PLAIN, MUTUAL), ports, strict=True))
        self._down: set[int] = set()
        self.service = self._haproxy() if name == "haproxy" else self._nginx()

    @property
    def target(self) -> str:
        """The address for callers, with mutual TLS if it has certificates."""
        return f"127.0.0.1:{self._ports[PLAIN if self.certificates is None else MUTUAL]}"

    @property
    def plain_target(self) -> str:
        """The address without TLS."""
        return f"127.0.0.1:{self._ports[PLAIN]}"

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """The credentials that a caller needs."""
        return None if self.certificates is None else self.certificates.caller()

    def write(self) -> None:
        """Write the configuration."""
        filled = self._filled(CONFIGURATIONS / self._file)
        (self.folder / self._file).write_text(filled, encoding="utf-8")

    async def kill(self) -> int:
        """Kill all of its processes with SIGKILL, and restart it."""
        return await self.service.restart(signal.SIGKILL)

    async def reload(self) -> None:
        """Reload the configuration without cutting a stream; return once the new one is in use."""
        self.write()
        seen = self.service.said().count(self.service.ready.decode())
        self.service.send(signal.SIGUSR2 if self.name == "haproxy" else signal.SIGHUP)
        async with asyncio.timeout(30):
            while self.service.said().count(self.service.ready.decode()) == seen:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def mark(self, number: int, *, down: bool) -> None:
        """Tell nginx, which checks no gateway itself, that one is down or up again; HAProxy does."""
        if self.name == "nginx":
            (self._down.add if down else self._down.discard)(number)
            await self.reload()

    @property
    def _file(self) -> str:
        return "haproxy.cfg" if self.name == "haproxy" else "nginx.conf"

    def _haproxy(self) -> Service:
        command = [which("haproxy", path=PATHS) or "haproxy", "-W", "-f", str(self.folder / self._file)]
        return Service(self.name, command, {}, self.folder, b"Loading success", has_workers=True)

    def _nginx(self) -> Service:
        command = [which("nginx", path=PATHS) or "nginx", "-p", str(self.folder), "-g", "daemon off;"]
        command += ["-c", str(self.folder / self._file)]
        return Service(self.name, command, {}, self.folder, b"start worker process ", has_workers=True)

    def _filled(self, file: Path) -> str:
        text = file.read_text(encoding="utf-8")
        text = self._towards_gateways(text) if self.tls_behind else text
        for old, new in (*self._replacements().items(), *self.more.items()):
            if old not in text:
                raise ValueError(f"{file.name} has no {old!r} to fill in")
            text = text.replace(old, new)
        return text if os.geteuid() == 0 else _for_anybody(text)

    def _replacements(self) -> dict[str, str]:
        ours = {bind: f"127.0.0.1:{port}" for bind, port in self._ports.items()}
        for number, upstream in enumerate(self.upstreams, 1):
            ours[f"gateway-{number}.internal:50051"] = self._address(number - 1, upstream)
        if len(self.upstreams) == 1:
            ours.update(self._without_a_second())
        certificates = self.certificates or Certificates.unused(self.folder)
        ours[TLS_FOLDER] = str(certificates.folder)
        if self.name == "haproxy":
            ours["fd-hard-limit 20100"] = "fd-hard-limit 1100"
        else:
            ours["worker_rlimit_nofile 65536;"] = ""
            ours["worker_connections 16384"] = "worker_connections 1000"
            ours["/run/nginx.pid"] = str(self.folder / "nginx.pid")
            ours["/var/log/nginx/error.log"] = "stderr"
            ours["worker_processes auto"] = "worker_processes 2"
        if self.silence_s is not None:
            ours.update(self._silence(self.silence_s))
        return ours

    def _towards_gateways(self, text: str) -> str:
        """Make the proxy use TLS to the gateways, with the lines that the file has for it in comments."""
        if self.name == "nginx":
            return text.replace("grpc_pass grpc:", "grpc_pass grpcs:")
        words = next(line for line in text.splitlines() if line.startswith("    #   ssl crt ")).strip(" #")
        return text.replace("check-proto h1\n", f"check-proto h1 {words}\n")

    def _address(self, number: int, upstream: Upstream) -> str:
        if self.name == "haproxy":
            return f"{upstream.address} port {upstream.admin_port}"
        return f"{upstream.address}{' down' if number in self._down else ''}"

    def _without_a_second(self) -> dict[str, str]:
        if self.name == "haproxy":
            return {"server gateway-2 gateway-2.internal:50051 check-proto h1": ""}
        return {"server gateway-2.internal:50051 max_fails=1 fail_timeout=2s;": ""}

    def _silence(self, seconds: float) -> dict[str, str]:
        names = (
            ("timeout client", "timeout server")
            if self.name == "haproxy"
            else ("client_body_timeout", "send_timeout", "grpc_read_timeout", "grpc_send_timeout")
        )
        return {f"    {name} 30m": f"    {name} {round(seconds * 1000)}ms" for name in names}


@asynccontextmanager
async def proxied(
    name: str,
    folder: Path,
    upstreams: Sequence[Upstream],
    *,
    certificates: Certificates | None = None,
    silence_s: float | None = None,
    tls_behind: bool = False,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Proxy]:
    """Run a proxy in front of gateways."""
    with reserved_ports(2) as (plain, mutual):
        proxy = Proxy(name, folder, upstreams, (plain, mutual))
        proxy.certificates, proxy.silence_s, proxy.more = certificates, silence_s, more or {}
        proxy.tls_behind = tls_behind
        proxy.write()
        async with running(proxy.service):
            yield proxy


@asynccontextmanager
async def before(
    world: World,
    name: str,
    certificates: Certificates | None = None,
    *,
    tls_behind: bool = False,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Proxy]:
    """Run a proxy in front of all gateways of a world."""
    async with proxied(
        name, world.folder, gateways_of(world), certificates=certificates, tls_behind=tls_behind, more=more
    ) as proxy:
        yield proxy


def _for_anybody(text: str) -> str:
    """Leave out the lines that change the user, which only root may do."""
    users = ("user haproxy", "group haproxy", "user www-data;")
    return "\n".join(line for line in text.splitlines() if line.strip() not in users) + "\n"
