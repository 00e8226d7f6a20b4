"""The documents of this repository: their fenced blocks, code spans, links and headings.

markdown-it-py reads them, so a block is what a CommonMark reader takes for one. A comment directly before a
block may say how the tests treat it:

    <!-- not run: it needs a Kubernetes cluster -->   no test runs the block, for this reason
    <!-- run by: tests/integration/test_x.py -->      this test does
    <!-- first: docs/policy.md#certificates -->       the commands of that section come first
    <!-- first: $ dial-gateway serve -->              this command does
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN, RUN_BY, FIRST = "not run", "run by", "first"
_MARK = re.compile(rf"<!-- ({NOT_RUN}|{RUN_BY}|{FIRST}): (.+?) -->")
_PATTERNS = (
    *("*.md", "docs/**/*.md", "deploy/**/*.md", "requirements/*.md", "conformance/*.md"),
    "clients/*/README.md",  # not deeper: packages of npm lie there
)
OTHER_LANGUAGES = ("clients/go/", "clients/java/", "clients/typescript/")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its line, the words after its fence, and its mark, empty if it has none."""

    document: str
    line: int
    section: str
    language: str
    file: str
    text: str
    mark: str = ""
    marked: str = ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@functools.cache
def documents() -> tuple[str, ...]:
    """Return the paths of all documents."""
    found = {path for pattern in _PATTERNS for path in ROOT.glob(pattern)}
    return tuple(sorted(str(path.relative_to(ROOT)) for path in found))


def python_documents() -> tuple[str, ...]:
    """Return the documents without those about other languages, whose blocks these tests cannot run."""
    return tuple(document for document in documents() if not document.startswith(OTHER_LANGUAGES))


@functools.cache
def tokens(document: str) -> tuple[Token, ...]:
    """Return what a document consists of."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return tuple(MarkdownIt("commonmark").enable("table").parse(text))


@functools.cache
def blocks(document: str) -> tuple[Block, ...]:
    """Return the fenced blocks of a document."""
    return tuple(_blocks(document))


def _blocks(document: str) -> Iterator[Block]:
    section, mark, before = "", ("", ""), ""
    for token in tokens(document):
        if before == "heading_open":
            section = anchor(token.content)
        if token.type == "fence":
            language, file, *_ = [*token.info.split(), "", ""]
            yield Block(document, (token.map or [0])[0] + 1, section, language, file, token.content, *mark)
        found = _MARK.search(token.content) if token.type == "html_block" else None
        mark = (found[1], found[2]) if found else ("", "")
        before = token.type


def anchors(document: str) -> set[str]:
    """Return the anchors of the headings of a document."""
    pairs = pairwise(tokens(document))
    return {anchor(text.content) for start, text in pairs if start.type == "heading_open"}


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def spans(document: str) -> Iterator[str]:
    """Yield the code spans in the text of a document."""
    yield from (child.content for child in _inline(document) if child.type == "code_inline")


def links(document: str) -> Iterator[str]:
    """Yield the targets of the links and pictures of a document."""
    for child in _inline(document):
        if target := child.attrGet("href") or child.attrGet("src"):
            yield str(target)


def _inline(document: str) -> Iterator[Token]:
    yield from (child for token in tokens(document) for child in token.children or ())
