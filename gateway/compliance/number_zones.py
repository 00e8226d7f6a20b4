"""Our own table of time zones of phone numbers, where phonenumbers has one of several or a wrong one.

phonenumbers 9.0.43 gives one zone to area codes that overlay or span two (+1 448, 364, 930), and to mobile
numbers that may be anywhere in Indonesia or Chile. It gives Belém's mobile numbers the zone of Manaus, those
of Recife that of Noronha, +1 474 in Saskatchewan that of Winnipeg, Kaliningrad that of Bucharest, Northern
Cyprus that of Istanbul, and Morocco that of the Canary Islands. Each is an hour off for some or all of the
year.

Sources: the maps and lists of area codes of NANPA and of the regulators (ANATEL, ACMA, Rossvyaz, SUBTEL), and
the descriptions of zones in the tz database (`zone.tab`). Where a few villages of an area code keep another
zone, both zones are listed, since all zones of a number must be in hours.
"""

from collections.abc import Mapping

EASTERN, CENTRAL, MOUNTAIN = "America/New_York", "America/Chicago", "America/Denver"
PACIFIC, IDAHO = "America/Los_Angeles", "America/Boise"
_SASKATCHEWAN = ("America/Regina", "America/Edmonton", "America/Winnipeg")
_COLUMBIA = ("America/Vancouver", "America/Edmonton", "America/Dawson_Creek", "America/Creston")
_NORTH = (
    *("America/Whitehorse", "America/Inuvik", "America/Cambridge_Bay", "America/Rankin_Inlet"),
    *("America/Resolute", "America/Iqaluit", "America/Atikokan"),
)
_EAST_QUEBEC = ("America/Toronto", "America/Halifax", "America/Blanc-Sablon")
_LABRADOR = ("America/St_Johns", "America/Goose_Bay")

NORTH_AMERICA = {
    "1208": (IDAHO, PACIFIC),
    "1219": (CENTRAL, EASTERN),  # Indiana: Gary and Starke County
    "1236": _COLUMBIA,
    "1250": _COLUMBIA,
    "1257": _COLUMBIA,
    "1270": (CENTRAL, EASTERN),  # Kentucky
    "1306": _SASKATCHEWAN,  # Lloydminster and Creighton keep the time of the neighbor
    "1308": (CENTRAL, MOUNTAIN),  # Nebraska
    "1334": (CENTRAL, EASTERN),  # Alabama: Phenix City
    "1364": (CENTRAL, EASTERN),  # overlays 270
    "1367": _EAST_QUEBEC,
    "1402": (CENTRAL, MOUNTAIN),  # Nebraska: Cherry County
    "1418": _EAST_QUEBEC,
    "1423": (EASTERN, CENTRAL),  # Tennessee: Marion, Sequatchie and Bledsoe Counties
    "1448": (CENTRAL, EASTERN),  # overlays 850
    "1458": (PACIFIC, IDAHO),  # overlays 541
    "1474": _SASKATCHEWAN,  # overlays 306 and 639
    "1531": (CENTRAL, MOUNTAIN),  # overlays 402
    "1541": (PACIFIC, IDAHO),  # Oregon: Malheur County
    "1574": (EASTERN, CENTRAL),  # Indiana: Starke County
    "1581": _EAST_QUEBEC,
    "1605": (CENTRAL, MOUNTAIN),  # South Dakota
    "1606": (EASTERN, CENTRAL),  # Kentucky: Clinton County
    "1620": (CENTRAL, MOUNTAIN),  # Kansas
    "1639": _SASKATCHEWAN,
    "1672": _COLUMBIA,
    "1701": (CENTRAL, MOUNTAIN),  # North Dakota
    "1709": _LABRADOR,
    "1775": (PACIFIC, MOUNTAIN),  # Nevada: West Wendover and Jackpot
    "1778": _COLUMBIA,
    "1785": (CENTRAL, MOUNTAIN),  # Kansas
    "1807": ("America/Toronto", "America/Winnipeg", "America/Atikokan"),
    "1812": (EASTERN, CENTRAL),  # Indiana: Evansville
    "1850": (CENTRAL, EASTERN),  # Florida
    "1867": _NORTH,
    "1879": _LABRADOR,  # overlays 709
    "1906": (EASTERN, CENTRAL),  # Michigan
    "1907": ("America/Anchorage", "America/Adak"),
    "1928": ("America/Phoenix", MOUNTAIN),  # Arizona: the Navajo Nation changes its clocks
    "1930": (EASTERN, CENTRAL),  # overlays 812
    "1986": (IDAHO, PACIFIC),
}

