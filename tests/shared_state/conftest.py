"""Fixtures with real servers. A test that uses one runs once for each program that this machine has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module", params=PROGRAMS)
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run one server for all tests of a module, which must not rely on what others leave there."""
    if reason := absent(request.param):
        pytest.skip(reason)
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server
