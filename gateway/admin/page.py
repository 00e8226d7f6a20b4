"""The files of the console's page, read once: nothing of a request ever becomes a path."""

from pathlib import Path

FOLDER = Path(__file__).parent / "console"
START = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def files() -> dict[str, tuple[bytes, str]]:
    """Return contents and type of each file by its name."""
    found = sorted(path for path in FOLDER.iterdir() if path.suffix in _TYPES)
    return {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in found}
