"""Checks that the committed Python stubs equal the output of `make protos`."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "python"
STUBS = "dialgateway/**/*_pb2*.py*"


def main() -> int:
    """Generate into a temporary folder and compare; 0 if nothing differs."""
    generator = [".venv-protos/bin/python", "scripts/generate_stubs.py"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*generator, folder], cwd=ROOT, check=True)
        fresh, committed = _read(Path(folder)), _read(CLIENT)
    different = [name for name in sorted(fresh | committed) if fresh.get(name) != committed.get(name)]
    for name in different:
        print(f"{(CLIENT / name).relative_to(ROOT)}: {_what_differs(name, fresh, committed)}")
    if different:
        print("the stubs differ from protos/: run `make protos`")
        return 1
    print(f"generated code: {len(fresh)} files are up to date")
    return 0


def _read(folder: Path) -> dict[str, bytes]:
    # Whoever has run the tests has compiled stubs as well.
    found = (path for path in folder.glob(STUBS) if path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _what_differs(name: str, fresh: dict[str, bytes], committed: dict[str, bytes]) -> str:
    if name not in committed:
        return "is missing"
    return "is generated otherwise" if name in fresh else "is generated no more"


if __name__ == "__main__":
    sys.exit(main())
