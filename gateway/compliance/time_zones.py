"""The time zones of the tz database, from the newer of two tables: the system's and that of the wheel.

`zoneinfo` reads the system's table if there is one, however old: Debian 12's is a year older than the wheel,
and has the clocks of five countries and provinces an hour off. This module compares the versions instead,
and says which it reads. Old names such as `Asia/Calcutta`, which some systems leave out, are known.
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import tzdata

OLD_NAMES = {
    "America/Godthab": "America/Nuuk",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "America/Montreal": "America/Toronto",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Choibalsan": "Asia/Ulaanbaatar",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Europe/Kiev": "Europe/Kyiv",
    "Pacific/Enderbury": "Pacific/Kanton",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
    "US/Alaska": "America/Anchorage",
    "US/Central": "America/Chicago",
    "US/Eastern": "America/New_York",
    "US/Hawaii": "Pacific/Honolulu",
    "US/Mountain": "America/Denver",
    "US/Pacific": "America/Los_Angeles",
}
"""Old names in common use, or returned by phonenumbers, and today's names of the same zones."""
_VERSION = re.compile(r"^(?:# version )?(20[0-9]{2}[a-z]{1,2})\s*$", re.MULTILINE)
_FOLDERS_LEFT_OUT = {"posix", "right"}
"""Copies of all zones, without and with leap seconds."""


class UnknownZone(ValueError):  # noqa: N818 - says what it is, like other answers
    """There is no time zone of a name. The text does not repeat the name: callers send it as an attribute."""


class ZoneTable(NamedTuple):
    """A table of time zones: where it is from, its version (`2026f`), and the folder of its files."""

    source: str
    version: str
    folder: Traversable


class TimeZones:
    """The zones of one table by name. Each is read once, at the latest when an attribute first names it."""

    def __init__(self, table: ZoneTable) -> None:
        self.table = table
        self.names = frozenset(_names(table.folder))
        self.by_country = _by_country(table.folder)
        self._read: dict[str, zoneinfo.ZoneInfo] = {}

    def zone(self, name: str) -> zoneinfo.ZoneInfo:
        """Return a zone by its name. Raises `UnknownZone`."""
        found = self._read.get(name)
        if found is None:
            found = self._from_file(name)
            self._read[name] = found
        return found

    def known(self, name: str) -> bool:
        """Whether there is a zone of a name."""
        try:
            self.zone(name)
        except UnknownZone:
            return False
        return True

    def _from_file(self, name: str) -> zoneinfo.ZoneInfo:
        today = name if name in self.names else OLD_NAMES.get(name, "")
        if today in self.names:
            try:
                with self.table.folder.joinpath(*today.split("/")).open("rb") as file:
                    return zoneinfo.ZoneInfo.from_file(file, key=today)
            except (OSError, ValueError):
                pass  # a file of another kind, such as `zone.tab`
        raise UnknownZone(f"must be the name of a time zone in the table {self.table.version}")


def newest_table(system: tuple[str, ...] = zoneinfo.TZPATH) -> ZoneTable:
    """Return the newer of the wheel's table and the system's; the wheel's if they are equal.

    A table without a version counts as older than any.
    """
    wheel = ZoneTable("the package tzdata", tzdata.IANA_VERSION, resources.files("tzdata") / "zoneinfo")
    found = [
        ZoneTable(str(folder), _version_in(folder), folder)
        for folder in map(Path, system)
        if folder.joinpath("zone.tab").is_file()
    ]
    return max([wheel, *found[:1]], key=lambda table: table.version)


def versions(system: tuple[str, ...] = zoneinfo.TZPATH) -> Mapping[str, str]:
    """Return the version that is read and where it is from, that of `zoneinfo` and that of the wheel."""
    table = newest_table(system)
    first = next((folder for folder in map(Path, system) if folder.joinpath("zone.tab").is_file()), None)
    return {
        "read": f"{table.version} ({table.source})",
        "zoneinfo": f"{_version_in(first) or 'unknown'} ({first})" if first else tzdata.IANA_VERSION,
        "wheel": tzdata.IANA_VERSION,
    }


def _version_in(folder: Path) -> str:
    """Return the version of a system's table, empty if no file says it."""
    for name in ("tzdata.zi", "+VERSION", "VERSION"):
        try:
            with folder.joinpath(name).open() as file:
                found = _VERSION.search(file.read(64))
        except (OSError, ValueError):
            continue
        if found is not None:
            return found[1]
    return ""


def _names(folder: Traversable, prefix: str = "") -> Iterator[str]:
    """Yield the names of all files in a folder of zones, so that no other name ever becomes a path."""
    for entry in folder.iterdir():
        if not entry.is_dir():
            yield prefix + entry.name
        elif entry.name not in _FOLDERS_LEFT_OUT:
            yield from _names(entry, f"{prefix}{entry.name}/")


def _by_country(folder: Traversable) -> Mapping[str, tuple[str, ...]]:
    """Return the zones of each country, from `zone.tab`: country, coordinates, zone, comment."""
    found: dict[str, tuple[str, ...]] = {}
    for line in folder.joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country] = (*found.get(country, ()), zone)
    return found
