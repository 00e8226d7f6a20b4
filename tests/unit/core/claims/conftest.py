import pytest

from tests.unit.core.claims.replicas import Store


@pytest.fixture
def store() -> Store:
    """Provide the store of a fleet, without records."""
    return Store()
