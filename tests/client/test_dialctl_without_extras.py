"""The command `dialctl` without its extras, and without functions that only Unix has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.scripted import PHONE

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
"""
EXTRAS = ("rich", "openpyxl", "phonenumbers", "shtab")


def run(directory: Path, program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True, timeout=30)  # noqa: S603


def dialctl(directory: Path, *arguments: str, without: tuple[str, ...] = EXTRAS) -> tuple[int, str, str]:
    """Run dialctl without some modules. Return its exit code and its output."""
    program = WITHOUT.replace("{names!r}", repr(set(without)))
    program += f"from dialgateway.dialctl import main\nsys.exit(main({list(arguments)!r}))"
    done = run(directory, program)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


CHECK = ("check", "leads.csv", "--campaign", "c", "--expires-in", "1m")


def test_the_client_and_dialctl_need_no_extra(tmp_path: Path) -> None:
    """Without rich, openpyxl, phonenumbers and shtab the modules can be imported, and CSV files are read."""
    modules = "dialgateway, dialgateway.dialctl.send, dialgateway.dialctl.xlsx_records"
    modules += ", dialgateway.dialctl.campaign_commands"
    done = run(tmp_path, WITHOUT.replace("{names!r}", repr(set(EXTRAS))) + f"import {modules}")
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "leads.csv").write_text(f"client_token,phone_number\na,{PHONE}\n")
    code, out, _ = dialctl(tmp_path, *CHECK)
    assert (code, "1 lead would be sent" in out) == (0, True)


def test_completion_without_shtab_says_what_to_install(tmp_path: Path) -> None:
    """The exit code is 2, as for every other extra."""
    code, out, err = dialctl(tmp_path, "completion", "bash")
    assert (code, out) == (2, "")
    assert "pip install 'dial-gateway-client[cli]'" in err


def test_rich_is_not_imported_for_a_pipe(tmp_path: Path) -> None:
    """The import takes about 0.1 s, and a pipe gets plain text anyway."""
    program = (
        "import sys\nfrom dialgateway.dialctl import main\n"
        "code = main(['campaigns', '--gateway', '127.0.0.1:1'])\n"
        "assert 'rich' not in sys.modules\nsys.exit(code)"
    )
    done = run(tmp_path, program)
    assert (done.returncode, "AssertionError" in done.stderr) == (3, False)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [(b"a,b\n", ("--region", "US"), "needs phonenumbers"), (b"PK\x03\x04", (), "needs openpyxl")],
)
def test_the_message_names_a_missing_extra(
    tmp_path: Path, content: bytes, arguments: tuple[str, ...], message: str
) -> None:
    """It has the command that installs the extra."""
    (tmp_path / "leads.csv").write_bytes(content.replace(b"a,b", b"client_token,phone_number"))
    code, _, err = dialctl(tmp_path, *CHECK, *arguments)
    assert code == 2
    assert message in err
    assert "pip install 'dial-gateway-client[leads]'" in err


def test_dialctl_uses_nothing_that_only_unix_has(tmp_path: Path) -> None:
    """Windows has no `os.pread`, and cannot open a file a second time that is deleted on close."""
    list_ = f"client_token,phone_number\na,{PHONE}\n"
    program = (
        "import os, tempfile\n"
        "for name in ('pread', 'pwrite', 'fork', 'getuid', 'sendfile'): delattr(os, name)\n"
        "del tempfile.NamedTemporaryFile\n"
        "from dialgateway.dialctl.lead_list import LeadList, ListOptions, copied\n"
        "from datetime import timedelta\n"
        "with copied(ListOptions(None, 'c', timedelta(minutes=1))) as options:\n"
        "    for _ in range(2):\n"
        "        with LeadList(options) as leads: print(len(list(leads.leads())))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(  # noqa: S603
        command, input=list_, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n1\n", "")
