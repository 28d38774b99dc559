"""What exporters must bring back unchanged: the first half of ``ExporterContract``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from llmlabel.exporters.base import Exporter
from llmlabel.schema import Classification, FreeText, Label, LabelSchema, RelationLabel
from llmlabel.testing.batches import TRICKY_TEXTS, labeled
from llmlabel.testing.contract import Contract
from llmlabel.types import ClassLabel, Document, Entity, ExportReport, LabeledDocument, Prediction, Relation


class RoundTripContract(Contract, suite=True):
    """What every exporter keeps; part of ``ExporterContract``. The flags say what the target can hold.

    Attributes:
        closed_schema: Labels outside of the schema are refused (False: the target takes any label).
        records_outcomes: The target itself says that a document was not labelled, so nothing is held back.
        holds_relations: Relations come back.
        holds_attributes: Attributes of entities come back.
        holds_overlaps: Several labels may cover one place.
        holds_classes: Classifications come back beside entities.
        holds_texts: Free texts come back.
    """

    closed_schema: ClassVar[bool] = True
    records_outcomes: ClassVar[bool] = False
    holds_relations: ClassVar[bool] = True
    holds_attributes: ClassVar[bool] = True
    holds_overlaps: ClassVar[bool] = True
    holds_classes: ClassVar[bool] = True
    holds_texts: ClassVar[bool] = True

    # -- hooks --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def make_exporter(self, tmp_path: Path, schema: LabelSchema) -> Exporter:
        """Return a new exporter; calls with one ``tmp_path`` give exporters with one target."""

    @abstractmethod
    def read_back(self, tmp_path: Path, report: ExportReport) -> Mapping[str, LabeledDocument | None]:
        """Return what stands in the target, read without the exporter: None for a document that has no labels."""

    def snapshot(self, tmp_path: Path) -> object:
        """Return all that stands in the target, comparable by ``==``; by default every file under ``tmp_path``."""
        return {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}

    def schema(self) -> LabelSchema:
        """Return the schema of the suite's documents."""
        mood = Classification(name="mood", labels=(Label(name="good"), Label(name="bad")))
        return LabelSchema(
            entities=(Label(name="Name", attributes=(mood,)), Label(name="Other")),
            relations=(RelationLabel(name="knows"),),
            classifications=(Classification(name="topic", labels=(Label(name="sport"), Label(name="news"))),),
            texts=(FreeText(name="note"),),
        )

    # -- what comes back ----------------------------------------------------------------------------------------------

    def test_spans_come_back_exactly(self, tmp_path: Path) -> None:
        """Every span is the same in code points and covers the same characters, whatever the target counts."""
        found = self._round_trip(tmp_path, [labeled(name, text, surfaces) for name, text, surfaces in TRICKY_TEXTS])

        for name, text, surfaces in TRICKY_TEXTS:
            expected = [(e.start, e.end, e.label, e.text) for e in labeled(name, text, surfaces).entities]
            actual = [(e.start, e.end, e.label, e.text) for e in labels_of(found, name).entities]
            assert expected == actual, f"spans of {name!r}"

    def test_texts_come_back_unchanged(self, tmp_path: Path) -> None:
        """No newline, Unicode form or white space of a text is changed."""
        found = self._round_trip(tmp_path, [labeled(name, text, ()) for name, text, _ in TRICKY_TEXTS])

        for name, text, _ in TRICKY_TEXTS:
            assert text == labels_of(found, name).document.text, f"text of {name!r}"

    def test_document_without_entities_is_published_as_empty(self, tmp_path: Path) -> None:
        """The model looked and found nothing: that is a label too."""
        found = self._round_trip(tmp_path, [labeled("none", "Nothing here.", ())])

        assert labels_of(found, "none").entities == ()

    def test_relations_come_back(self, tmp_path: Path) -> None:
        """Direction and ends of each relation are kept."""
        if not self.holds_relations:
            return
        relations = (Relation(head=1, tail=0, label="knows"), Relation(head=2, tail=1, label="knows"))
        one = labeled("r", "Ann, Bob, Lee", ("Ann", "Bob", "Lee"), relations=relations)
        found = self._round_trip(tmp_path, [one])

        assert [(r.head, r.tail, r.label) for r in relations] == [
            (r.head, r.tail, r.label) for r in labels_of(found, "r").relations
        ]

    def test_attributes_come_back(self, tmp_path: Path) -> None:
        """Attributes stay with their entity."""
        if not self.holds_attributes:
            return
        one = labeled("t", "Ann, Bob", ("Ann", "Bob"))
        glad = one.entities[1].model_copy(update={"attributes": {"mood": (ClassLabel(label="good"),)}})
        found = self._round_trip(tmp_path, [one.model_copy(update={"entities": (one.entities[0], glad)})])

        attributes = [
            {k: [c.label for c in v] for k, v in e.attributes.items()} for e in labels_of(found, "t").entities
        ]
        assert attributes == [{}, {"mood": ["good"]}]

    def test_overlapping_entities_come_back(self, tmp_path: Path) -> None:
        """Nested entities and two labels on one place are all kept."""
        if not self.holds_overlaps:
            return
        spans = [(0, 8, "Name"), (0, 3, "Name"), (0, 3, "Other"), (2, 6, "Other")]
        text = "Ann Lee 😀"
        entities = tuple(Entity(start=a, end=b, label=label, text=text[a:b]) for a, b, label in spans)
        one = Prediction(document=Document(id="o", text=text), entities=entities, outcome="labeled")
        found = self._round_trip(tmp_path, [one])

        assert spans == [(e.start, e.end, e.label) for e in labels_of(found, "o").entities]

    def test_classes_come_back(self, tmp_path: Path) -> None:
        """A document's class is kept."""
        if not self.holds_classes:
            return
        one = labeled("c", "Ann won.", (), classes={"topic": (ClassLabel(label="sport"),)})
        found = self._round_trip(tmp_path, [one])

        assert [c.label for c in labels_of(found, "c").classes["topic"]] == ["sport"]

    def test_free_texts_come_back(self, tmp_path: Path) -> None:
        """A free text is kept as it is, also one that looks like a path."""
        if not self.holds_texts:
            return
        found = self._round_trip(tmp_path, [labeled("n", "Ann won.", (), texts={"note": "/etc/hosts\r\n😀"})])

        assert labels_of(found, "n").texts == {"note": "/etc/hosts\r\n😀"}

    # -- helpers

    def _round_trip(self, tmp_path: Path, batch: Iterable[LabeledDocument]) -> Mapping[str, LabeledDocument | None]:
        return self.read_back(tmp_path, self.make_exporter(tmp_path, self.schema()).export(iter(list(batch))))


def labels_of(found: Mapping[str, LabeledDocument | None], name: str) -> LabeledDocument:
    """Return the labels that came back for one document; ``AssertionError`` if there are none."""
    one = found.get(name)
    assert one is not None, f"document {name!r} has no labels in the target"
    return one
