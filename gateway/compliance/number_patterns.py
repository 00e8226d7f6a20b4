"""Finds how many digits of a phone number decide what the tables of phonenumbers say of it.

phonenumbers matches a number with the regular expressions of its country: 100 to 400 microseconds. Almost all
of them end in "any digit, seven times". As soon as only such ends are left, all numbers of the same length
that begin alike are treated alike, so the answer for one of them is the answer for all.

This module reads the expressions, which use a small part of the syntax, into one automaton for each country
calling code, and follows a number through it.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

ANY_DIGIT = 0b11_1111_1111
_MOST_DIGITS = 15
_TOKEN = re.compile(r"\(\?:|\(|\)|\||\\d|\[[0-9-]+\]|\{[0-9]+(?:,[0-9]+)?\}|\?|\+|\$|[0-9]")


class PatternNotRead(ValueError):  # noqa: N818 - says what it is
    """An expression uses syntax that this module does not know."""


class _Node(NamedTuple):
    """A part of an expression: a set of digits, or alternatives that are sequences; repeated as often."""

    digits: int
    alternatives: "list[list[_Node]]"
    least: int = 1
    most: int = 1


def _parsed(pattern: str) -> list[list[_Node]]:
    """Return the alternatives of an expression. Raises `PatternNotRead`."""
    tokens = _TOKEN.findall(pattern)
    if "".join(tokens) != pattern:
        raise PatternNotRead(pattern)
    tokens.reverse()
    found = _alternatives(tokens)
    if tokens:
        raise PatternNotRead(pattern)
    return found


def _alternatives(tokens: list[str]) -> list[list[_Node]]:
    found: list[list[_Node]] = [[]]
    while tokens and tokens[-1] != ")":
        symbol = tokens.pop()
        if symbol == "|":
            found.append([])
        elif symbol in {"(", "(?:"}:
            inner = _alternatives(tokens)
            if not tokens:
                raise PatternNotRead(symbol)
            tokens.pop()
            found[-1].append(_Node(0, inner))
        elif symbol == "$":
            continue  # it depends on the length only
        elif symbol[0] in "?+{":
            found[-1][-1] = _repeated(found[-1][-1], symbol)
        else:
            found[-1].append(_Node(_digits(symbol), []))
    return found


def _repeated(node: _Node, symbol: str) -> _Node:
    if symbol == "?":
        return node._replace(least=0)
    if symbol == "+":
        return node._replace(most=_MOST_DIGITS)
    least, _, most = symbol[1:-1].partition(",")
    return node._replace(least=int(least), most=int(most or least))


def _digits(symbol: str) -> int:
    """Return the digits that a symbol matches, as bits."""
    if symbol == r"\d":
        return ANY_DIGIT
    found = 0
    for first, last in re.findall(r"([0-9])(?:-([0-9]))?", symbol):
        for digit in range(int(first), int(last or first) + 1):
            found |= 1 << digit
    return found


class Automaton:
    """A non-deterministic automaton for the beginnings of numbers, made from some expressions."""

    def __init__(self, patterns: Iterable[tuple[str, ...]]) -> None:
        """Take sequences of expressions, each matched one after the other. Raises `PatternNotRead`."""
        self._edges: list[list[tuple[int, int]]] = []
        self._free: list[list[int]] = []
        self._ends: set[int] = set()
        start = self._state()
        for sequence in patterns:
            end = start
            for pattern in sequence:
                end = self._append_alternatives(end, _parsed(pattern))
            self._ends.add(end)
        self._plain: dict[int, bool] = {}
        self.start = self._closed({start})

    def after(self, states: frozenset[int], digit: int) -> frozenset[int]:
        """Return the states after another digit."""
        bit = 1 << digit
        return self._closed({to for state in states for digits, to in self._edges[state] if digits & bit})

    def matches(self, states: frozenset[int]) -> bool:
        """Whether a whole sequence of expressions matches the digits so far."""
        return not self._ends.isdisjoint(states)

    def depends_on_length(self, states: frozenset[int]) -> bool:
        """Whether, in these states, only the number of further digits matters, not which they are."""
        return all(self._is_plain(state) for state in states)

    def _is_plain(self, state: int) -> bool:
        found = self._plain.get(state)
        if found is None:
            found = all(
                digits == ANY_DIGIT and self._is_plain(to) for digits, to in self._edges[state]
            ) and all(self._is_plain(to) for to in self._free[state])
            self._plain[state] = found
        return found

    def _state(self) -> int:
        self._edges.append([])
        self._free.append([])
        return len(self._edges) - 1

    def _closed(self, states: set[int]) -> frozenset[int]:
        waiting = list(states)
        while waiting:
            for to in self._free[waiting.pop()]:
                if to not in states:
                    states.add(to)
                    waiting.append(to)
        return frozenset(states)

    def _append_alternatives(self, start: int, alternatives: list[list[_Node]]) -> int:
        end = self._state()
        for sequence in alternatives:
            at = self._state()
            self._free[start].append(at)
            for node in sequence:
                at = self._append(at, node)
            self._free[at].append(end)
        return end

    def _append(self, start: int, node: _Node) -> int:
        end, at = self._state(), start
        for count in range(node.most):
            if count >= node.least:
                self._free[at].append(end)
            at = self._append_once(at, node)
        self._free[at].append(end)
        return end

    def _append_once(self, start: int, node: _Node) -> int:
        if node.alternatives:
            return self._append_alternatives(start, node.alternatives)
        to = self._state()
        self._edges[start].append((node.digits, to))
        return to
