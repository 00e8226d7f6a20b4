"""What one rule decides: numbers, calling hours and their zones. Pure; it caches its results.

Most decisions find the number's facts, then the verdict that holds for those facts until the hours open or
close: two look-ups.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, tzinfo

from gateway.compliance.calling_hours import FARTHEST_S, SPAN_S, CallingHours
from gateway.compliance.numbers import NEVER, NumberFacts
from gateway.compliance.open_intervals import ALWAYS, DAY_S
from gateway.compliance.rules import AfterClosing, Rule, SeveralZones, ZoneFrom
from gateway.compliance.time_zones import TimeZones, UnknownZone
from gateway.core.attributes import unpacked
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.model import DialRequest, Reason

FARTHEST_DAYS = FARTHEST_S // DAY_S
REMEMBERED = 100_000
"""The most facts of numbers for which a rule caches the hours."""
REMEMBERED_ZONES = 10_000
"""The most sets of zones for which a rule caches the hours. There are about a thousand."""


class HoursVerdict:
    """The verdict of a rule's hours in some zones: `verdict` holds from `start` until `end`.

    If the rule refuses requests that expire after closing, only `at` knows the verdict.
    """

    __slots__ = ("_late", "_rule", "_version", "end", "hours", "start", "verdict")

    def __init__(self, rule: Rule, version: str, hours: CallingHours) -> None:
        self._rule, self._version, self.hours = rule, version, hours
        self.start, self.end = 0.0, 0.0
        self.verdict = self._late = Verdict(VerdictKind.REFUSED)

    def at(self, now: float, expiration: float | None) -> Verdict:
        """Return the verdict at an instant for a request with an expiration, in seconds since the epoch."""
        if not self.start <= now < self.end:
            self._renew(now)
        verdict = self.verdict
        closes_at = verdict.closes_at
        if closes_at is not None and self._rule.after_closing is AfterClosing.REFUSE:
            return self._late if expiration is None or expiration > closes_at else verdict
        return verdict

    def _renew(self, now: float) -> None:
        opening = self.hours.at(now)
        self.start = min(now, opening.start)
        self.end = now + SPAN_S if opening.end is None else opening.end
        name = self._rule.name
        if opening.is_open:
            self.verdict = Verdict(
                VerdictKind.ALLOWED, rule=name, version=self._version, closes_at=opening.end
            )
            late = f"rule {name}: after_closing: the expiration is after closing, {_clock(opening.end)}"
            self._late = self._refused(late)
        elif opening.end is None:
            self.verdict = self._refused(f"rule {name}: hours: no opening within {FARTHEST_DAYS} days")
        else:
            self.verdict = Verdict(
                VerdictKind.NOT_BEFORE,
                Reason.OUTSIDE_CALLING_HOURS,
                name,
                self._version,
                f"rule {name}: hours: closed now; opens {_clock(opening.end)}",
                not_before=opening.end,
            )

    def _refused(self, detail: str) -> Verdict:
        reason = Reason.OUTSIDE_CALLING_HOURS
        return Verdict(VerdictKind.REFUSED, reason, self._rule.name, self._version, detail)


class DecidedRule:
    """A rule with the zones and holidays that it needs. Not thread-safe.

    `by_facts` caches the results by the facts of numbers.
    """

    def __init__(
        self, rule: Rule, version: str, zones: TimeZones, is_holiday: Callable[[date], bool]
    ) -> None:
        self.rule = rule
        self.version = version
        self._zones, self._is_holiday = zones, is_holiday
        self.by_facts: dict[NumberFacts, Verdict | HoursVerdict | None] = {}
        self._by_zones: dict[tuple[str, ...], Verdict | HoursVerdict] = {}
        # Without hours and holidays, no zone is needed.
        self._needs_zone = rule.week != ALWAYS or bool(rule.holidays)

    def hours_for(self, request: DialRequest, facts: NumberFacts) -> Verdict | HoursVerdict:
        """Return the hours that apply to a request, or why its number or its zone is refused."""
        try:
            found = self.by_facts[facts]
        except KeyError:
            found = self._learned(facts)
        return self._hours_of_attribute(request) if found is None else found

    def hours_without_number(self, request: DialRequest) -> Verdict | HoursVerdict:
        """Return the hours that apply to a request without a number, an e-mail, or why it is refused."""
        rule = self.rule
        if not self._needs_zone:
            return self._hours_in(("Etc/UTC",))
        if rule.zone_from is ZoneFrom.FIXED:
            return self._hours_in((rule.zone,))
        if rule.zone_from is ZoneFrom.ATTRIBUTE:
            return self._hours_of_attribute(request)
        if rule.no_zone is None:
            return self.refused(Reason.OUTSIDE_CALLING_HOURS, "zone: an e-mail has no number to take it from")
        return self._hours_in(())

    def refused(self, reason: Reason, detail: str) -> Verdict:
        """Return the verdict that the rule refuses a request."""
        return Verdict(
            VerdictKind.REFUSED, reason, self.rule.name, self.version, f"rule {self.rule.name}: {detail}"
        )

    def _number_refusal(self, facts: NumberFacts) -> Verdict | None:
        rule = self.rule
        problem = None
        if facts.kind in NEVER:
            problem = f"phone_number: a {facts.kind} number is never called"
        elif not facts.is_at_least(rule.numbers):
            problem = f"numbers: phone_number must be {rule.numbers.value}"
        elif rule.regions is not None and facts.region not in rule.regions:
            problem = "regions: phone_number must be of an allowed region"
        elif rule.kinds is not None and facts.kind not in rule.kinds:
            problem = f"kinds: phone_number must be of an allowed kind, and is {facts.kind}"
        return None if problem is None else self.refused(Reason.NUMBER_NOT_ALLOWED, problem)

    def _learned(self, facts: NumberFacts) -> Verdict | HoursVerdict | None:
        """Return the result for all requests with such numbers, None if it depends on their attributes."""
        found: Verdict | HoursVerdict | None = self._number_refusal(facts)
        if found is None and not self._needs_zone:
            found = self._hours_in(("Etc/UTC",))  # any zone will do
        elif found is None and self.rule.zone_from is ZoneFrom.FIXED:
            found = self._hours_in((self.rule.zone,))
        elif found is None and self.rule.zone_from is ZoneFrom.NUMBER:
            found = self._hours_in(facts.zones)
        if len(self.by_facts) >= REMEMBERED:
            self.by_facts.clear()
        self.by_facts[facts] = found
        return found

    def _hours_of_attribute(self, request: DialRequest) -> Verdict | HoursVerdict:
        zone = unpacked(request.attributes).get(self.rule.zone, "")
        if not zone:
            return self._hours_in(())
        if not self._zones.known(zone):
            return self.refused(Reason.OUTSIDE_CALLING_HOURS, self._no_zone_detail())
        return self._hours_in((zone,))

    def _hours_in(self, names: tuple[str, ...]) -> Verdict | HoursVerdict:
        found = self._by_zones.get(names)
        if found is None:
            found = self._new_hours(names)
            if len(self._by_zones) >= REMEMBERED_ZONES:
                self._by_zones.clear()
            self._by_zones[names] = found
        return found

    def _new_hours(self, names: tuple[str, ...]) -> Verdict | HoursVerdict:
        if not names and self.rule.no_zone is not None:
            names = (self.rule.no_zone,)
        if not names:
            return self.refused(Reason.OUTSIDE_CALLING_HOURS, self._no_zone_detail())
        try:
            zones: Sequence[tzinfo] = [self._zones.zone(name) for name in names]
        except UnknownZone:
            detail = "zone: the table of time zones lacks a zone of the number"
            return self.refused(Reason.OUTSIDE_CALLING_HOURS, detail)
        every = self.rule.several_zones is SeveralZones.ALL
        hours = CallingHours(self.rule.week, zones, self._is_holiday, every=every)
        return HoursVerdict(self.rule, self.version, hours)

    def _no_zone_detail(self) -> str:
        if self.rule.zone_from is ZoneFrom.ATTRIBUTE:
            return f"zone: the attribute {self.rule.zone} must be the name of a time zone"
        return "zone: the time zone of phone_number is not known"


def _clock(instant: float | None) -> str:
    """Return an instant as people read it."""
    if instant is None:
        return f"more than {FARTHEST_DAYS} days away"
    return datetime.fromtimestamp(instant, UTC).strftime("at %Y-%m-%dT%H:%M:%SZ")
