"""The image, without an image: its Dockerfile's steps and commands, run in a temporary folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.dockerfile import Stage, stages

TREE = Path(__file__).resolve().parents[2]
BUILD, LAST = stages(TREE / "Dockerfile")
SHELL, SCRIPT, ROOT, WHEELS = BUILD.command("RUN")
LONGEST_START_S = 30.0
LONGEST_LEAVING_S = 10.0

DIAL = """
import sys, time
import grpc
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

request = pb.DialRequest(client_token="t-1", phone_number="+12065550100")
request.expiration_time.FromSeconds(int(time.time()) + 300)
with grpc.insecure_channel(sys.argv[1]) as channel:
    message = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=[request])
    answer = DialRequestServiceStub(channel).PutDialRequests(message, timeout=10)
print(*(pb.Outcome.Name(result.outcome) for result in answer.results))
"""

IMPORT_ALL = """
import importlib, pkgutil
import dialgateway
for module in pkgutil.walk_packages(dialgateway.__path__, "dialgateway."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(dialgateway.__file__)
"""


@dataclass(frozen=True)
class Image:
    """What the image would hold: the environment of its last stage, and the two wheels."""

    root: Path
    wheels: Path
    elsewhere: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the last stage sets, and nothing of the machine that runs the tests."""
        return {name: value.replace(ROOT, str(self.root)) for name, value in LAST.environment().items()}

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        words = [str(self.root / "bin" / command[0]), *command[1:]]
        return run(words, self.elsewhere, self.environment | variables)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - commands of the Dockerfile
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def built(command: list[str], folder: Path) -> None:
    """Run a step of building, with the settings of pip that this machine has."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = run(command, folder, ours | {"PYTHON": sys.executable})
    assert done.returncode == 0, done.stdout + done.stderr


def copied(stage: Stage, context: Path) -> None:
    for sources, destination in stage.copies():
        for source in sources:
            target = context / destination
            if (TREE / source).is_dir():
                shutil.copytree(TREE / source, target, ignore=shutil.ignore_patterns("__pycache__"))
                continue
            if destination.endswith("/"):
                target = target / Path(source).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / source, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    made = Image(folder / "root", folder / "wheels", folder / "elsewhere")
    made.elsewhere.mkdir()
    copied(BUILD, folder / "src")
    built([SHELL, SCRIPT, str(made.root), str(made.wheels)], folder / "src")
    # What runs next must not find the tree that it was built from.
    shutil.rmtree(folder / "src")
    return made


@dataclass(frozen=True)
class Running:
    process: "subprocess.Popen[str]"
    address: str


@pytest.fixture
def gateway(image: Image) -> Iterator[Running]:
    """The image's own command on a free port, before a simulator."""
    words = [*LAST.command("ENTRYPOINT"), *LAST.command("CMD"), "--simulator"]
    process = subprocess.Popen(  # noqa: S603 - the same
        [str(image.root / "bin" / words[0]), *words[1:]],
        cwd=image.elsewhere,
        env=image.environment
        | dict.fromkeys(("DIAL_GATEWAY_LISTEN", "DIAL_GATEWAY_ADMIN_LISTEN"), "127.0.0.1:0"),
        stderr=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(LONGEST_START_S, process.kill)
    late.start()
    with process:
        try:
            yield Running(process, address_in(process))
        finally:
            late.cancel()
            process.kill()


def address_in(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"serving gRPC on (\S+:\d+)", line):
            return found[1]
    raise AssertionError("the gateway did not start:\n" + "".join(lines))


def test_a_dial_from_start_to_end(image: Image, gateway: Running) -> None:
    """Installed from its wheels, the gateway is healthy, gets a dial accepted, and leaves on SIGTERM."""
    health = LAST.command("HEALTHCHECK")
    at = {"DIAL_GATEWAY_LISTEN": gateway.address}
    healthy = image.run(*health, **at)
    assert healthy.returncode == 0, healthy.stderr

    dialed = image.run("python", "-c", DIAL, gateway.address)
    assert dialed.stdout.split() == ["OUTCOME_ACCEPTED"], dialed.stderr

    gateway.process.send_signal(getattr(signal, LAST.one("STOPSIGNAL")))
    assert gateway.process.wait(LONGEST_LEAVING_S) == 0
    assert image.run(*health, **at).returncode != 0


def test_nothing_comes_from_the_source_tree(image: Image) -> None:
    """Both packages are imported from the environment that was built, with their type information."""
    for package in ("gateway", "dialgateway"):
        found = Path(image.run("python", "-c", f"import {package}; print({package}.__file__)").stdout.strip())
        assert found.is_relative_to(image.root)
    assert list(image.root.glob("lib/*/site-packages/dialgateway/py.typed"))


def test_the_console_comes_with_the_wheel(image: Image) -> None:
    """Every file of the page is in the environment that was built, as it is in the tree."""
    (packed,) = image.root.glob("lib/*/site-packages/gateway/admin/console")
    ours = TREE / "gateway" / "admin" / "console"
    assert {path.name: path.read_bytes() for path in packed.iterdir()} == {
        path.name: path.read_bytes() for path in ours.iterdir()
    }
    assert len(list(ours.glob("*.js"))) > 5


def test_the_client_needs_grpcio_and_protobuf_only(image: Image, tmp_path: Path) -> None:
    """The client's wheel by itself brings grpcio and protobuf, imports, and has a working dialctl."""
    listed = image.run(
        "python", "-c", "import grpc, google.protobuf as p; print(grpc.__version__, p.__version__)"
    )
    grpcio, protobuf = listed.stdout.split()
    client = tmp_path / "client"
    (wheel,) = image.wheels.glob("dial_gateway_client-*.whl")
    built([sys.executable, "-m", "venv", "--without-pip", str(client)], tmp_path)
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(client / "bin" / "python")]
    pins = [f"grpcio=={grpcio}", f"protobuf=={protobuf}"]
    built([*pip, "install", "--only-binary=:all:", *pins, str(wheel)], tmp_path)

    alone = Image(client, image.wheels, tmp_path)
    packages = {path.name.split("-")[0] for path in client.glob("lib/*/site-packages/*.dist-info")}
    assert packages == {"dial_gateway_client", "grpcio", "protobuf", "typing_extensions"}
    imported = alone.run("python", "-c", IMPORT_ALL)
    assert Path(imported.stdout.strip()).is_relative_to(client), imported.stderr
    helped = alone.run("dialctl", "--help")
    assert helped.returncode == 0, helped.stderr
    assert "dialctl" in helped.stdout


def test_the_last_stage_runs_what_the_first_has_built() -> None:
    """The image takes over the environment at the path where it was made, and is not run by root."""
    (taken,) = LAST.all("COPY")
    assert taken.split() == ["--from=build", ROOT, ROOT]
    assert not WHEELS.startswith(ROOT)
    assert LAST.environment()["PATH"].startswith(f"{ROOT}/bin:")
    assert LAST.environment()["DIAL_GATEWAY_LISTEN"] == "0.0.0.0:50051"
    assert all(int(number) > 0 for number in LAST.one("USER").split(":"))


def test_the_build_context_holds_what_is_copied_and_no_more() -> None:
    """The .dockerignore lets through exactly the files and folders that the Dockerfile copies."""
    lines = (TREE / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert let_through == {source for sources, _ in BUILD.copies() for source in sources}
    assert lines.index("*") < min(lines.index(f"!{name}") for name in let_through)
