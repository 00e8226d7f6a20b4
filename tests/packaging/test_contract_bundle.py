"""`make dist` packs the contract: protos that buf accepts, and an image with the comments."""

import subprocess
import sys
import tarfile
from pathlib import Path

from google.protobuf import descriptor_pb2

from scripts.contract_bundle import pack, version

BUF = Path(sys.executable).parent / "buf"


def comments(image: Path) -> str:
    """Return all comments in a buf image, which is a FileDescriptorSet with more fields."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    return "".join(place.leading_comments for file in files for place in file.source_code_info.location)


def test_the_archive_is_a_contract_of_its_own(tmp_path: Path) -> None:
    """buf builds the unpacked archive to the image that is packed beside it."""
    archive, image = pack(tmp_path / "dist")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    unpacked = tmp_path / f"dial-gateway-contract-{version()}"
    rebuilt = tmp_path / "rebuilt.binpb"
    command = [str(BUF), "build", "--output", str(rebuilt)]
    subprocess.run(command, cwd=unpacked, check=True)  # noqa: S603
    assert rebuilt.read_bytes() == image.read_bytes()
    assert (unpacked / "LICENSE").read_text().split()[:2] == ["Apache", "License"]


def test_the_image_has_the_comments(tmp_path: Path) -> None:
    """A reader of the image finds the in-doubt rule, and what each field means."""
    _, image = pack(tmp_path)
    assert "The in-doubt rule" in comments(image)
    assert "Whom to dial, or to send an SMS or WhatsApp message to, in E.164" in comments(image)
