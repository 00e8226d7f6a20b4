"""Run the Dockerfile's steps in a temporary folder, and the gateway from their result."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.dockerfile import Stage, stages

TREE = Path(__file__).resolve().parents[2]
BUILD, LAST = stages(TREE / "Dockerfile")
SHELL, SCRIPT, ROOT, WHEELS = BUILD.command("RUN")
LONGEST_STEP_S = 600.0
"""Seconds that a step may take: it downloads packages on a machine that may be busy."""
LONGEST_START_S = 60.0
KEY, SECRET = "AKIDIMAGE", "image-secret"
"""The only credentials that the simulated Amazon Connect accepts."""
DIAL = """
import sys, time
import grpc
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

request = pb.DialRequest(client_token="t-1", phone_number="+12065550100")
request.expiration_time.FromSeconds(int(time.time()) + 300)
with grpc.insecure_channel(sys.argv[1]) as channel:
    message = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=[request])
    answer = DialRequestServiceStub(channel).PutDialRequests(message, timeout=60)
for result in answer.results:
    print(pb.Outcome.Name(result.outcome))
    print(pb.Reason.Name(result.reason), result.detail, file=sys.stderr)
"""


@dataclass(frozen=True)
class Image:
    """The contents of the image: the environment of its last stage, and the two wheels."""

    root: Path
    wheels: Path
    elsewhere: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of the last stage, and none of the machine that runs the tests."""
        return {name: value.replace(ROOT, str(self.root)) for name, value in LAST.environment().items()}

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        words = [str(self.root / "bin" / command[0]), *command[1:]]
        return run(words, self.elsewhere, self.environment | variables)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - commands of the Dockerfile
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_STEP_S,
        check=False,
    )


def built(command: list[str], folder: Path) -> None:
    """Run a step of the build with the pip settings of this machine."""
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


def built_image(folder: Path) -> Image:
    """Run the steps of the first stage, then remove the sources, so that later steps cannot find them."""
    made = Image(folder / "root", folder / "wheels", folder / "elsewhere")
    made.elsewhere.mkdir()
    copied(BUILD, folder / "src")
    built([SHELL, SCRIPT, str(made.root), str(made.wheels)], folder / "src")
    shutil.rmtree(folder / "src")
    return made


@dataclass(frozen=True)
class Running:
    """A process, and the address that it has printed."""

    process: "subprocess.Popen[str]"
    address: str


@contextmanager
def simulated_connect() -> Iterator[str]:
    """Run a simulated Amazon Connect from the source tree; yield its URL."""
    command = [sys.executable, "-m", "gateway", "simulator", "--port", "0"]
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with started(command, TREE, {**os.environ, **keys}, r"(http://\S+?:\d+)") as running:
        yield running.address


@contextmanager
def gateway_from(image: Image, connect: str, **variables: str) -> Iterator[Running]:
    """Run the image's own command on free ports, connected to a simulated Amazon Connect."""
    words = [*LAST.command("ENTRYPOINT"), *LAST.command("CMD")]
    listen = dict.fromkeys(("DIAL_GATEWAY_LISTEN", "DIAL_GATEWAY_ADMIN_LISTEN"), "127.0.0.1:0")
    aws = {"AWS_ENDPOINT_URL_CONNECTCAMPAIGNS": connect, "AWS_DEFAULT_REGION": "us-east-1"}
    command = [str(image.root / "bin" / words[0]), *words[1:]]
    environment = image.environment | listen | aws | variables
    with started(command, image.elsewhere, environment, r"serving gRPC on (\S+:\d+)") as running:
        yield running


@contextmanager
def started(command: list[str], folder: Path, environment: dict[str, str], says: str) -> Iterator[Running]:
    """Run a process that prints its address, until the end of the block."""
    process = subprocess.Popen(  # noqa: S603 - commands of the Dockerfile and of this tree
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    late = threading.Timer(LONGEST_START_S, process.kill)
    late.start()
    with process:
        try:
            address = said_by(process, re.compile(says))
            late.cancel()
            yield Running(process, address)
        finally:
            late.cancel()
            process.kill()


def said_by(process: "subprocess.Popen[str]", pattern: re.Pattern[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := pattern.search(line):
            return found[1]
    raise AssertionError("it did not start:\n" + "".join(lines))
