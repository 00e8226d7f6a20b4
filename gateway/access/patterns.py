"""Patterns on campaign ids and identities. Only `*` is special, and case counts.

In a campaign's pattern `*` is any characters. In an identity's it stays between two slashes of a URI, or
two dots of a DNS name, so that `spiffe://example.org/ns/*/sa/dialer` lets nobody in who may choose a
longer path; `**` is any characters there.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_PATTERN, MOST_STARS = 512, 8
_STARS = re.compile(r"(\*+)")


class Pattern(NamedTuple):
    """A pattern as it is written, and what it matches."""

    text: str
    expression: "re.Pattern[str]"

    def matches(self, subject: str) -> bool:
        """Whether it matches a text as a whole."""
        return self.expression.fullmatch(subject) is not None


def campaign_pattern(pattern: str) -> Pattern:
    """Return what a campaign id must match as a whole; raises `ValueError` with the rule."""
    return _compiled(pattern, within=".")


def identity_pattern(pattern: str) -> Pattern:
    """Return what an identity must match as a whole; raises `ValueError` with the rule."""
    return _compiled(pattern, within="[^/]" if ":" in pattern else "[^./:]")


def matches_any(patterns: Iterable[Pattern], subject: str) -> bool:
    """Whether a text matches a pattern of several."""
    return any(pattern.matches(subject) for pattern in patterns)


def _compiled(pattern: str, within: str) -> Pattern:
    if not 0 < len(pattern) <= LONGEST_PATTERN:
        raise ValueError(f"must have 1 to {LONGEST_PATTERN} characters")
    parts = _STARS.split(pattern)
    if len(parts) // 2 > MOST_STARS:
        raise ValueError(f"must have at most {MOST_STARS} stars")
    words = [_word(part, within) for part in parts if part]
    return Pattern(pattern, re.compile("".join(words), re.DOTALL))


def _word(part: str, within: str) -> str:
    if part.startswith("*"):
        return f"{within}*" if part == "*" else ".*"
    return re.escape(part)
