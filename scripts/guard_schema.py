"""Writes docs/guard.schema.json: `python -m scripts.guard_schema`."""

import json
import sys
from pathlib import Path

from gateway.compliance.guard_schema import schema

SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "guard.schema.json"


def text() -> str:
    """Return the text of the file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text())
    sys.exit(0)
