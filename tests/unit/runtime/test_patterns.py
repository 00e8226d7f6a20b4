"""What patterns match, and how long matching takes."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.patterns import Pattern, identity_pattern, text_pattern

MARKUP = "<b onclick='[x]'>*</b>"


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("*", MARKUP, True),
        ("<b*</b>", MARKUP, True),
        ("<b onclick='[x]'>*</b>", "<b onclick='x'>*</b>", False),
        ("a.c", "abc", False),
        ("a*", "a\nb", True),
        ("a", "a\n", False),
        ("", "", None),
        ("a" * 513, "", None),
        ("*a" * 9, "", None),
    ],
)
def test_patterns_of_campaigns(pattern: str, subject: str, matches: bool | None) -> None:
    """Nothing but a star is special in a pattern, and nothing at all in a campaign id."""
    if matches is None:
        with pytest.raises(ValueError, match="must have"):
            text_pattern(pattern)
    else:
        assert text_pattern(pattern).matches(subject) is matches


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("spiffe://a/ns/*/sa/x", "spiffe://a/ns/b/sa/x", True),
        ("spiffe://a/ns/*/sa/x", "spiffe://a/ns/evil/sa/y/sa/x", False),
        ("spiffe://a/**", "spiffe://a/ns/b/sa/x", True),
        ("spiffe://a/**", "spiffe://ab/ns", False),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "evil/x.example.org", False),
        ("*", "spiffe://a/b", False),
        ("*", "localhost", True),
        ("**", "spiffe://a/b", True),
    ],
)
def test_patterns_of_identities(pattern: str, subject: str, matches: bool) -> None:
    """A star does not leave its part of a path or name."""
    assert identity_pattern(pattern).matches(subject) is matches


@given(st.text(min_size=1, max_size=30).filter(lambda text: "*" not in text))
def test_a_pattern_without_a_star_matches_itself_alone(text: str) -> None:
    assert text_pattern(text).matches(text)
    assert not text_pattern(text).matches(text + "x")


@given(st.text("*a/", min_size=1, max_size=9), st.text("a/", max_size=12))
def test_stars_reach_as_far_as_they_may(pattern: str, subject: str) -> None:
    """Patterns match what they would if every way to share the text among the stars were tried."""
    naive = re.sub(r"\*+", lambda stars: "[^/]*" if stars[0] == "*" else ".*", pattern)
    tried = re.fullmatch(naive, subject) is not None
    assert identity_pattern("a:" + pattern).matches("a:" + subject) is tried
    anything = re.fullmatch(re.sub(r"\*+", ".*", pattern), subject) is not None
    assert text_pattern(pattern).matches(subject) is anything


@pytest.mark.parametrize("compiled", [text_pattern, identity_pattern])
@pytest.mark.parametrize("pattern", ["*-*-*-*-*-*-*-*x", "**-**-**-**-**-**-**x"])
def test_no_text_keeps_a_pattern_busy(compiled: Callable[[str], Pattern], pattern: str) -> None:
    """Whoever dials chooses the campaign id; all ways to share this one among the stars would take days."""
    began = time.process_time()
    assert not compiled(pattern).matches("-" * 256)
    assert time.process_time() - began < 0.5
