"""Blocks of documents are true: commands work in order, programs run, and files are what commands read."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts import tools
from tests.docs.documents import FIRST, NOT_RUN, ROOT, RUN_BY, Block, anchors, blocks, python_documents
from tests.docs.shell import Shell, missing_programs
from tests.ports import reserved_ports

GRPC, ADMIN = "127.0.0.1:50051", "127.0.0.1:9464"
"""The default addresses. The tests replace them in all blocks by addresses with free ports."""
EVERY = [block for document in python_documents() for block in blocks(document)]
RUN = [block for block in EVERY if block.mark in {"", FIRST} and block.language in {"console", "python"}]
LANGUAGES = {"console", "python", "yaml", "toml", "json", "ini", "text"}
MAX_NOT_RUN = 15
NEEDED = ("bash", "jq", "make", "openssl")
_code = re.compile(r"#.* exits with (\d+)")


class Step(NamedTuple):
    """A command of a block, the lines of output that the block shows, and the exit code that it states."""

    command: str
    shown: tuple[str, ...]
    code: int


def steps(text: str) -> Iterator[Step]:
    """Yield the commands of a console block. Each begins with `$ `; `\\` continues it on the next line."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, output = re.fullmatch(r"((?:.*\\\n)*.*)\n?((?:.*\n?)*)", part).groups()  # type: ignore[union-attr]
        code = _code.search(command)
        yield Step(command, tuple(filter(None, output.splitlines())), int(code[1]) if code else 0)


def is_shown(line: str, output: str) -> bool:
    """Return whether a line is in an output; `...` in it is any text."""
    pattern = ".*".join(map(re.escape, line.split("...")))
    return re.search(f"^{pattern}$", output, re.MULTILINE) is not None


def with_ports(block: Block, grpc: int, admin: int) -> str:
    return block.text.replace(GRPC, f"127.0.0.1:{grpc}").replace(ADMIN, f"127.0.0.1:{admin}")


def before(block: Block) -> Iterator[Block]:
    """Yield what comes before a block: a command, or the blocks of a section."""
    if block.mark == FIRST and block.marked.startswith("$ "):
        yield replace(block, text=block.marked, mark="", marked="")
    elif block.mark == FIRST:
        document, section = block.marked.split("#")
        yield from (one for one in blocks(document) if one.section == section)


def notebook(document: str) -> str:
    """Return the Python blocks without a file name, each at its own line."""
    lines = [""] * len((ROOT / document).read_text(encoding="utf-8").splitlines())
    for block in blocks(document):
        if block in RUN and block.language == "python" and not block.file:
            code = block.text.splitlines()
            lines[block.line : block.line + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize("document", sorted({block.document for block in RUN}))
@pytest.mark.skipif(bool(missing_programs(*NEEDED)), reason=f"needs {', '.join(NEEDED)}")
@pytest.mark.skipif(tools.find("helm") is None, reason="helm is not at hand: scripts/helm.sh brings it")
async def test_the_blocks_of_a_document_work(document: str, tmp_path: Path) -> None:
    with reserved_ports(2) as (grpc, admin):
        settings = {
            "DIAL_GATEWAY_LISTEN": f"127.0.0.1:{grpc}",
            "DIAL_GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{admin}",
            "DIAL_GATEWAY_TARGET": f"127.0.0.1:{grpc}",
        }
        async with Shell(tmp_path, settings) as shell:
            for marked in blocks(document):
                for block in (*before(marked), marked):
                    await work(shell, block, with_ports(block, grpc, admin))
            (tmp_path / "notebook.py").write_text((ROOT / "tests/docs/notebook.py").read_text())
            if code := notebook(document).strip("\n"):
                (tmp_path / "blocks.py").write_text(code.replace(GRPC, f"127.0.0.1:{grpc}"))
                done = await shell.run("python notebook.py blocks.py")
                assert done.code == 0, done.output


async def work(shell: Shell, block: Block, text: str) -> None:
    """Save the file that a block shows, or run its commands."""
    if block.mark in {NOT_RUN, RUN_BY}:
        return
    if block.file:
        (shell.folder / block.file).write_text(text, encoding="utf-8")
    if block.language != "console":
        return
    for step in steps(text):
        done = await shell.run(step.command)
        assert done.code == step.code, f"{block}: {step.command}\n{done.output}"
        missing = [line for line in step.shown if not is_shown(line, done.output)]
        assert not missing, f"{block}: {step.command}\n{done.output}"


@pytest.mark.parametrize("block", EVERY, ids=str)
def test_a_block_has_a_language_and_is_checked_or_says_why_not(block: Block) -> None:
    """What a command reads must be a file of the document, so that the commands are tested with it."""
    assert block.language in LANGUAGES
    if block.language == "console" and not block.mark:
        assert block.text.startswith("$ ")
    if block.language in {"yaml", "toml", "json", "ini"}:
        assert block.file or block.mark
    if block.mark == RUN_BY:
        assert (ROOT / block.marked.partition("::")[0]).is_file()
    if block.mark == FIRST and "#" in block.marked:
        document, section = block.marked.split("#")
        assert section in anchors(document)


def test_few_blocks_are_not_run() -> None:
    left_out = [block for block in EVERY if block.mark == NOT_RUN]
    assert len(left_out) < MAX_NOT_RUN
    assert len(RUN) > len(left_out)


def test_a_wrong_command_or_output_is_noticed() -> None:
    assert [*steps("$ a \\\n  b  # exits with 3\nsaid\n\n$ c\n")] == [
        Step("a \\\n  b  # exits with 3", ("said",), 3),
        Step("c", (), 0),
    ]
    assert is_shown("1 of ... done", "x\n1 of 20 done\n")
    assert not is_shown("1 of ... done", "x\n2 of 20 done\n")
