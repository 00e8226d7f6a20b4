from hashlib import sha1
from importlib.resources import files

import pytest

from gateway.shared_state.commands.script_call import PARTS, PROLOGUE, script

PIECES = {PROLOGUE}.union(*PARTS.values())


def _names() -> list[str]:
    found = files("gateway.shared_state").joinpath("scripts").iterdir()
    return sorted(file.name.removesuffix(".lua") for file in found if file.name.endswith(".lua"))


@pytest.mark.parametrize("name", [name for name in _names() if name not in PIECES])
def test_every_script_begins_with_the_line_that_makes_the_server_check_its_keys(name: str) -> None:
    text = script(name).text
    assert text.startswith(b"#!lua\n")
    assert b"local function now_ms()" in text
    assert script(name).sha == sha1(text, usedforsecurity=False).hexdigest()


def test_the_parts_of_a_script_stand_before_it_in_their_order() -> None:
    assert set(_names()) >= PIECES
    folder = files("gateway.shared_state") / "scripts"
    for name, parts in PARTS.items():
        places = [
            script(name).text.index((folder / f"{part}.lua").read_bytes().removeprefix(b"#!lua\n"))
            for part in (PROLOGUE, *parts, name)
        ]
        assert places == sorted(places)


def test_a_script_without_that_line_is_refused() -> None:
    with pytest.raises(ValueError, match="#!lua"):
        script(PROLOGUE)
