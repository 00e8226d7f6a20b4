"""Which table of time zones is read, and which names are known."""

import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tzdata

from gateway.compliance.open_intervals import offset_at
from gateway.compliance.time_zones import TimeZones, UnknownZone, newest_table, versions
from tests.unit.compliance.making import utc, zones

WHEEL = "the package tzdata"


def system(folder: Path, version: str, file: str = "tzdata.zi") -> tuple[str, ...]:
    """Return the path of a system's table with a version, and nothing but London in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Europe").mkdir(exist_ok=True)
    london = zones().table.folder.joinpath("Europe", "London").read_bytes()
    (folder / "Europe" / "London").write_bytes(london)
    (folder / "Asia").mkdir(exist_ok=True)
    (folder / "Asia" / "Kolkata").write_bytes(london)
    (folder / "zone.tab").write_text("#comment\nGB\t+513030-0000731\tEurope/London\n")
    prefix = "# version " if file == "tzdata.zi" else ""
    (folder / file).write_text(f"{prefix}{version}\nL Europe/London GB\n")
    return (str(folder),)


def test_the_newer_table_is_read(tmp_path: Path) -> None:
    """Whichever it is; zoneinfo itself would read the system's."""
    older = system(tmp_path / "older", "2025b")
    newer = system(tmp_path / "newer", "2099a", "+VERSION")
    equal = system(tmp_path / "equal", tzdata.IANA_VERSION)
    assert newest_table(older).source == WHEEL
    assert newest_table(newer).source == newer[0]
    assert newest_table(equal).source == WHEEL
    assert newest_table(()).source == WHEEL
    assert (
        newest_table((*older, *newer)).source == WHEEL
    )  # zoneinfo reads the first only, and so does nobody else
    assert versions(older) == {
        "read": f"{tzdata.IANA_VERSION} ({WHEEL})",
        "zoneinfo": f"2025b ({older[0]})",
        "wheel": tzdata.IANA_VERSION,
    }


def test_a_table_without_a_version_is_older_than_any(tmp_path: Path) -> None:
    unversioned = system(tmp_path, "no version")
    assert newest_table(unversioned).source == WHEEL
    assert versions(unversioned)["zoneinfo"].startswith("unknown")


def test_old_names_are_known_where_the_system_lacks_them(tmp_path: Path) -> None:
    found = TimeZones(newest_table(system(tmp_path, "2099a")))
    assert found.zone("Asia/Calcutta").key == "Asia/Kolkata"
    assert not found.known("Europe/Kiev")
    assert found.by_country == {"GB": ("Europe/London",)}


@pytest.mark.parametrize(
    "name", ["", "Mars", "../London", "/etc/passwd", "Europe", "Europe/../UTC", "a\0", "zone.tab"]
)
def test_names_that_are_not_known(name: str) -> None:
    """Whatever a caller sends as a zone, no other file is read, and the text does not repeat it."""
    with pytest.raises(UnknownZone) as raised:
        zones().zone(name)
    assert len(name) < 3 or name not in str(raised.value)


def test_the_wheel_has_what_debian_12_lacks() -> None:
    """In the winter of 2026 five countries and provinces are an hour off in the tables of 2025."""
    winter = int(utc("2026-12-15T12:00"))
    for name, hours in (
        ("America/Edmonton", -6),
        ("America/Vancouver", -7),
        ("America/Winnipeg", -5),
        ("America/Havana", -4),
        ("Africa/Casablanca", 0),
    ):
        assert offset_at(zones().zone(name), winter) == hours * 3_600


def test_zones_of_countries() -> None:
    assert zones().by_country["DE"][0] == "Europe/Berlin"
    assert "Asia/Jayapura" in zones().by_country["ID"]
    assert datetime.fromtimestamp(0, UTC).astimezone(zoneinfo.ZoneInfo("UTC")).year == 1970
