"""The environment of the image and a simulated Amazon Connect, made once for all tests."""

from collections.abc import Iterator

import pytest

from tests.packaging.image import Image, built_image, simulated_connect


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Build the environment of the image."""
    return built_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def connect() -> Iterator[str]:
    """Run a simulated Amazon Connect that checks signatures, for all tests of the image."""
    with simulated_connect() as url:
        yield url
