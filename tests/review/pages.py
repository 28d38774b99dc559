"""Documents for the review page, and what tests do with the page in a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llmlabel import (
    Classification,
    ClassLabel,
    Document,
    Entity,
    Label,
    LabeledDocument,
    LabelSchema,
    Mention,
    Placement,
    Prediction,
    Relation,
    RelationLabel,
)
from llmlabel.review import apply_decisions, read_decisions

Open = Callable[..., Any]


SCHEMA = LabelSchema(
    entities=[
        Label(name="PERSON", attributes=(Classification(name="role", labels=("doctor", "patient")),)),
        "ORGANIZATION",
        "LOCATION",
    ],
    relations=[
        RelationLabel(name="WORKS_FOR", head=("PERSON",), tail=("ORGANIZATION", "LOCATION")),
        RelationLabel(name="KNOWS", head=("PERSON",), tail=("PERSON",)),
        RelationLabel(name="NEAR"),
    ],
    classifications={"kind": ["News", "Support"]},
    texts=["summary"],
)


TEXT = "😀 Ann met Bo Li at the Bank of Paris.\r\nBo Li \u202eleft."


ARABIC = "زار أحمد منصور بنك القاهرة في باريس."


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def entity(text: str, surface: str, label: str, nth: int = 0, match: str = "exact") -> Entity:
    start = -1
    for _ in range(nth + 1):
        start = text.index(surface, start + 1)
    return Entity(start=start, end=start + len(surface), label=label, text=surface, match=match)


def document(id: str = "one", text: str = TEXT) -> Prediction:
    entities = (
        entity(text, "Ann", "PERSON"),
        entity(text, "Bo", "PERSON"),
        entity(text, "Bank of Paris", "PERSON"),
        entity(text, "Paris", "LOCATION"),
    )
    lost = Placement(mention=Mention(text="bo li", label="PERSON"), status="not_found")
    return Prediction(
        document=Document(id=id, text=text),
        entities=entities,
        classes={"kind": (ClassLabel(label="News"),)},
        placements=(lost,),
        outcome="labeled",
    )


def decided(browser: Any, documents: Sequence[LabeledDocument], tmp_path: Path) -> list[LabeledDocument]:
    path = tmp_path / "decisions.jsonl"
    path.write_text(browser.execute_script("return session.file(data.reviewer)"), encoding="utf-8")
    return apply_decisions(documents, read_decisions(path))


def spans(labeled: LabeledDocument) -> list[tuple[str, str]]:
    return [(e.text, e.label) for e in labeled.entities]


def related() -> Prediction:
    works = (Relation(head=0, tail=2, label="WORKS_FOR"), Relation(head=0, tail=1, label="KNOWS"))
    return document().model_copy(update={"relations": works})


def links(labeled: LabeledDocument) -> list[tuple[str, str, str]]:
    return [(labeled.entities[r.head].text, r.label, labeled.entities[r.tail].text) for r in labeled.relations]
