"""Packs the wire contract for callers that generate stubs: the protos, and a buf image with comments.

`python scripts/contract_bundle.py FOLDER` writes both, with the version of the client in their names. The
archive has the layout of this repository, so buf works in it. The image is what `buf generate` and
`protoc --descriptor_set_in` read instead of protos.
"""

import io
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"
NAME = "dial-gateway-contract"
MTIME = 315_532_800
"""The time of all files in the archive, 1980-01-01, so that equal contracts make equal archives."""


def files() -> list[Path]:
    """Return the files of the archive, relative to the repository."""
    protos = sorted((ROOT / "protos").rglob("*.proto"))
    return [path.relative_to(ROOT) for path in (ROOT / "LICENSE", ROOT / "buf.yaml", *protos)]


def version() -> str:
    """Return the version of the client, which is that of the contract's stubs."""
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def pack(folder: Path) -> tuple[Path, Path]:
    """Write the archive and the image into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{NAME}-{version()}"
    archive, image = folder / f"{name}.tar", folder / f"{name}.binpb"
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in files():
            content = (ROOT / path).read_bytes()
            entry = tarfile.TarInfo(f"{name}/{path.as_posix()}")
            entry.size, entry.mtime = len(content), MTIME
            tar.addfile(entry, io.BytesIO(content))
    subprocess.run([BUF, "build", "--output", str(image)], cwd=ROOT, check=True)
    return archive, image


if __name__ == "__main__":
    for made in pack(Path(sys.argv[1])):
        print(f"contract: {made}")
