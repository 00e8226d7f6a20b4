"""What is wrong with the files of the guard."""

from gateway.access.errors import AccessError


class GuardFileError(AccessError):
    """The guard file cannot be used. The text names the path of the wrong entry, such as `rules[2].hours`."""


class SuppressionListError(AccessError):
    """A suppression list cannot be used. The text names the list and line numbers, no number."""
