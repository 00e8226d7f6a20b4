"""The guard: decides whether a dial request may be sent now. Pure: the time is an argument.

It is asked twice: when a request is admitted, and when a call is formed, since hours close and numbers are
suppressed while requests wait. Whatever is not known is refused.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2s

from gateway.compliance.calling_hours import no_holiday
from gateway.compliance.errors import GuardFileError
from gateway.compliance.holiday_calendar import HolidayCalendar, in_any
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.rule_decisions import DecidedRule, HoursVerdict
from gateway.compliance.rules import AfterClosing, Rule, RuleChannel, RuleSet, Unmatched
from gateway.compliance.suppression_guard import SUPPRESSED
from gateway.compliance.suppression_list import Suppressions
from gateway.compliance.time_zones import TimeZones
from gateway.core.compliance.port import LOOK_UPS_AT_ONCE, decided_in_turn
from gateway.core.compliance.verdict import Verdict, VerdictKind, strictest
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest, Reason
from gateway.directory.directory import undecided_by_any
from gateway.directory.table import CampaignTable
from gateway.runtime.patterns import matches_any

REMEMBERED_CAMPAIGNS = 10_000
UNDECIDED_RETRY_S = 5.0
"""Seconds after which a request may be tried again if the name and tags of its campaign are not known yet."""
CALL_BYTES = 8
OTHER_RULES = "limits: a contact limit had no room when the rules changed"
_CHANNELS = {
    "telephony": RuleChannel.TELEPHONY,
    "sms": RuleChannel.SMS,
    "email": RuleChannel.EMAIL,
    "whats_app": RuleChannel.WHATSAPP,
}
"""The channels of rules by the name of the channel of a request."""
_ALLOWED = VerdictKind.ALLOWED
_NOT_BEFORE = VerdictKind.NOT_BEFORE


class _CampaignRules:
    """The rules for one campaign and channel. `undecided` if more may apply once its name is known."""

    __slots__ = ("enforced", "limits", "observed", "observed_limits", "only", "undecided")

    def __init__(self, rules: list[DecidedRule], *, undecided: bool) -> None:
        self.enforced = [one for one in rules if not one.rule.observe]
        self.observed = [one for one in rules if one.rule.observe]
        self.limits = _limits_of(self.enforced)
        self.observed_limits = tuple(one for one in _limits_of(self.observed) if one not in self.limits)
        self.undecided = undecided
        alone = len(self.enforced) == 1 and not self.observed and not undecided
        self.only = self.enforced[0] if alone else None


class Guard:
    """Decides with one version of the rules. Not thread-safe; a new version of the file is a new guard.

    Raises `GuardFileError` if a rule has a limit and there is no `shared_state`, which counts the contacts.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        zones: TimeZones,
        numbers: PhoneNumbers,
        hashing: NumberHash,
        suppressions: Suppressions,
        shared_state: bool = False,
        calendars: Mapping[str, HolidayCalendar] | None = None,
    ) -> None:
        self.rules = rules
        self._limited = self._has_limits(shared_state=shared_state)
        self._numbers, self._hashing, self._suppressions = numbers, hashing, suppressions
        self.calendars = dict(calendars or {})
        for code in {code for rule in rules.rules for code in rule.holidays} - self.calendars.keys():
            self.calendars[code] = HolidayCalendar(code)
        self._decided = [self._decided_rule(rule, zones) for rule in rules.rules]
        self._by_campaign: dict[str, _CampaignRules] = {}
        self._table: CampaignTable = rules.directory.table
        self._known = rules.directory.known
        self._changes = 0
        self._unmatched = Verdict(
            VerdictKind.REFUSED,
            Reason.OUTSIDE_CALLING_HOURS,
            version=rules.version,
            detail="unmatched: no rule of the guard file names the campaign, so it has no calling hours",
        )
        self._allowed = Verdict(_ALLOWED, version=rules.version)
        self._live = SUPPRESSED._replace(version=rules.version)

    def prepare(self, now: float) -> None:
        """Read the tables that the guard needs, before it decides.

        These are the holidays of the years around an instant, and the expressions for the numbers of all
        calling codes: no number may make the event loop wait for them, not even one that no rule allows. It
        takes a second or two, and a thread may do it. It should be called again once a year.
        """
        self._numbers.prepare()
        year = datetime.fromtimestamp(now, UTC).year
        for calendar in self.calendars.values():
            calendar.prepare(range(year - 1, year + 3))

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request now; `now` is in seconds since the epoch, UTC."""
        rules = self._rules_of(request)
        if len(self._suppressions.live) and self._hashing.of(request.phone_number) in self._suppressions.live:
            return self._live
        if rules.undecided:
            return self._undecided(now)
        if not rules.enforced and not rules.observed:
            return self._unmatched if self.rules.unmatched is Unmatched.REFUSE else self._allowed
        if len(rules.enforced) == 1 and not rules.observed:
            return self._by_rule(rules.enforced[0], now, request)
        verdicts = [self._by_rule(one, now, request) for one in rules.enforced]
        found = strictest(verdicts) if verdicts else self._allowed
        observed = [self._by_rule(one, now, request) for one in rules.observed]
        return found._replace(observed=tuple(observed)) if observed else found

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> list[Verdict]:
        """Return the verdict about each of some requests of one campaign, as `decide` does.

        With one rule, and numbers whose facts are known, it takes half the time of single decisions. It ends
        after `LOOK_UPS_AT_ONCE` look-ups of numbers.
        """
        only = self._only_rule_of(requests)
        tables = None if only is None else self._suppressions.tables(only.rule.lists)
        if only is None or tables is None:
            return decided_in_turn(self, now, requests)
        found: list[Verdict] = []
        enough = self.number_look_ups + LOOK_UPS_AT_ONCE
        facts_of, by_facts = self._numbers.facts, only.by_facts
        for request in requests:
            number = request.phone_number
            hours = by_facts.get(facts_of(number))
            if hours.__class__ is HoursVerdict and hours.start <= now < hours.end:
                written = number.encode()
                if not any(written in table for table in tables):
                    found.append(hours.verdict)
                    continue
            found.append(self.decide(now, request))
            if self.number_look_ups >= enough:
                break
        return found

    @property
    def number_look_ups(self) -> int:
        """How many numbers had to be looked up so far, with the guards of earlier versions of the rules."""
        return self._numbers.number_look_ups

    def _only_rule_of(self, requests: Sequence[DialRequest]) -> DecidedRule | None:
        """Return the rule for plain calls to numbers, if it alone decides; None if more must be known."""
        if len(self._suppressions.live) or any(request.channel is not None for request in requests):
            return None
        only = self._rules_of(requests[0]).only
        return None if only is None or only.rule.after_closing is AfterClosing.REFUSE else only

    @property
    def changes(self) -> int:
        """A number that changes whenever names or tags of campaigns change."""
        self._note_names()
        return self._changes

    @property
    def limited(self) -> bool:
        """Whether any rule has contact limits."""
        return self._limited

    def contacts(self, requests: Sequence[DialRequest]) -> list[Contact | None] | None:
        """Return the contacts of requests, None for those without limits; None for all if none has limits.

        Limits are about numbers, so e-mails have none.
        """
        found = [self._contact(one) for one in requests]
        return None if found.count(None) == len(found) else found

    def _contact(self, request: DialRequest) -> Contact | None:
        rules = self._rules_of(request)
        if not request.phone_number or not (rules.limits or rules.observed_limits):
            return None
        number = self._hashing.of(request.phone_number)
        return Contact(number, _call_of(request), rules.limits, rules.observed_limits)

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return the verdict about a request that is over a limit: when limit and hours will allow it."""
        limit, free_at = count.full, now + count.wait_s
        rules = self._rules_of(request).enforced
        rule = next((one for one in rules if limit in one.rule.limits), None)
        if limit is None or rule is None:  # the rules have changed meanwhile
            return self._unmatched._replace(
                kind=_NOT_BEFORE, reason=Reason.CONTACT_LIMIT, detail=OTHER_RULES, not_before=free_at
            )
        verdict = rule.refused(Reason.CONTACT_LIMIT, _over(limit, lost=count.lost))
        then = self.decide(free_at, request)
        if then.kind is VerdictKind.REFUSED:
            return verdict
        return verdict._replace(kind=_NOT_BEFORE, not_before=then.not_before or free_at)

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> tuple[Verdict, ...]:
        """Return the verdicts of rules that only observe, and whose `limits` have no room."""
        rules = self._rules_of(request).observed
        return tuple(
            one.refused(Reason.CONTACT_LIMIT, _over(limit))
            for one in rules
            for limit in limits
            if limit in one.rule.limits
        )

    def _has_limits(self, *, shared_state: bool) -> bool:
        rules = self.rules.rules
        limited = next((number for number, rule in enumerate(rules) if rule.limits), None)
        if limited is not None and not shared_state:
            raise GuardFileError(
                f"rules[{limited}].limits: needs a shared state, since limits must outlive the process: "
                "set DIAL_GATEWAY_SHARED_STATE_URL"
            )
        return limited is not None

    def _decided_rule(self, rule: Rule, zones: TimeZones) -> DecidedRule:
        calendars = [self.calendars[code] for code in rule.holidays]
        return DecidedRule(rule, self.rules.version, zones, in_any(calendars) if calendars else no_holiday)

    def _note_names(self) -> None:
        """Forget which rules apply to campaigns if their names or tags have changed."""
        directory = self.rules.directory
        if self._table is not directory.table or self._known is not directory.known:
            self._by_campaign.clear()
            self._table, self._known = directory.table, directory.known
            self._changes += 1

    def _rules_of(self, request: DialRequest) -> _CampaignRules:
        campaign_id, channel = request.campaign_id, request.channel
        # A campaign id contains no space, so the keys of channels differ from those of plain calls.
        key = campaign_id if channel is None else f"{channel.name} {campaign_id}"
        self._note_names()
        found = self._by_campaign.get(key)
        if found is None:
            if len(self._by_campaign) >= REMEMBERED_CAMPAIGNS:
                self._by_campaign.clear()
            named = RuleChannel.TELEPHONY if channel is None else _CHANNELS[channel.name]
            decided = [one for one in self._decided if named in one.rule.channels]
            matched = [one for one in decided if matches_any(one.rule.campaigns, campaign_id)]
            undecided = any(
                undecided_by_any(one.rule.campaigns, campaign_id)
                for one in decided
                if not one.rule.observe and one not in matched
            )
            found = self._by_campaign[key] = _CampaignRules(matched, undecided=undecided)
        return found

    def _undecided(self, now: float) -> Verdict:
        return self._unmatched._replace(
            kind=_NOT_BEFORE,
            detail="campaigns: the name and tags of the campaign are not known yet",
            not_before=now + UNDECIDED_RETRY_S,
        )

    def _by_rule(self, decided: DecidedRule, now: float, request: DialRequest) -> Verdict:
        rule, number = decided.rule, request.phone_number
        if request.channel is not None and not request.channel.to_number:  # lists and kinds are for numbers
            hours = decided.hours_without_number(request)
            return hours if isinstance(hours, Verdict) else hours.at(now, request.expiration)
        if rule.lists:
            name = self._suppressions.found_in(number, rule.lists)
            if name is not None:
                return decided.refused(Reason.SUPPRESSED, f"lists: phone_number is in {name}")
        hours = decided.hours_for(request, self._numbers.facts(number))
        if isinstance(hours, Verdict):
            return hours
        return hours.at(now, request.expiration)


def _limits_of(rules: list[DecidedRule]) -> tuple[ContactLimit, ...]:
    return tuple(dict.fromkeys(limit for one in rules for limit in one.rule.limits))


def _call_of(request: DialRequest) -> bytes:
    """Return what identifies a dial request: a campaign id contains no space."""
    text = f"{request.campaign_id} {request.client_token}"
    return blake2s(text.encode(), digest_size=CALL_BYTES).digest()


def _over(limit: ContactLimit, *, lost: bool = False) -> str:
    text = f"limits: {limit.in_words()}"
    return f"{text}; earlier calls are not known, since the shared state has lost them" if lost else text
