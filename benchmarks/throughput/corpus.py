"""Synthetic sentences with known entities; each holds a number of its own, by which the server keeps its ledger."""

from __future__ import annotations

import random
import re

LABELS = ("person", "organization", "location", "product")
FIRST = (
    "Maria",
    "Tomas",
    "Ingrid",
    "Pavel",
    "Aisha",
    "Kenji",
    "Lucia",
    "Omar",
    "Freya",
    "Diego",
    "Hanna",
    "Ravi",
    "Noemi",
    "Stefan",
    "Yara",
    "Marek",
)
LAST = (
    "Keller",
    "Brandt",
    "Novak",
    "Okafor",
    "Tanaka",
    "Moreau",
    "Silva",
    "Haddad",
    "Lindqvist",
    "Romero",
    "Vogel",
    "Iyer",
    "Costa",
    "Petrov",
)
COMPANY = (
    "Northwind",
    "Bluepeak",
    "Ferrotek",
    "Halden",
    "Quantis",
    "Ostara",
    "Veridian",
    "Kestrel",
    "Lumora",
    "Tarnow",
)
BRANCH = ("Analytics", "Logistics", "Foods", "Robotics", "Energy", "Bank", "Labs", "Airways")
PLACE = (
    "Lisbon",
    "Gdansk",
    "Nairobi",
    "Osaka",
    "Marseille",
    "Porto",
    "Bergen",
    "Quito",
    "Lahore",
    "Turin",
    "Leipzig",
    "Cork",
    "Utrecht",
    "Brno",
)
BRAND = ("Aero", "Nova", "Terra", "Pixel", "Hydra", "Orbit", "Spark", "Zephyr")
THING = ("Scanner", "Router", "Tablet", "Drone", "Valve", "Printer")
KNOWN = {
    **{f"{a} {b}": "person" for a in FIRST for b in LAST},
    **{f"{a} {b}": "organization" for a in COMPANY for b in BRANCH},
    **dict.fromkeys(PLACE, "location"),
    **{f"{a} {b}": "product" for a in BRAND for b in THING},
}
SENTENCES = (
    "{p} of {o} met {q} in {l} to review the first order of the {x} line, case {r}.",
    "Last week {o} said that {p} would lead the launch of the {x} in {l}, according to note {r}.",
    "A customer near {l} told {p} that the {x} sold by {o} stopped working after two weeks ({r}).",
    "The firm {o} hired {p} as manager in {l}, where the {x} is assembled and tested, file {r}.",
)
REFERENCE = re.compile(r"R-\d{6}")
PHRASE = re.compile("|".join(sorted(map(re.escape, KNOWN), key=len, reverse=True)))


def sentence(number: int) -> str:
    """Return the sentence with this number, the same in every process."""
    draw = random.Random(7_000_021 + number)
    return draw.choice(SENTENCES).format(
        p=f"{draw.choice(FIRST)} {draw.choice(LAST)}",
        q=f"{draw.choice(FIRST)} {draw.choice(LAST)}",
        o=f"{draw.choice(COMPANY)} {draw.choice(BRANCH)}",
        l=draw.choice(PLACE),
        x=f"{draw.choice(BRAND)} {draw.choice(THING)}",
        r=f"R-{number:06d}",
    )


def entities(text: str) -> list[tuple[str, str]]:
    """Return each known phrase of a text with its label, in reading order."""
    return [(match[0], KNOWN[match[0]]) for match in PHRASE.finditer(text)]
