"""The suppressed numbers of a process and the key of their hashes, as a fleet exchanges them."""

from typing import Protocol

from gateway.compliance.suppression_list import LiveSuppression


class SuppressedNumbers(Protocol):
    """The suppressed numbers of this process, as its guard asks them."""

    def __contains__(self, number_hash: bytes) -> bool:
        """Return whether a number is suppressed."""
        ...

    def add(self, number_hash: bytes, details: LiveSuppression | None = None) -> bool:
        """Suppress a number; return whether it was not suppressed. Raises `OverflowError` if too many are.

        `details` is None if they are kept elsewhere.
        """
        ...

    def remove(self, number_hash: bytes) -> bool:
        """Suppress a number no longer."""
        ...


class HashKey(Protocol):
    """The key of the hashes of numbers in this process. A key that is `fixed` comes from a file."""

    @property
    def fixed(self) -> bool: ...  # noqa: D102

    @property
    def key(self) -> bytes: ...  # noqa: D102

    def use(self, key: bytes) -> None:
        """Make hashes with another key from now on."""
        ...


class NoKey:
    """The key of a replica without a guard."""

    fixed, key = False, b"none"

    def use(self, key: bytes) -> None:
        """Keep a key; no number is hashed with it."""
        self.key = key


class NoNumbers:
    """The numbers of a replica without a guard: nobody asks for them."""

    def __contains__(self, number_hash: bytes) -> bool:
        return False

    def add(self, number_hash: bytes, details: LiveSuppression | None = None) -> bool:
        """Do nothing."""
        return True

    def remove(self, number_hash: bytes) -> bool:
        """Do nothing."""
        return True
