"""The rules of the guard, as the guard file states them. Pure data."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.compliance.numbers import Strictness
from gateway.compliance.open_intervals import MINUTES_A_DAY, Week, Window
from gateway.core.fleet.contacts import ContactLimit
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.runtime.patterns import Matcher, matches_any

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class ZoneFrom(enum.Enum):
    """Where the time zone of a dial request is taken from."""

    NUMBER = "number"
    ATTRIBUTE = "attribute"
    FIXED = "fixed"


class RuleChannel(enum.Enum):
    """How a person is contacted, as rules name it."""

    TELEPHONY = "telephony"
    SMS = "sms"
    EMAIL = "email"
    WHATSAPP = "whatsapp"


ALL_CHANNELS = frozenset(RuleChannel)


class SeveralZones(enum.Enum):
    """Which of the zones of a number must be in hours."""

    ALL = "all"
    ANY = "any"


class AfterClosing(enum.Enum):
    """What happens to a request whose expiration is after closing."""

    SHORTEN = "shorten"  # it is sent with closing as its expiration
    REFUSE = "refuse"


class Unmatched(enum.Enum):
    """What happens to campaigns that no rule names."""

    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for the campaigns that match one of its patterns, and for requests of its `channels` only.

    `zone` is the name of the attribute or of the fixed zone, empty for zones of the number. `no_zone` is the
    zone that counts if there is none, None if such a request is refused. `regions` and `kinds` are None if
    all are allowed. `observe`: its verdicts are counted and audited, not enforced.
    """

    name: str
    campaigns: tuple[Matcher, ...]
    week: Week
    channels: frozenset[RuleChannel] = ALL_CHANNELS
    zone_from: ZoneFrom = ZoneFrom.NUMBER
    zone: str = ""
    several_zones: SeveralZones = SeveralZones.ALL
    no_zone: str | None = None
    holidays: tuple[str, ...] = ()
    after_closing: AfterClosing = AfterClosing.SHORTEN
    numbers: Strictness = Strictness.VALID
    regions: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    lists: tuple[str, ...] = ()
    limits: tuple[ContactLimit, ...] = ()
    observe: bool = False

    def in_words(self) -> str:
        """Return the rule in one line, for people."""
        named = ", ".join(pattern.text for pattern in self.campaigns)
        zone = {
            ZoneFrom.NUMBER: f"{self.several_zones.value} zones of the number",
            ZoneFrom.ATTRIBUTE: f"the zone in the attribute {self.zone}",
            ZoneFrom.FIXED: self.zone,
        }[self.zone_from]
        only = [one.value for one in RuleChannel if one in self.channels]
        parts = [] if self.channels == ALL_CHANNELS else [f"only {', '.join(only)}"]
        parts += [f"hours {week_in_words(self.week)} in {zone}", f"numbers {self.numbers.value}"]
        parts += [f"closed on holidays of {', '.join(self.holidays)}"] if self.holidays else []
        parts += [f"regions {', '.join(sorted(self.regions))}"] if self.regions is not None else []
        parts += [f"kinds {', '.join(sorted(self.kinds))}"] if self.kinds is not None else []
        parts += [f"not the numbers of {', '.join(self.lists)}"] if self.lists else []
        parts += [f"at most {limit.calls} calls in {limit.period_s:,.0f} s" for limit in self.limits]
        return f"{self.name}: {named}: {'; '.join(parts)}{' (only observed)' if self.observe else ''}"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A guard file: its rules in order, and what they refer to. `version` is a hash of its text.

    `lists` are the paths of suppression lists by name.
    """

    version: str
    rules: tuple[Rule, ...]
    unmatched: Unmatched = Unmatched.REFUSE
    lists: Mapping[str, str] = field(default_factory=dict)
    directory: CampaignDirectory = field(default=NO_DIRECTORY, compare=False, repr=False)

    def overlaps(self) -> list[str]:
        """Return a line for each two rules that both apply to a campaign: the stricter one counts there.

        It compares patterns with each other, and with the campaigns that the directory knows now.
        """
        found = []
        for number, one in enumerate(self.rules):
            for other in self.rules[number + 1 :]:
                campaign = self._campaign_of_both(one, other) if one.channels & other.channels else None
                if campaign is not None:
                    found.append(
                        f"rules {one.name} and {other.name} apply to {campaign}: the stricter counts"
                    )
        return found

    def _campaign_of_both(self, one: Rule, other: Rule) -> str | None:
        for pattern in one.campaigns:
            if any(pattern.text == also.text for also in other.campaigns):
                return pattern.text
            if matches_any(other.campaigns, pattern.text):
                return pattern.text
        for pattern in other.campaigns:
            if matches_any(one.campaigns, pattern.text):
                return pattern.text
        known = self.directory.table.entries
        return next((one_id for one_id in known if self._both(one, other, one_id)), None)

    @staticmethod
    def _both(one: Rule, other: Rule, campaign_id: str) -> bool:
        return matches_any(one.campaigns, campaign_id) and matches_any(other.campaigns, campaign_id)


def week_in_words(week: Week) -> str:
    """Return a week such as `monday-friday 08:00-21:00`; days with the same windows together."""
    parts: list[str] = []
    start = 0
    for day in range(1, len(DAYS) + 1):
        if day == len(DAYS) or week[day] != week[start]:
            days = DAYS[start] if day == start + 1 else f"{DAYS[start]}-{DAYS[day - 1]}"
            if week[start]:
                parts.append(f"{days} {' '.join(map(_window_in_words, week[start]))}")
            start = day
    return ", ".join(parts)


def _window_in_words(window: Window) -> str:
    end = window.end if window.end <= MINUTES_A_DAY else window.end - MINUTES_A_DAY
    return f"{window.start // 60:02}:{window.start % 60:02}-{end // 60:02}:{end % 60:02}"
