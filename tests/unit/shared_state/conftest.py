import pytest

from tests.unit.shared_state.members import Store


@pytest.fixture
def store() -> Store:
    """Provide a store that two members have used for a while, without demand."""
    store = Store()
    store.run(5.0, "a", "b")
    return store
