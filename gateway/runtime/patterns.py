"""The patterns of the policy and of the settings, on campaign ids, host names and identities.

Only `*` is special, and case counts. In patterns on campaign ids and host names `*` matches any characters.
In patterns on identities it matches within one part: between two slashes of a URI, or between two dots of a
DNS name. So `spiffe://example.org/ns/*/sa/dialer` does not match the identity of a caller that chooses a
longer path. `**` matches any characters there.

A caller chooses the campaign id, and the event loop waits while it is matched. So an expression must not try
every way in which several stars can share a text: there are millions. It does not have to: if the word after
a star is found at one place, a later place would only leave less text to the rest of the pattern.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

LONGEST_PATTERN, MAX_STARS = 512, 8
_STARS = re.compile(r"(\*+)")


class Matcher(Protocol):
    """Anything that matches some texts, and has a text itself."""

    @property
    def text(self) -> str:
        """The pattern as people wrote it."""
        ...

    def matches(self, subject: str) -> bool:
        """Whether it matches a text."""
        ...


class Pattern(NamedTuple):
    """A pattern: its text and its regular expression."""

    text: str
    expression: "re.Pattern[str]"

    def matches(self, subject: str) -> bool:
        """Whether it matches the whole of a text."""
        return self.expression.fullmatch(subject) is not None


def text_pattern(pattern: str) -> Pattern:
    """Compile a pattern on campaign ids or host names; raise `ValueError` with the rule that it breaks."""
    return _compiled(pattern, within=".")


def identity_pattern(pattern: str) -> Pattern:
    """Compile a pattern on identities; raise `ValueError` with the rule that it breaks."""
    return _compiled(pattern, within="[^/]" if ":" in pattern else "[^./:]")


def matches_any(patterns: Iterable[Matcher], subject: str) -> bool:
    """Whether any of the patterns matches a text."""
    return any(pattern.matches(subject) for pattern in patterns)


def _compiled(pattern: str, within: str) -> Pattern:
    if not 0 < len(pattern) <= LONGEST_PATTERN:
        raise ValueError(f"must have 1 to {LONGEST_PATTERN} characters")
    parts = _STARS.split(pattern)
    if len(parts) // 2 > MAX_STARS:
        raise ValueError(f"must have at most {MAX_STARS} stars")
    return Pattern(pattern, re.compile(_expression(parts, within), re.DOTALL))


def _expression(parts: Sequence[str], within: str) -> str:
    """Return the expression for words with stars between them.

    `(?>...)` is not searched again once it has matched. Each `**`, with everything up to the next `**`, is
    such a group. It may contain `*`, which stops at the end of a part, so the word after the `**` may have to
    be found again within the group.
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
