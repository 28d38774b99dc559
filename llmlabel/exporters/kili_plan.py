"""Before anything is sent to Kili: what stands in the project, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llmlabel.errors import SourceError
from llmlabel.exporters.kili_journal import KiliJournal
from llmlabel.exporters.kili_report import AssetState, LabelState
from llmlabel.exporters.kili_spool import Row
from llmlabel.newlines import Newlines, line_feeds
from llmlabel.offsets import OffsetUnit
from llmlabel.platforms.kili.answers import labeled_from_json_response
from llmlabel.platforms.kili.client import HUMAN_TYPES, KiliClient
from llmlabel.platforms.kili.ontology import Ontology
from llmlabel.platforms.kili.records import Asset, Project, StoredLabel
from llmlabel.types import Document, LabeledDocument


@dataclass(slots=True)
class Item:
    """What is known and planned of one document; the first six fields are its line of the report."""

    id: str
    asset: AssetState = "missing"
    label: LabelState = "none"
    asset_id: str | None = None
    reason: str | None = None
    spans: int = 0
    retire: dict[str, str] | None = None  # label id → model name
    arrived: bool = False

    def fail(self, reason: str, asset: AssetState | None = None) -> None:
        """Note why nothing is done with the document."""
        self.label, self.reason, self.asset = "failed", reason, asset or self.asset

    @property
    def to_send(self) -> bool:
        """Whether a prediction is to be sent."""
        return self.label in ("sent", "replaced")

    def row(self) -> list[Any]:
        """Return the fields, to be packed."""
        return [self.id, self.asset, self.label, self.asset_id, self.reason, self.spans, self.retire]


@dataclass(frozen=True, slots=True)
class Planner:
    """Reads what stands in a project and decides, document by document, what is to be done; it writes nothing."""

    client: KiliClient
    project: Project
    ontology: Ontology
    offset_unit: OffsetUnit
    model_name: str
    labeled: Literal["skip", "send"]
    missing: Literal["create", "skip", "error"]
    check_texts: bool
    newlines: Newlines
    retire: bool
    journal: KiliJournal

    def plan(self, rows: list[Row]) -> list[Item]:
        """Return one item per document of a block."""
        items = [Item(row.id, label="none" if row.answer is None else "sent", spans=_spans(row)) for row in rows]
        found = self._assets([row.id for row in rows])
        there: list[tuple[Row, Item, Asset]] = []
        for row, item in zip(rows, items, strict=True):
            twins = found.get(row.id, [])
            if len(twins) == 1:
                item.asset, item.asset_id = "existing", twins[0].id
                there.append((row, item, twins[0]))
            elif twins:
                item.fail(f"{len(twins)} assets of the project have this external id; rename or delete one", "conflict")
            else:
                self._absent(row, item)
        self._compare_texts(there)
        self._compare_labels([(row, item, asset) for row, item, asset in there if item.label == "sent"])
        return items

    def _assets(self, ids: list[str]) -> dict[str, list[Asset]]:
        found: dict[str, list[Asset]] = {}
        for asset in self.client.assets(self.project.id, ids):
            found.setdefault(asset.external_id, []).append(asset)
        return found

    def _absent(self, row: Row, item: Item) -> None:
        if self.missing == "skip" and item.label == "sent":
            item.label, item.reason = "skipped", "not in the project"
        elif not row.text:
            item.reason = "the text is empty; Kili refuses an empty asset"

    def _compare_texts(self, there: list[tuple[Row, Item, Asset]]) -> None:
        """A text that differs would give every span another meaning."""
        if not self.check_texts or self.project.input_type != "TEXT":
            return
        labelled = [(row, item, asset) for row, item, asset in there if item.label == "sent"]
        texts = self.client.texts([asset for _, _, asset in labelled])
        for (row, item, asset), text in zip(labelled, texts, strict=True):
            if asset.rich or text is None:
                item.fail("the asset is no plain text (rich text has other offsets)", "conflict")
            elif row.text not in (text, line_feeds(text) if self.newlines == "lf" else text):
                item.fail(f"the asset holds another text{_difference(text, row.text)}", "conflict")

    def _compare_labels(self, there: list[tuple[Row, Item, Asset]]) -> None:
        taken = self.taken([item.id for _, item, _ in there])
        stored: dict[str, list[StoredLabel]] = {}
        for label in self.client.labels(self.project.id, [row.id for row, _, _ in there], ["PREDICTION"]):
            stored.setdefault(label.asset_id, []).append(label)
        for row, item, asset in there:
            older = stored.get(asset.id, [])
            ours = [label for label in older if label.model_name == self.model_name]
            if self.labeled == "skip" and (reason := _in_hands(asset, taken.get(asset.id))):
                item.label, item.reason = "skipped", reason
            elif len(ours) == 1 and self.same(ours[0].response, row):
                item.label = "unchanged"
            elif ours:
                item.label = "replaced"
            if self.retire and item.label in ("sent", "replaced", "unchanged"):
                item.retire = {
                    label.id: label.model_name
                    for label in older
                    if label.model_name and label.model_name != self.model_name and self.journal.wrote(label)
                }

    def taken(self, ids: list[str]) -> dict[str, str]:
        """Return the assets on which a person has worked, with the type of the last label."""
        if self.labeled != "skip" or not ids:
            return {}
        return {
            label.asset_id: label.kind for label in self.client.labels(self.project.id, ids, HUMAN_TYPES, answers=False)
        }

    def same(self, stored: Mapping[str, Any], row: Row) -> bool:
        """Return whether a stored answer says what ours says, whatever a server adds, leaves out or puts in order."""
        if stored == row.answer:
            return True
        if row.answer is None or _answered(stored) != _answered(row.answer):
            return False
        document = Document(id=row.id, text=row.text)
        try:
            found = labeled_from_json_response(stored, document, self.ontology, self.offset_unit)
        except SourceError:
            return False
        return _said(found) == _said(labeled_from_json_response(row.answer, document, self.ontology, self.offset_unit))


def _answered(answer: Mapping[str, Any]) -> set[str]:
    """The jobs that an answer says something about."""
    return {job for job, said in answer.items() if isinstance(said, Mapping) and any(said.values())}


def _said(labeled: LabeledDocument) -> tuple[object, ...]:
    """What labels say, in no order."""
    entities = [one.model_dump_json() for one in labeled.entities]
    relations = [(entities[r.head], entities[r.tail], r.label, r.confidence) for r in labeled.relations]
    classes = {
        name: {one.label: one.confidence for one in chosen} for name, chosen in labeled.classes.items() if chosen
    }
    texts = {name: text for name, text in labeled.texts.items() if text}
    return sorted(entities), sorted(relations, key=repr), classes, texts


def _in_hands(asset: Asset, kind: str | None) -> str | None:
    """Why an asset is left alone: a person has labelled it, or is about to."""
    if kind is not None:
        return "a person is labelling it" if kind == "AUTOSAVE" else "a person has labelled it"
    return None if asset.status == "TODO" else f"it is in progress (status {asset.status})"


def _difference(found: str, expected: str) -> str:
    if line_feeds(found) == line_feeds(expected):
        return " (only the line ends differ: newlines='lf' takes them for equal)"
    return f" ({len(found)} characters, expected {len(expected)})"


def _spans(row: Row) -> int:
    answers: Iterable[Any] = (row.answer or {}).values()
    return sum(len(answer.get("annotations", ())) for answer in answers if isinstance(answer, Mapping))
