"""The error for a list or a file that cannot be used."""

from __future__ import annotations


class UnusableFile(Exception):  # noqa: N818 - named after what is wrong, like the errors of the client
    """A file cannot be used. The message says why, and what to do about it."""
