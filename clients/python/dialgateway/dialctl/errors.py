"""What makes a list as a whole unusable."""

from __future__ import annotations


class UnusableFile(Exception):  # noqa: N818 - says what is wrong, as the errors of the client do
    """The file as a whole cannot be sent; the message says why and what to do, for a person."""
