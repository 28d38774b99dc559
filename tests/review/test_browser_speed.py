"""Thousands of documents, and texts of 200,000 characters: measured, printed, bounded."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from llmlabel import (
    Document,
    Entity,
    LabeledDocument,
)
from tests.review.pages import ARABIC, Open, document

pytestmark = pytest.mark.slow

PRESS = """const done = arguments[arguments.length - 1];
(async () => {
  for (const key of arguments[0]) {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  }
  done();
})()"""


def milliseconds_per_key(browser: Any, keys: list[str]) -> float:
    """Processor time of the page's main thread from key to paint, on average: other programs share the machine."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

    before = spent()
    browser.execute_async_script(PRESS, keys)
    after = spent()
    browser.execute_cdp_cmd("Performance.disable", {})
    return (after - before) * 1000 / len(keys)


def told(figures: str) -> None:
    """Prints what was measured: seen with ``pytest -s`` and ``-rP``."""
    sys.stdout.write(f"{figures}\n")


def test_three_thousand_documents_stay_quick(show: Open) -> None:
    """
    First paint within 2 seconds; a key takes 100 ms at most.
    """
    browser = show([document(f"d{number}") for number in range(3000)])
    painted = browser.execute_script("return performance.getEntriesByName('first-paint')[0].startTime")

    filled = browser.execute_script("return performance.getEntriesByType('navigation')[0].domComplete")
    per_key = milliseconds_per_key(browser, [*"najr", "Enter"] * 6)
    told(f"3,000 documents: first paint {painted:.0f} ms, all shown {filled:.0f} ms, {per_key:.0f} ms a key")

    assert painted <= 2000
    assert per_key <= 100


LONG = {
    "lines": ("Ann met somebody whose name is not known on a long day in a town.\n", "Ann"),
    "one paragraph": ("Ann met somebody whose name is not known on a long day in a town. ", "Ann"),
    "Arabic": (f"{ARABIC} ", "أحمد منصور"),
    "Japanese": ("田中花子部長は二〇二四年五月三日に札幌市で新しい契約に署名した。", "田中花子"),
    "no border": ("aAnn", "Ann"),
}


def long_document(kind: str) -> LabeledDocument:
    """200,000 characters with 2,000 entities."""
    line, name = LONG[kind]
    text = line * (200_000 // len(line) + 1)
    starts = [n * len(line) + line.index(name) for n in range(2000)]
    entities = tuple(Entity(start=start, end=start + len(name), label="PERSON", text=name) for start in starts)
    return LabeledDocument(document=Document(id="long", text=text), entities=entities)


@pytest.mark.parametrize("kind", LONG)
def test_long_document_stays_quick(show: Open, kind: str) -> None:
    """
    200,000 characters with 2,000 entities, in lines or in one paragraph: a key takes 100 ms at most.
    """
    browser = show([long_document(kind)])

    per_key = milliseconds_per_key(browser, [*"jarj}"] * 6)
    told(f"200,000 characters, 2,000 entities, {kind}: {per_key:.0f} ms a key")

    assert per_key <= 100


@pytest.mark.parametrize("kind", LONG)
def test_long_paragraph_is_continued_between_words(show: Open, kind: str) -> None:
    """
    The blocks of a long text give it back whole; none begins inside an entity, or inside a word that has an end.
    """
    labeled = long_document(kind)
    browser = show([labeled])
    blocks = browser.execute_script(
        "return [...view.root.children].map((b) => [b.textContent, getComputedStyle(b).direction])"
    )

    position, inside = 0, []
    for block, _ in blocks:
        inside += [e for e in labeled.entities if e.start < position < e.end]
        inside += [position] if kind != "no border" and not block.startswith(LONG[kind][0][:3]) else []
        position += len(block)

    assert labeled.document.text == "".join(block for block, _ in blocks)
    assert [] == inside
    assert {"rtl" if kind == "Arabic" else "ltr"} == {direction for _, direction in blocks}
    assert len(blocks) > 20