_PARA, _NORTH_EAST = ("America/Belem",), ("America/Fortaleza",)
BRAZIL = {
    "5565": ("America/Cuiaba",),
    "5566": ("America/Cuiaba",),
    "5567": ("America/Campo_Grande",),
    "5568": ("America/Rio_Branco",),
    "5569": ("America/Porto_Velho",),
    "5581": ("America/Recife", "America/Noronha"),
    "5591": _PARA,
    "5592": ("America/Manaus",),
    "5593": _PARA,
    "5594": _PARA,
    "5595": ("America/Boa_Vista",),
    "5596": _PARA,
    "5597": ("America/Manaus", "America/Eirunepe"),
    "5598": _NORTH_EAST,
    "5599": _NORTH_EAST,
    **{f"55{code}": ("America/Sao_Paulo",) for code in (*range(11, 56), 61, 62, 63, 64)},
    **{f"55{code}": ("America/Bahia",) for code in range(71, 80)},
    **{f"55{code}": _NORTH_EAST for code in range(82, 90)},
}

_CRIMEA = ("Europe/Simferopol",)
RUSSIA = {
    "7365": _CRIMEA,
    "7401": ("Europe/Kaliningrad",),
    "7411": ("Asia/Yakutsk", "Asia/Vladivostok", "Asia/Srednekolymsk"),
    "7424": ("Asia/Sakhalin", "Asia/Srednekolymsk"),
    "7869": _CRIMEA,
}

_WEST = ("Australia/Perth", "Australia/Eucla")
_CENTER = ("Australia/Adelaide", "Australia/Darwin")
_ISLANDS = ("Australia/Lord_Howe", "Indian/Christmas", "Indian/Cocos")
AUSTRALIA = {
    "612": ("Australia/Sydney", "Australia/Lord_Howe"),
    "614": (*_WEST, *_CENTER, "Australia/Brisbane", "Australia/Sydney", *_ISLANDS),
    "6185": (*_WEST, *_CENTER),
    "6186": _WEST,
    "6187": _CENTER,
    "6188": _CENTER,  # South Australia and the Northern Territory
    "6189": _WEST,
}

_CHILE = ("America/Santiago", "America/Punta_Arenas", "America/Coyhaique", "Pacific/Easter")
OTHERS = {
    "212": ("Africa/Casablanca",),
    "262269": ("Indian/Mayotte",),
    "262639": ("Indian/Mayotte",),
    "380": ("Europe/Kyiv",),  # the tz database lists Crimea as well, where these numbers are out of use
    "5632": ("America/Santiago", "Pacific/Easter"),
    "5661": ("America/Punta_Arenas",),
    "5667": ("America/Coyhaique",),
    "569": _CHILE,
    "5935": ("America/Guayaquil", "Pacific/Galapagos"),
    "5939": ("America/Guayaquil", "Pacific/Galapagos"),
    "628": ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"),  # mobile numbers belong to no island
    "642": ("Pacific/Auckland", "Pacific/Chatham"),
    "6721": (),  # stations in Antarctica keep the time of their supply ships
    "675": ("Pacific/Port_Moresby", "Pacific/Bougainville"),
    "6898": ("Pacific/Tahiti", "Pacific/Marquesas", "Pacific/Gambier"),
    "86": ("Asia/Shanghai",),  # the tz database lists Xinjiang's unofficial time as well
    "90392": ("Asia/Famagusta",),
    "905338": ("Europe/Istanbul", "Asia/Famagusta"),
    "905428": ("Europe/Istanbul", "Asia/Famagusta"),
    "9768": ("Asia/Ulaanbaatar", "Asia/Hovd"),
    "9769": ("Asia/Ulaanbaatar", "Asia/Hovd"),
}

ZONES: Mapping[str, tuple[str, ...]] = {**NORTH_AMERICA, **BRAZIL, **RUSSIA, **AUSTRALIA, **OTHERS}
"""The zones of numbers by the beginning of the number, without "+"; the longest beginning counts."""
LONGEST = max(map(len, ZONES))


def listed_zones(number: str) -> tuple[str, ...] | None:
    """Return the zones of a number, given with "+", None if the table does not have it."""
    for length in range(LONGEST, 0, -1):
        found = ZONES.get(number[1 : length + 1])
        if found is not None:
            return found
    return None
