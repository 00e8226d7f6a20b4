"""Numbers, and by how many hours the clocks where they are answered are ahead of UTC.

Written from the area codes of NANPA, ANATEL, ACMA, Rossvyaz and others, and from the laws on time, not from
the tables of a library. Each line: number, the westernmost and the easternmost clock on 2027-01-13, the same
on 2026-07-15, and the place. Where all are one clock, one number stands for both. In 2026 British Columbia,
Alberta, Manitoba and Cuba kept their summer time for good, and Morocco went back to UTC.
"""

from typing import NamedTuple

_TABLE = """
+12125550123    -5          -4          New York
+12025550123    -5          -4          Washington
+13055550123    -5          -4          Miami
+14045550123    -5          -4          Atlanta
+13135550123    -5          -4          Detroit
+13175550123    -5          -4          Indianapolis
+18655550123    -5          -4          Knoxville
+13125550123    -6          -5          Chicago
+16155550123    -6          -5          Nashville
+15045550123    -6          -5          New Orleans
+13035550123    -7          -6          Denver
+14065550123    -7          -6          Montana
+19155550123    -7          -6          El Paso
+16025550123    -7          -7          Phoenix
+12135550123    -8          -7          Los Angeles
+17025550123    -8          -7          Las Vegas
+18085550123    -10         -10         Honolulu
+19075550123    -10,-9      -9,-8       Alaska, with the western Aleutians
+17875550123    -4          -4          Puerto Rico
+13405550123    -4          -4          US Virgin Islands
+16715550123    10          10          Guam
+16702345678    10          10          Saipan
+16846331234    -11         -11         American Samoa
+14485550123    -6,-5       -5,-4       Florida's panhandle (overlay)
+18505550123    -6,-5       -5,-4       Florida's panhandle
+13645550123    -6,-5       -5,-4       Kentucky's west (overlay)
+12705550123    -6,-5       -5,-4       Kentucky's west
+16065550123    -6,-5       -5,-4       Kentucky's east, with Clinton County
+19305550123    -6,-5       -5,-4       Indiana's south (overlay)
+18125550123    -6,-5       -5,-4       Indiana's south
+12195550123    -6,-5       -5,-4       Indiana's north-west
+15745550123    -6,-5       -5,-4       Indiana's north
+19065550123    -6,-5       -5,-4       Michigan's Upper Peninsula
+14235550123    -6,-5       -5,-4       Tennessee's east
+13345550123    -6,-5       -5,-4       Alabama's south, with Phenix City
+16055550123    -7,-6       -6,-5       South Dakota
+17015550123    -7,-6       -6,-5       North Dakota
+13085550123    -7,-6       -6,-5       Nebraska's west
+14025550123    -7,-6       -6,-5       Nebraska's east, with Cherry County
+15315550123    -7,-6       -6,-5       Nebraska's east (overlay)
+17855550123    -7,-6       -6,-5       Kansas' north
+16205550123    -7,-6       -6,-5       Kansas' south
+12085550123    -8,-7       -7,-6       Idaho
+19865550123    -8,-7       -7,-6       Idaho (overlay)
+15415550123    -8,-7       -7,-6       Oregon, with Malheur County
+14585550123    -8,-7       -7,-6       Oregon (overlay)
+17755550123    -8,-7       -7,-6       Nevada, with West Wendover
+19285550123    -7          -7,-6       Arizona, with the Navajo Nation
+18005550123    -14,-3.5    -14,-2.5    toll-free: from Guam, a day ahead, to Newfoundland
+18885550123    -14,-3.5    -14,-2.5    toll-free
+14165550123    -5          -4          Toronto
+15145550123    -5          -4          Montreal
+19025550123    -4          -3          Nova Scotia
+15065550123    -4          -3          New Brunswick
+12045550123    -5          -5          Manitoba
+14315550123    -5          -5          Manitoba (overlay)
+14035550123    -6          -6          Calgary
+15875550123    -6          -6          Alberta (overlay)
+16045550123    -7          -7          Vancouver
+12505550123    -7,-6       -7,-6       British Columbia, with the East Kootenay
+12365550123    -7,-6       -7,-6       British Columbia (overlay)
+13065550123    -6,-5       -6,-5       Saskatchewan, with Creighton
+16395550123    -6,-5       -6,-5       Saskatchewan (overlay)
+14745550123    -6,-5       -6,-5       Saskatchewan (overlay)
+18675550123    -7,-5       -7,-4       Yukon, the Northwest Territories and Nunavut
+17095550123    -4,-3.5     -3,-2.5     Newfoundland and Labrador
+18795550123    -4,-3.5     -3,-2.5     Newfoundland and Labrador (overlay)
+14185550123    -5,-4       -4,-3       Quebec's east, with the Magdalen Islands
+15815550123    -5,-4       -4,-3       Quebec's east (overlay)
+18075550123    -5          -5,-4       Ontario's north-west
+18765230123    -5          -5          Jamaica
+12423591234    -5          -4          Bahamas
+18092345678    -4          -4          Dominican Republic
+12462501234    -4          -4          Barbados
+18682911234    -4          -4          Trinidad
+14413701234    -4          -3          Bermuda
+13453231234    -5          -5          Cayman Islands
+16492311234    -5          -4          Turks and Caicos Islands
+74951234567    3           3           Moscow
+78121234567    3           3           Saint Petersburg
+74012123456    2           2           Kaliningrad
+73832123456    7           7           Novosibirsk
+73432123456    5           5           Yekaterinburg
+78462123456    4           4           Samara
+74232123456    10          10          Vladivostok
+74152123456    12          12          Kamchatka
+74112123456    9,11        9,11        Yakutia
+74242123456    11          11          Sakhalin
+73952123456    8           8           Irkutsk
+73812123456    6           6           Omsk
+73912123456    7           7           Krasnoyarsk
+79161234567    2,12        2,12        Russia, mobile
+79261234567    2,12        2,12        Russia, mobile
+77012345678    5           5           Kazakhstan, mobile
+77272345678    5           5           Almaty
+77172345678    5           5           Astana
+61291234567    11          10,10.5     New South Wales, with Lord Howe Island
+61391234567    11          10          Melbourne
+61731234567    10          10          Brisbane
+61891234567    8,8.75      8,8.75      Western Australia, with Eucla
+61882345678    9.5,10.5    9.5         South Australia and the Northern Territory
+61889123456    9.5,10.5    9.5         the same: Darwin
+61412345678    6.5,11      6.5,10.5    Australia, mobile, with its islands
+5511912345678  -3          -3          São Paulo, mobile
+551123456789   -3          -3          São Paulo
+5521912345678  -3          -3          Rio de Janeiro, mobile
+556123456789   -3          -3          Brasília
+5571912345678  -3          -3          Salvador, mobile
+5585912345678  -3          -3          Fortaleza, mobile
+5581912345678  -3,-2       -3,-2       Pernambuco, with Fernando de Noronha
+5591912345678  -3          -3          Belém, mobile
+559123456789   -3          -3          Belém
+5592912345678  -4          -4          Manaus, mobile
+5593912345678  -3          -3          Santarém, mobile
+5595912345678  -4          -4          Boa Vista, mobile
+5596912345678  -3          -3          Macapá, mobile
+5597912345678  -5,-4       -5,-4       Amazonas' west, mobile
+5598912345678  -3          -3          São Luís, mobile
+5599912345678  -3          -3          Imperatriz, mobile
+5565912345678  -4          -4          Cuiabá, mobile
+5567912345678  -4          -4          Campo Grande, mobile
+5568912345678  -5          -5          Acre, mobile
+5569912345678  -4          -4          Porto Velho, mobile
+6281212345678  7,9         7,9         Indonesia, mobile
+6285312345678  7,9         7,9         Indonesia, mobile
+62211234567    7           7           Jakarta
+62361234567    8           8           Bali
+62411234567    8           8           Makassar
+442079460123   0           1           London
+447400123456   0           1           United Kingdom, mobile
+35312345678    0           1           Dublin
+33123456789    1           2           Paris
+33612345678    1           2           France, mobile
+4930123456     1           2           Berlin
+34912345678    1           2           Madrid
+34928123456    0           1           Gran Canaria
+34612345678    0,1         1,2         Spain, mobile
+351212345678   0           1           Lisbon
+351296123456   -1          0           Azores
+351912345678   -1,0        0,1         Portugal, mobile
+380441234567   2           3           Kyiv
+902123456789   3           3           Istanbul
+903921234567   2           3           Northern Cyprus
+3545551234     0           0           Iceland
+390612345678   1           2           Rome
+48123456789    1           2           Poland
+919876543210   5.5         5.5         India, mobile
+911123456789   5.5         5.5         Delhi
+8613912345678  8           8           China, mobile
+81312345678    9           9           Tokyo
+82212345678    9           9           Seoul
+85221234567    8           8           Hong Kong
+6561234567     8           8           Singapore
+971501234567   4           4           United Arab Emirates
+9779841234567  5.75        5.75        Nepal
+94771234567    5.5         5.5         Sri Lanka
+923012345678   5           5           Pakistan
+639051234567   8           8           Philippines
+97688123456    7,8         7,8         Mongolia, mobile
+20234567890    2           3           Cairo
+27212345678    2           2           Cape Town
+2348021234567  1           1           Nigeria
+254712123456   3           3           Kenya
+212650123456   0           1           Morocco
+243991234567   1,2         1,2         Congo, mobile
+5371234567     -4          -4          Havana
+56612123456    -3          -3          Punta Arenas
+56961234567    -5,-3       -6,-3       Chile, mobile, with Easter Island
+525512345678   -8,-5       -7,-5       Mexico
+593991234567   -6,-5       -6,-5       Ecuador, mobile, with the Galápagos
+541123456789   -3          -3          Buenos Aires
+573211234567   -5          -5          Colombia
+51912345678    -5          -5          Peru
+59821231234    -3          -3          Montevideo
+595961456789   -3          -3          Paraguay
+6493001234     13          12          Auckland
+64211234567    13,13.75    12,12.75    New Zealand, mobile, with the Chatham Islands
+67570123456    10,11       10,11       Papua New Guinea, mobile, with Bougainville
+262639012345   3           3           Mayotte, mobile
+262692123456   4           4           Réunion, mobile
"""


class KnownZones(NamedTuple):
    """A number, and its westernmost and easternmost offsets in hours, in January and in July."""

    number: str
    january: tuple[float, float]
    july: tuple[float, float]
    place: str


def known_zones() -> list[KnownZones]:
    """Return the table."""
    return [_row(*line.split(None, 3)) for line in _TABLE.strip().splitlines()]


def _row(number: str, january: str, july: str, place: str) -> KnownZones:
    return KnownZones(number, _pair(january), _pair(july), place)


def _pair(text: str) -> tuple[float, float]:
    west, _, east = text.partition(",")
    return float(west), float(east or west)
