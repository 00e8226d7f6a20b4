"""Judges a history: is every answer true against what Connect did, and has Connect dialed as it should?"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from tests.history.history import History, Key
from tests.history.rules import RULES, Case, Rule, every_request_is_answered, in_words

__all__ = ["RULES", "Verdict", "judge"]

SHOWN = 5
THROTTLED = "ThrottlingException"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found. `violations` are counted by rule; `shown` are the first few in words.

    `by_replica` counts calls, `throttled` those over the quota. `sent_again` counts tokens that came to
    Connect after a caller had heard that they are accepted: replicas that share their results avoid it.
    """

    requests: int
    answers: Mapping[str, int]
    calls: int
    dials: int
    unanswered: int
    left: int
    violations: Mapping[str, int]
    shown: tuple[str, ...]
    by_replica: Mapping[str, int] = field(default_factory=dict)
    throttled: int = 0
    sent_again: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations

    @property
    def untrue(self) -> int:
        """Violations of every rule except the missing answer, which is no false statement."""
        return sum(self.violations.values()) - self.unanswered

    @property
    def accepted(self) -> int:
        """Requests that were answered ACCEPTED."""
        return self.answers.get("ACCEPTED", 0)

    def __str__(self) -> str:
        answers = ", ".join(f"{count:,} {words}" for words, count in sorted(self.answers.items()))
        lines = [
            f"{self.requests:,} requests: {answers or 'no answers'}; {self.unanswered:,} unanswered"
            f"{f', {self.left:,} of callers who left' if self.left else ''}",
            f"Connect: {self.calls:,} calls, {self.dials:,} dials; {self._replicas()}",
            "every rule holds" if self.holds else "broken:",
            *(f"  {rule.replace('_', ' ')}: {count:,}" for rule, count in self.violations.items()),
            *(f"    {words}" for words in self.shown),
        ]
        return "\n".join(lines)

    def _replicas(self) -> str:
        calls = ", ".join(f"{name} {count:,}" for name, count in sorted(self.by_replica.items()))
        return f"{calls}; {self.throttled:,} over the quota, {self.sent_again:,} tokens sent again"


def judge(
    history: History,
    *,
    headroom_s: float = 5.0,
    travel_s: float = 1.0,
    rules: Mapping[str, Rule] = RULES,
    shown: int = SHOWN,
) -> Verdict:
    """Judge a history by the rules.

    `headroom_s` is the gateway's setting, `travel_s` what a message may take on a loaded machine, and
    `shown` how many violations of each rule are told in words.
    """
    case = Case(history, headroom_s, travel_s)
    violations, words = {}, []
    for name, rule in rules.items():
        found = rule(case)
        first = list(islice(found, shown))
        if first:
            violations[name] = len(first) + sum(1 for _ in found)
            words += first
    return Verdict(
        requests=len(history.requests),
        answers=Counter(in_words(each[0]) for each in case.answers.values()),
        calls=len(history.calls),
        dials=sum(not each.replayed for had in case.had.values() for each in had),
        unanswered=violations.get(every_request_is_answered.__name__, 0),
        left=_unheard(case),
        violations=violations,
        shown=tuple(words),
        by_replica=Counter(call.access_key for call in history.calls),
        throttled=sum(call.result == THROTTLED for call in history.calls),
        sent_again=_sent_again(case),
    )


def _sent_again(case: Case) -> int:
    """Count tokens that came to Connect after a caller had heard that they are accepted."""
    heard_at: dict[Key, float] = {}
    for key, told in case.told.items():
        accepted = (each.answer for each in told if each.answer and each.answer.outcome == "ACCEPTED")
        heard_at[key] = min((answer.heard_at for answer in accepted), default=math.inf)
    again = {
        (call.campaign, token)
        for call in case.history.calls
        for token in call.tokens
        if call.at > heard_at.get((call.campaign or "", token), math.inf)
    }
    return len(again)


def _unheard(case: Case) -> int:
    of_those_who_left = (r for r in case.history.requests if r.stream in case.history.left)
    return sum((request.stream, request.position) not in case.answers for request in of_those_who_left)
