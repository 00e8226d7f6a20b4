"""The script that installs the pinned packages: what it takes from pip's settings, and the pin of uv."""

import pytest

from scripts.install import DEV, pip_settings, settings_of, uv_environment, uv_pin

LISTED = """\
global.index-url='https://global.example/simple'
global.cert='/etc/ca.pem'
install.index-url='https://user:secret@install.example/simple'
install.extra-index-url='\\nhttps://one.example\\nhttps://two.example'
download.index-url='https://download.example/simple'
:env:.find-links='/wheels /more'
:env:.no-index='yes'
"""


def test_variables_count_before_files_and_the_section_of_installing_before_the_global_one() -> None:
    assert settings_of(LISTED) == {
        "index-url": "https://user:secret@install.example/simple",
        "extra-index-url": "\nhttps://one.example\nhttps://two.example",
        "cert": "/etc/ca.pem",
        "find-links": "/wheels /more",
        "no-index": "yes",
    }
    by_variable = LISTED + ":env:.index-url='https://variable.example/simple'\n"
    assert settings_of(by_variable)["index-url"] == "https://variable.example/simple"


def test_uv_uses_the_indexes_and_certificates_of_pip() -> None:
    """What pip does not set stays as the environment has it."""
    environment = uv_environment(settings_of(LISTED), {"HTTPS_PROXY": "http://proxy", "PATH": "/bin"})
    assert environment == {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_DEFAULT_INDEX": "https://user:secret@install.example/simple",
        "UV_INDEX": "https://one.example https://two.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_SYSTEM_CERTS": "1",
    }


def test_the_settings_are_those_that_pip_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the same when a variable tells pip to be quiet."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable.example/simple")
    monkeypatch.setenv("PIP_QUIET", "1")
    assert pip_settings()["index-url"] == "https://variable.example/simple"


def test_without_settings_of_pip_uv_uses_its_own_index() -> None:
    assert settings_of("") == {}
    assert set(uv_environment({}, {})) == {"UV_INDEX_STRATEGY", "UV_SYSTEM_CERTS"}


def test_the_pin_of_uv_has_its_hashes_and_no_other_package() -> None:
    lines = uv_pin(DEV.read_text(encoding="utf-8")).splitlines()
    assert lines[0].startswith("uv==")
    assert any("--hash=sha256:" in line for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])
    assert uv_pin("valkey==6.2.0 \\\n    --hash=sha256:00\n") == ""
