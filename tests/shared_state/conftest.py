"""Fixtures with real servers: Valkey and Redis.

A test runs once for each program that this machine has, unless it uses `fleet_server`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.cases import MORE
from tests.shared_state.servers import PROGRAMS, Server, absent, running


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    """Provide the name of a server program."""
    name: str = request.param
    if reason := absent(name):
        pytest.skip(reason)
    return name


@pytest.fixture
def real_server(program: str, tmp_path: Path) -> Iterator[Server]:
    """Run a new server for the test."""
    with running(program, tmp_path / program) as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the server programs of the tests that use `fleet_server`."""
    if "fleet_server" in metafunc.fixturenames:
        programs = PROGRAMS if os.environ.get(MORE) else (program_of(metafunc.function.__name__),)
        metafunc.parametrize("fleet_server", programs, indirect=True)


def program_of(test: str) -> str:
    """Return the program on which a test of whole gateways runs. The scripts are tested on both programs.

    It depends on the version of Python, so that CI, which tests two of them, runs each test on both programs.
    """
    present = [program for program in PROGRAMS if not absent(program)] or PROGRAMS
    return present[(crc32(test.encode()) + sys.version_info.minor // 2) % len(present)]


@pytest.fixture
def fleet_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Run a new server for a test of whole gateways, which takes long, on one of the programs."""
    name: str = request.param
    if reason := absent(name):
        pytest.skip(reason)
    with running(name, tmp_path / name) as server:
        yield server


@pytest.fixture(scope="module", params=PROGRAMS)
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run one server for all tests of a module, which must not rely on what others leave there."""
    if reason := absent(request.param):
        pytest.skip(reason)
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Server]:
    """Run a server with TLS: Debian's Redis, since the wheel's Valkey is built without."""
    if reason := absent("redis"):
        pytest.skip(reason)
    with running("redis", tmp_path / "server", {"tls-auth-clients": "no"}, tls=True) as server:
        yield server
