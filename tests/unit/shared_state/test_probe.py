"""The check before the start uses every command that the scripts use."""

import re
from importlib.resources import files

CALLED = re.compile(r"(?:redis\.p?call|try)\('([A-Z]+)'")


def test_the_probe_tries_every_command_of_the_scripts() -> None:
    folder = files("gateway.shared_state").joinpath("scripts")
    texts = {file.name: file.read_text() for file in folder.iterdir() if file.name.endswith(".lua")}
    tried = set(CALLED.findall(texts.pop("probe.lua")))
    used = {command for text in texts.values() for command in CALLED.findall(text)}
    assert len(used) > 10
    assert used <= tried
