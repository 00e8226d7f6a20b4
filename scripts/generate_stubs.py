"""Generates the Python stubs, with type information, from protos/ into the given folder.

Runs in `.venv-protos`, which contains an older protoc: its stubs run on every protobuf
release that a caller may use (docs/decisions/0002-generated-code-for-a-wide-window.md).
"""

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"


def generate(output: Path) -> int:
    """Generate messages, service stubs and their .pyi files below `output`; return 0 on success."""
    tools = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--plugin=protoc-gen-mypy={tools / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={tools / 'protoc-gen-mypy_grpc'}",
        *(f"--{plugin}_out={output}" for plugin in ("python", "grpc_python")),
        *(f"--{plugin}_out=quiet:{output}" for plugin in ("mypy", "mypy_grpc")),
        *(str(path.relative_to(PROTOS)) for path in sorted(PROTOS.rglob("*.proto"))),
    ]
    return int(protoc.main(arguments))


if __name__ == "__main__":
    sys.exit(generate(Path(sys.argv[1])))
