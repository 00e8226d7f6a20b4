"""The guard: decides whether a dial request may be sent now. Pure: the time is an argument.

It is asked twice: when a request is admitted, and when a call is formed, since hours close and numbers are
suppressed while requests wait. Whatever is not known is refused.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.compliance.calling_hours import no_holiday
from gateway.compliance.contact_limits import ContactLimit, ContactLog
from gateway.compliance.errors import GuardFileError
from gateway.compliance.holiday_calendar import HolidayCalendar, in_any
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.rule_decisions import DecidedRule, HoursVerdict
from gateway.compliance.rules import Rule, RuleSet, Unmatched
from gateway.compliance.suppression_list import Suppressions
from gateway.compliance.time_zones import TimeZones
from gateway.core.compliance.verdict import Verdict, VerdictKind, strictest
from gateway.core.model import DialRequest, Reason
from gateway.directory.directory import undecided_by_any
from gateway.directory.table import CampaignTable
from gateway.runtime.patterns import matches_any

REMEMBERED_CAMPAIGNS = 10_000
UNDECIDED_RETRY_S = 5.0
"""Seconds until a request may be tried again whose campaign has no known name or tags yet."""
_ALLOWED = VerdictKind.ALLOWED
_NOT_BEFORE = VerdictKind.NOT_BEFORE


class _CampaignRules:
    """The rules that apply to one campaign. `undecided` if more may apply once its name is known."""

    __slots__ = ("enforced", "hashed", "limits", "observed", "observed_limits", "undecided")

    def __init__(self, rules: list[DecidedRule], *, undecided: bool) -> None:
        self.enforced = [one for one in rules if not one.rule.observe]
        self.observed = [one for one in rules if one.rule.observe]
        self.limits = _limits_of(self.enforced)
        self.observed_limits = _limits_of(self.observed)
        self.hashed = any(one.rule.limits for one in rules)
        self.undecided = undecided


class Guard:
    """Decides with one version of the rules. Not thread-safe; a new version of the file is a new guard.

    `contacts` is None without a shared state. Raises `GuardFileError` if a rule has a limit then.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        zones: TimeZones,
        numbers: PhoneNumbers,
        hashing: NumberHash,
        suppressions: Suppressions,
        contacts: ContactLog | None = None,
        calendars: Mapping[str, HolidayCalendar] | None = None,
    ) -> None:
        self.rules = rules
        self._contacts = contacts
        self._check_limits()
        self._numbers, self._hashing, self._suppressions = numbers, hashing, suppressions
        self.calendars = dict(calendars or {})
        for code in {code for rule in rules.rules for code in rule.holidays} - self.calendars.keys():
            self.calendars[code] = HolidayCalendar(code)
        self._decided = [self._decided_rule(rule, zones) for rule in rules.rules]
        self._by_campaign: dict[str, _CampaignRules] = {}
        self._table: CampaignTable = rules.directory.table
        self._known = rules.directory.known
        self._unmatched = Verdict(
            VerdictKind.REFUSED,
            Reason.OUTSIDE_CALLING_HOURS,
            version=rules.version,
            detail="unmatched: no rule of the guard file names the campaign, so it has no calling hours",
        )
        self._allowed = Verdict(_ALLOWED, version=rules.version)
        self._live = self._unmatched._replace(
            reason=Reason.SUPPRESSED, detail="phone_number: suppressed by an operator", rule="live"
        )

    def prepare(self, now: float) -> None:
        """Read what takes long, before the guard decides: it takes a second or two, and a thread may do it.

        That is the holidays of the years around an instant, and the expressions for numbers of the allowed
        regions. It should be called again once a year.
        """
        allowed = [rule.regions for rule in self.rules.rules]
        known = [regions for regions in allowed if regions is not None]
        self._numbers.prepare(frozenset().union(*known) if len(known) == len(allowed) else None)
        year = datetime.fromtimestamp(now, UTC).year
        for calendar in self.calendars.values():
            calendar.prepare(range(year - 1, year + 3))

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request now; `now` is in seconds since the epoch, UTC."""
        rules = self._rules_of(request.campaign_id)
        number_hash = b""
        if rules.hashed or len(self._suppressions.live):
            number_hash = self._hashing.of(request.phone_number)
            if number_hash in self._suppressions.live:
                return self._live
        if rules.undecided:
            return self._undecided(now)
        if not rules.enforced and not rules.observed:
            return self._unmatched if self.rules.unmatched is Unmatched.REFUSE else self._allowed
        if len(rules.enforced) == 1 and not rules.observed:
            return self._by_rule(rules.enforced[0], now, request, number_hash)
        verdicts = [self._by_rule(one, now, request, number_hash) for one in rules.enforced]
        found = strictest(verdicts) if verdicts else self._allowed
        observed = [self._by_rule(one, now, request, number_hash) for one in rules.observed]
        return found._replace(observed=tuple(observed)) if observed else found

    def record(self, now: float, request: DialRequest) -> bool:
        """Count a request under all limits of its campaign, as it is placed in a call.

        Returns False, and counts nothing, if a limit has no room: then the request must not be sent. The
        limits of rules that only observe count it too, and refuse nothing.
        """
        rules = self._rules_of(request.campaign_id)
        if not rules.hashed or self._contacts is None:
            return True
        number_hash, call = self._hashing.of(request.phone_number), _call_of(request)
        if not self._contacts.record(rules.limits, number_hash, call, now):
            return False
        if rules.observed_limits:
            self._contacts.record(rules.observed_limits, number_hash, call, now)
        return True

    def withdraw(self, request: DialRequest) -> None:
        """Count a request no longer: Amazon Connect certainly does not have it."""
        rules = self._rules_of(request.campaign_id)
        if rules.hashed and self._contacts is not None:
            limits = {*rules.limits, *rules.observed_limits}
            self._contacts.withdraw(limits, self._hashing.of(request.phone_number), _call_of(request))

    def _check_limits(self) -> None:
        rules = self.rules.rules
        limited = next((number for number, rule in enumerate(rules) if rule.limits), None)
        if limited is not None and self._contacts is None:
            raise GuardFileError(
                f"rules[{limited}].limits: needs a shared state, since limits must outlive the process: "
                "set DIAL_GATEWAY_SHARED_STATE_URL"
            )

    def _decided_rule(self, rule: Rule, zones: TimeZones) -> DecidedRule:
        calendars = [self.calendars[code] for code in rule.holidays]
        return DecidedRule(rule, self.rules.version, zones, in_any(calendars) if calendars else no_holiday)

    def _rules_of(self, campaign_id: str) -> _CampaignRules:
        directory = self.rules.directory
        if self._table is not directory.table or self._known is not directory.known:
            self._by_campaign.clear()
            self._table, self._known = directory.table, directory.known
        found = self._by_campaign.get(campaign_id)
        if found is None:
            if len(self._by_campaign) >= REMEMBERED_CAMPAIGNS:
                self._by_campaign.clear()
            matched = [one for one in self._decided if matches_any(one.rule.campaigns, campaign_id)]
            undecided = any(
                undecided_by_any(one.rule.campaigns, campaign_id)
                for one in self._decided
                if not one.rule.observe and one not in matched
            )
            found = self._by_campaign[campaign_id] = _CampaignRules(matched, undecided=undecided)
        return found

    def _undecided(self, now: float) -> Verdict:
        return self._unmatched._replace(
            kind=_NOT_BEFORE,
            detail="campaigns: the name and tags of the campaign are not known yet",
            not_before=now + UNDECIDED_RETRY_S,
        )

    def _by_rule(self, decided: DecidedRule, now: float, request: DialRequest, number_hash: bytes) -> Verdict:
        rule = decided.rule
        if rule.lists:
            name = self._suppressions.found_in(request.phone_number, rule.lists)
            if name is not None:
                return decided.refused(Reason.SUPPRESSED, f"lists: phone_number is in {name}")
        hours = decided.hours_for(request, self._numbers.facts(request.phone_number))
        if isinstance(hours, Verdict):
            return hours
        verdict = hours.at(now, request.expiration)
        if not rule.limits or verdict.kind is VerdictKind.REFUSED:
            return verdict
        return self._within_limits(decided, hours, verdict, now, request, number_hash)

    def _within_limits(
        self,
        decided: DecidedRule,
        hours: HoursVerdict,
        verdict: Verdict,
        now: float,
        request: DialRequest,
        number_hash: bytes,
    ) -> Verdict:
        """Return the verdict of the hours, or a later instant if a limit has no room until then."""
        free_at, limit = self._free_at(decided.rule.limits, now, request, number_hash)
        if free_at <= (verdict.not_before or now):
            return verdict
        opens_at = hours.next_open(free_at)
        detail = f"limits: {limit.name}: at most {limit.calls} calls in {limit.period_s:,.0f} s"
        refused = decided.refused(Reason.CONTACT_LIMIT, detail)
        return refused if opens_at is None else refused._replace(kind=_NOT_BEFORE, not_before=opens_at)

    def _free_at(
        self, limits: tuple[ContactLimit, ...], now: float, request: DialRequest, number_hash: bytes
    ) -> tuple[float, ContactLimit]:
        if self._contacts is None:
            raise AssertionError("a guard with limits has contacts")
        call = _call_of(request)
        contacts = self._contacts
        free = [(contacts.free_at(limit, number_hash, call, now), limit) for limit in limits]
        return max(free, key=lambda pair: pair[0])


def _limits_of(rules: list[DecidedRule]) -> tuple[ContactLimit, ...]:
    return tuple(dict.fromkeys(limit for one in rules for limit in one.rule.limits))


def _call_of(request: DialRequest) -> str:
    """Return what identifies a dial request: a campaign id contains no space."""
    return f"{request.campaign_id} {request.client_token}"
