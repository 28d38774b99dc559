"""Reading the benchmark's records, and counting exact hits, wrong places, misses and rightly refused mentions."""

from __future__ import annotations

import json
import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Span = tuple[int, int]
Table = dict[str, Counter[str]]


def load(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a compressed JSON Lines file."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def score(record: dict[str, Any], found: list[Span | None], table: Table) -> None:
    """Add one record to the counts of its classes; a span counts once for each label and surface."""
    used: set[tuple[str, str, Span]] = set()
    for (label, surface), gold, name, span in zip(
        record["mentions"], record["gold"], record["cls"], found, strict=True
    ):
        key = (label, surface, span) if span else None
        if name and gold != "?":
            counts = table[name]
            counts["n"] += 1
            if gold is None:
                counts["false" if span else "reject"] += 1
            elif span is None:
                counts["miss"] += 1
            else:
                counts["hit" if list(span) in gold and key not in used else "wrong"] += 1
        if key:
            used.add(key)


def accuracy(counts: Counter[str]) -> float:
    """Return the share of exact hits and right refusals."""
    return (counts["hit"] + counts["reject"]) / counts["n"] if counts["n"] else float("nan")


def f1(tables: Iterable[Counter[str]]) -> float:
    """Return micro F1 of exact spans."""
    total: Counter[str] = Counter()
    for counts in tables:
        total.update(counts)
    predicted = total["hit"] + total["wrong"] + total["false"]
    real = total["hit"] + total["wrong"] + total["miss"]
    return 2 * total["hit"] / (predicted + real) if predicted + real else float("nan")


def summary(table: Table) -> dict[str, float]:
    """Return the measures: macro accuracy, F1 of real answers, recall of changed ones, share of wrong groundings."""
    gold = {name: counts for name, counts in table.items() if not name.startswith("real/")}
    real = {name: counts for name, counts in table.items() if name.startswith("real/")}
    changed = [counts for name, counts in real.items() if "changed" in name or "wrapped" in name]
    invented = [counts for name, counts in table.items() if "halluc" in name]
    refused = sum(counts["reject"] + counts["false"] for counts in invented)
    asked = sum(counts["n"] for counts in changed)
    return {
        "macro": sum(map(accuracy, gold.values())) / len(gold) if gold else float("nan"),
        "real_f1": f1(real.values()),
        "changed": sum(counts["hit"] for counts in changed) / asked if asked else float("nan"),
        "false": sum(counts["false"] for counts in invented) / refused if refused else float("nan"),
    }


def new_table() -> Table:
    """Return an empty table of counts."""
    return defaultdict(Counter)


def speed_case(records: Iterable[dict[str, Any]], size: int, count: int, *, mixed: bool) -> tuple[str, list[list[str]]]:
    """Return a text of ``size`` characters and ``count`` mentions of it in order; mixed: some changed, some invented.

    A tenth is upper-cased, a tenth lacks a letter, a tenth is invented.
    """
    chance = random.Random(7)
    parts: list[str] = []
    spans: list[tuple[int, int, str]] = []
    length = 0
    for record in records:
        parts.append(record["text"] + "\n")
        spans += [(start + length, end + length, name) for start, end, name in record["spans"] if end - start <= 60]
        length += len(record["text"]) + 1
        if length >= size:
            break
    text = "".join(parts)[:size]
    inside = sorted(span for span in spans if span[1] <= len(text))
    mentions = []
    for start, end, name in sorted(chance.sample(inside, min(count, len(inside)))):
        surface = " ".join(text[start:end].split())
        mentions.append([name, _changed(surface, chance) if mixed else surface])
    return text, mentions


def _changed(surface: str, chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.1:
        return surface.upper()
    if kind < 0.2 and len(surface) > 5:
        at = chance.randrange(1, len(surface) - 1)
        return surface[:at] + surface[at + 1 :]
    if 0.2 <= kind < 0.3:
        return f"{_invented(chance, chance.randrange(2, 5))} {_invented(chance, 3)}"
    return surface


def _invented(chance: random.Random, syllables: int) -> str:
    pairs = (chance.choice("bcdfghjklmnpqrstvwxz") + chance.choice("aeiou") for _ in range(syllables))
    return "".join(pairs).title()
