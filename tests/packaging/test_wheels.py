"""The steps and commands of the Dockerfile work in a temporary folder, without a container engine."""

import signal
import sys
from pathlib import Path

import pytest

from tests.packaging.image import (
    BUILD,
    DIAL,
    KEY,
    LAST,
    ROOT,
    SECRET,
    TREE,
    WHEELS,
    Image,
    built,
    gateway_from,
)

LONGEST_LEAVING_S = 30.0

IMPORT_ALL = """
import importlib, pkgutil
import dialgateway
needs_the_extra_cli = "dialgateway.dialctl.campaign_screen"
for module in pkgutil.walk_packages(dialgateway.__path__, "dialgateway."):
    if not module.name.endswith("__main__") and module.name != needs_the_extra_cli:
        importlib.import_module(module.name)
print(dialgateway.__file__)
"""


@pytest.mark.timed
def test_the_image_gateway_serves_a_dial_request(image: Image, connect: str) -> None:
    """Installed from its wheels, the gateway is healthy, delivers a dial request, and ends on SIGTERM."""
    health = LAST.command("HEALTHCHECK")
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with gateway_from(image, connect, **keys) as gateway:
        at = {"DIAL_GATEWAY_LISTEN": gateway.address}
        healthy = image.run(*health, **at)
        assert healthy.returncode == 0, healthy.stderr

        dialed = image.run("python", "-c", DIAL, gateway.address)
        assert dialed.stdout.split() == ["OUTCOME_ACCEPTED"], dialed.stderr

        gateway.process.send_signal(getattr(signal, LAST.one("STOPSIGNAL")))
        assert gateway.process.wait(LONGEST_LEAVING_S) == 0
        assert image.run(*health, **at).returncode != 0


def test_nothing_comes_from_the_source_tree(image: Image) -> None:
    """Both packages are imported from the built environment, with their type information."""
    for package in ("gateway", "dialgateway"):
        found = Path(image.run("python", "-c", f"import {package}; print({package}.__file__)").stdout.strip())
        assert found.is_relative_to(image.root)
    assert list(image.root.glob("lib/*/site-packages/dialgateway/py.typed"))


def test_the_license_comes_with_both_wheels(image: Image) -> None:
    """Each package names Apache-2.0, and has the text of LICENSE beside its metadata."""
    ours = (TREE / "LICENSE").read_bytes()
    assert ours.split()[:4] == [b"Apache", b"License", b"Version", b"2.0,"]
    for package in ("dial_gateway", "dial_gateway_client"):
        (about,) = image.root.glob(f"lib/*/site-packages/{package}-*.dist-info")
        assert "License-Expression: Apache-2.0" in (about / "METADATA").read_text().splitlines()
        assert (about / "licenses" / "LICENSE").read_bytes() == ours


def test_the_console_comes_with_the_wheel(image: Image) -> None:
    """Every file of the console's page in the source tree is in the built environment."""
    (packed,) = image.root.glob("lib/*/site-packages/gateway/admin/console")
    ours = TREE / "gateway" / "admin" / "console"
    assert {path.name: path.read_bytes() for path in packed.iterdir()} == {
        path.name: path.read_bytes() for path in ours.iterdir()
    }
    assert len(list(ours.glob("*.js"))) > 5


def test_the_client_needs_grpcio_and_protobuf_only(image: Image, tmp_path: Path) -> None:
    """The client's wheel installs only grpcio and protobuf, can be imported, and has a working dialctl."""
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


def test_the_last_stage_runs_the_environment_of_the_first() -> None:
    """The last stage copies the environment to the path where it was built, and does not run as root."""
    (taken,) = LAST.all("COPY")
    assert taken.split() == ["--from=build", ROOT, ROOT]
    assert not WHEELS.startswith(ROOT)
    assert LAST.environment()["PATH"].startswith(f"{ROOT}/bin:")
    assert LAST.environment()["DIAL_GATEWAY_LISTEN"] == "0.0.0.0:50051"
    assert all(int(number) > 0 for number in LAST.one("USER").split(":"))


def test_the_build_context_has_exactly_the_copied_files() -> None:
    """The .dockerignore lets through exactly the files and folders that the Dockerfile copies."""
    lines = (TREE / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert let_through == {source for sources, _ in BUILD.copies() for source in sources}
    assert lines.index("*") < min(lines.index(f"!{name}") for name in let_through)
