"""Read the Dockerfile, so that the tests run its own commands and not a copy of them."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Stage:
    """The instructions of one stage by keyword, in the order of the file."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [rest for found, rest in self.instructions if found == keyword]

    def one(self, keyword: str) -> str:
        (rest,) = self.all(keyword)
        return rest

    def command(self, keyword: str) -> list[str]:
        """Return the words of a command in exec form: a JSON list at the end of the instruction."""
        rest = self.one(keyword)
        words: list[str] = json.loads(rest[rest.index("[") :])
        return words

    def copies(self) -> list[tuple[list[str], str]]:
        """Return what is copied from the build context: sources and destination."""
        words = [shlex.split(rest) for rest in self.all("COPY") if not rest.startswith("--from=")]
        return [(sources, destination) for *sources, destination in words]

    def environment(self) -> dict[str, str]:
        words = [word for rest in self.all("ENV") for word in shlex.split(rest)]
        return {name: value for name, _, value in (word.partition("=") for word in words)}


def stages(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        keyword, _, rest = line.strip().partition(" ")
        if keyword == "FROM":
            found.append(Stage())
        if keyword and found:
            found[-1].instructions.append((keyword, rest.strip()))
    return found
