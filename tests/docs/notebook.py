"""Run the Python blocks of a document in one namespace: `python notebook.py FILE`.

The file has each block at the line where the document has it, so that a traceback names that line. Like a
notebook, it may `await` outside of functions.
"""

import ast
import asyncio
import inspect
import sys
from pathlib import Path


def main() -> None:
    """Run the file."""
    path = Path(sys.argv[1])
    code = compile(path.read_text(encoding="utf-8"), path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if inspect.iscoroutine(running := eval(code, {})):  # noqa: S307 - this repository's documents
        asyncio.run(running)


if __name__ == "__main__":
    main()
