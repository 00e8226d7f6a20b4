"""Patterns on campaign ids and identities. Only `*` is special, and case counts.

In a campaign's pattern `*` is any characters. In an identity's it stays between two slashes of a URI, or
two dots of a DNS name, so that `spiffe://example.org/ns/*/sa/dialer` lets nobody in who may choose a
longer path; `**` is any characters there.

Whoever dials chooses the campaign id, and the event loop waits for the answer: so an expression does not try
all ways in which several stars may share a text, of which there are millions. Where a star has found the
word behind it for the first time, a later place of that word would leave less to what follows.
"""

import re
from collections.abc import Iterable, Sequence
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
    return Pattern(pattern, re.compile(_expression(parts, within), re.DOTALL))


def _expression(parts: Sequence[str], within: str) -> str:
    """Return the expression of words with stars between them.

    `(?>...)` is not searched again once it has matched. A `**`, with all up to the next one, is such a group:
    the word behind it may have to be looked for again where a `*` follows, which reaches less far.
    """
    groups = [re.escape(parts[0])]
    last = len(parts) - 2
    for at in range(1, len(parts), 2):
        wide = within == "." or len(parts[at]) > 1
        found = f"{'.' if wide else within}*?{re.escape(parts[at + 1])}"
        if wide:
            groups.append(found)
        else:
            groups[-1] += found if at == last else f"(?>{found})"
    return "".join(f"(?>{group})" for group in groups[:-1]) + groups[-1]
