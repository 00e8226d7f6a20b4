"""The environment of the image, built once for all its tests."""

from collections.abc import Iterator

import pytest

from tests.packaging.image import Image, built_image, simulated_connect


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Build the environment of the image."""
    return built_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def connect() -> Iterator[str]:
    """Run a simulated Amazon Connect that checks signatures."""
    with simulated_connect() as url:
        yield url
