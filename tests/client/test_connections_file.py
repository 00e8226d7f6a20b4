"""Named connections: the file, what decides about the gateway, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dialgateway.dialctl import main
from dialgateway.dialctl.arguments import parse
from dialgateway.dialctl.campaign_arguments import CampaignArguments
from dialgateway.dialctl.connection import Connection, Tls
from dialgateway.dialctl.errors import UnusableFile

FILE = """\
default = "staging"

[connections.staging]
gateway = "staging.example:50051"
tls-ca = "ca.pem"
tls-name = "gateway"

[connections.local]
gateway = "127.0.0.1:50051"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid file, which DIALCTL_CONNECTIONS names."""
    for name in ("DIAL_GATEWAY_TARGET", "DIALCTL_CONNECTION", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "connections.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    monkeypatch.setenv("DIALCTL_CONNECTIONS", str(path))
    return path


def chosen(*options: str) -> Connection:
    arguments = parse(["campaigns", *options])
    assert isinstance(arguments, CampaignArguments)
    return arguments.gateway


def refusal(*options: str) -> str:
    with pytest.raises(UnusableFile) as raised:
        chosen(*options)
    return str(raised.value)


def test_the_default_of_the_file_is_used_last(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option goes before the environment, and that before the file's default."""
    staging = Connection("staging.example:50051", Tls(ca=file.parent / "ca.pem", name="gateway"))
    assert chosen() == staging
    monkeypatch.setenv("DIAL_GATEWAY_TARGET", "from-environment:1")
    assert chosen() == Connection("from-environment:1")
    monkeypatch.setenv("DIALCTL_CONNECTION", "local")
    assert chosen() == Connection("127.0.0.1:50051")
    assert chosen("--gateway", "given:2") == Connection("given:2")
    assert chosen("--connection", "staging") == staging


def test_options_for_tls_replace_those_of_a_connection(file: Path) -> None:
    """An option replaces the value of the connection; the other values stay."""
    found = chosen("--connection", "staging", "--tls-ca", "other.pem")
    assert found.tls == Tls(ca=Path("other.pem"), name="gateway")
    assert chosen("--connection", "local", "--tls-name", "n").tls == Tls(name="n")
    assert chosen("--gateway", "given:2").tls is None


def test_without_a_file_the_gateway_is_on_this_machine(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read from the user's configuration if it is there; it does not have to be."""
    monkeypatch.delenv("DIALCTL_CONNECTIONS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert chosen() == Connection("127.0.0.1:50051")
    assert "there is no connections file" in refusal("--connection", "staging")
    (tmp_path / "dialctl").mkdir(mode=0o700)
    file.rename(tmp_path / "dialctl" / "connections.toml")
    assert chosen("--connection", "local") == Connection("127.0.0.1:50051")
    assert chosen().target == "staging.example:50051"


def test_a_file_that_is_named_must_exist(file: Path) -> None:
    """If DIALCTL_CONNECTIONS names a file that does not exist, the command is refused."""
    file.unlink()
    assert "DIALCTL_CONNECTIONS" in refusal()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(file: Path, mode: int) -> None:
    """It could send dial requests to another gateway."""
    file.chmod(mode)
    assert "others can write it" in refusal("--connection", "local")


def test_a_file_in_a_folder_that_others_can_write_is_refused(file: Path) -> None:
    """They could replace the file, unless the folder is sticky."""
    file.parent.chmod(0o777)
    assert "others can write it" in refusal("--connection", "local")
    file.parent.chmod(0o1777)
    assert chosen("--connection", "local").target == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "x: unknown; expected default, connections"),
        ("connections = 1", "connections: expected tables"),
        ('[connections.a]\ngateway = "g:1"\ntoken = "x"', "connections.a.token: unknown"),
        ('[connections.a]\ngateway = "no port"', "connections.a.gateway: expected HOST:PORT"),
        ('[connections.a]\ntls-ca = "ca.pem"', "connections.a.gateway: expected HOST:PORT"),
        ("[connections.a]\ngateway = 1", "connections.a.gateway: expected a text"),
        ('[connections."a b"]\ngateway = "g:1"', "a name has letters"),
        ("[connections]\na = 1", "connections.a: expected a table"),
        ('default = "b"\n[connections.a]\ngateway = "g:1"', "default: expected the name of a connection"),
        ("default = [", "not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused_with_the_place(file: Path, text: str, said: str) -> None:
    """The message has the file, the field and the rule."""
    file.write_text(text)
    assert refusal().startswith(f"{file}: ")
    assert said in refusal()


def test_a_name_that_is_not_there_is_refused_with_those_that_are(file: Path) -> None:
    """An unknown name is refused with the names of the file; a name with an address is refused too."""
    assert refusal("--connection", "nosuch").endswith("it has: local, staging")
    assert "only one" in refusal("--connection", "local", "--gateway", "g:1")


def test_the_command_lists_the_connections(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command lists them as text, with their files, and as JSON."""
    assert main(["connections"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "local: 127.0.0.1:50051, without TLS",
        "staging (default): staging.example:50051, with TLS",
    ]
    assert main(["connections", "-o", "wide"]) == 0
    assert f"  tls_ca: {file.parent / 'ca.pem'}" in capsys.readouterr().out
    assert main(["connections", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["connections"][1] == {
        "name": "staging",
        "default": True,
        "gateway": "staging.example:50051",
        "tls": True,
        "tls_ca": str(file.parent / "ca.pem"),
        "tls_cert": None,
        "tls_key": None,
        "tls_name": "gateway",
    }
    file.unlink()
    assert main(["connections"]) == 2
    assert "DIALCTL_CONNECTIONS" in capsys.readouterr().err
