"""Generates leads.csv: realistic dial requests of three campaigns, with numbers that reach nobody.

The phone numbers are from ranges kept for fiction: +1 NXX 555-0100 to 0199 in North America, and Ofcom's
+44 7700 900000 to 900999. The same seed generates the same file, so that its tokens do not change.
A few rows are invalid on purpose, to show how they are answered.

Usage: python examples/make_leads.py
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

FILE = Path(__file__).with_name("leads.csv")
COLUMNS = (
    "client_token",
    "campaign_id",
    "phone_number",
    "first_name",
    "language",
    "appointment",
    "amount_due",
    "merchant",
)
TOTAL = 2000
SHARES = {
    "appointment-reminders": 0.5,
    "payment-reminders": 0.35,
    "fraud-alerts": 0.15,
}
"""The share of each campaign in the leads."""
IDS = {
    "appointment-reminders": "3f8e1c5a-7b42-4d19-9e06-52c4a8d1b7f3",
    "payment-reminders": "0b7c3a52-6a4e-4f0e-9d57-1c2f9a2b7e10",
    "fraud-alerts": "c91d40e7-25f8-4a6b-b3d2-8f7e6a5c4b01",
}
"""The ids of the campaigns with these names in the simulated Amazon Connect."""
NAMES = {
    "en-US": ("Ava", "Liam", "Noah", "Grace", "Mason", "Ruth", "Caleb", "Hazel", "Owen", "June"),
    "es-US": ("Lucía", "Mateo", "Sofía", "Diego", "Inés", "Javier", "Elena", "Tomás"),
    "en-GB": ("Olivia", "Alfie", "Isla", "Rhys", "Freya", "Callum", "Niamh", "Imogen"),
}
AREA_CODES = ("202", "206", "303", "312", "404", "415", "503", "512", "617", "702")
MERCHANTS = ("Harbor Books", "Northside Fuel", "Cedar Grocery", "Blue Door Cafe", "Skyline Travel")

Row = dict[str, str]


def make_lead(chance: random.Random, number: int) -> Row:
    """Make one valid lead."""
    campaign = chance.choices(list(SHARES), weights=list(SHARES.values()))[0]
    language = chance.choices(list(NAMES), weights=[6, 2, 2])[0]
    return {
        "client_token": f"{campaign}-2026w48-{number:05}",
        "campaign_id": IDS[campaign],
        "phone_number": _phone_number(chance, language),
        "first_name": chance.choice(NAMES[language]),
        "language": language,
        **_details(chance, campaign),
    }


def _phone_number(chance: random.Random, language: str) -> str:
    if language == "en-GB":
        return f"+447700900{chance.randrange(1000):03}"
    return f"+1{chance.choice(AREA_CODES)}55501{chance.randrange(100):02}"


def _details(chance: random.Random, campaign: str) -> Row:
    if campaign == "appointment-reminders":
        hour, minute = chance.randrange(8, 17), chance.choice((0, 15, 30, 45))
        return {"appointment": f"2026-12-{chance.randrange(1, 24):02} {hour:02}:{minute:02}"}
    if campaign == "payment-reminders":
        return {"amount_due": f"{chance.randrange(1_500, 48_000) / 100:.2f}"}
    return {"merchant": chance.choice(MERCHANTS), "amount_due": f"{chance.randrange(900, 90_000) / 100:.2f}"}


def spoil(leads: list[Row]) -> None:
    """Make ten leads invalid: the gateway's validation rejects five, and dialctl refuses the other five."""
    for position, phone_number in (
        (137, "202-555-0142"),
        (402, "+1 303 555 0117"),
        (871, "0044770090012"),
        (1290, "+44770090x123"),
        (1688, "+12065550199000000"),
    ):
        leads[position]["phone_number"] = phone_number
    for position in (255, 1024, 1777):
        leads[position]["phone_number"] = ""
    # The token of the previous lead of the same campaign, with another number.
    for position in (610, 1444):
        campaign = leads[position]["campaign_id"]
        earlier = next(lead for lead in reversed(leads[:position]) if lead["campaign_id"] == campaign)
        leads[position]["client_token"] = earlier["client_token"]


def main() -> None:
    """Write the file beside this script."""
    chance = random.Random(20261123)
    leads = [make_lead(chance, number) for number in range(1, TOTAL + 1)]
    spoil(leads)
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(leads)


if __name__ == "__main__":
    main()
