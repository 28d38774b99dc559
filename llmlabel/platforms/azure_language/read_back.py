"""What people made of our labels in the portal: the exported project against the manifest of what we imported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from llmlabel.errors import SourceError
from llmlabel.offsets import slice_units
from llmlabel.platforms.azure_language.compare import Key, documents_of, keys_of
from llmlabel.platforms.azure_language.imported import Imported, ImportedDocument
from llmlabel.platforms.azure_language.labels_file import CLASSIFICATION_NAME, read_labels_file
from llmlabel.platforms.azure_language.texts import LOCATION, TextStore
from llmlabel.schema import Example
from llmlabel.types import Document, Entity, LabeledDocument, Provenance, Value

Change = Literal["unchanged", "moved", "relabelled", "deleted", "added"]
UNKNOWN = "unchanged (review unknown)"


class LabelChange(Value):
    """What became of one label; ``before`` is what we imported, ``after`` what stands there now.

    Labels are (category, offset, length) in UTF-16 units, as in the labels file; a class has offset -1 and length 0.
    ``reviewed``: a person had looked at what we imported.
    """

    document_id: str
    location: str
    change: Change
    reviewed: bool = False
    before: Key | None = None
    after: Key | None = None
    text_before: str | None = None
    text_after: str | None = None


class ReadBack(Value):
    """A project read back: each document as it is now, and each label compared with what we imported.

    A label that stands as imported says nothing: nobody can tell whether a person looked at it, unless one had before
    the import. So a document that has such labels keeps the provenance of a model, and its unchanged entities say so in
    ``reason``.
    """

    project: str
    items: tuple[LabelChange, ...] = ()
    documents: tuple[LabeledDocument, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many labels had which fate."""
        found = Counter(item.change for item in self.items)
        return {name: found[name] for name in ("unchanged", "moved", "relabelled", "deleted", "added")}

    @property
    def gold(self) -> tuple[LabeledDocument, ...]:
        """The documents in which every label was made or changed by a person."""
        return tuple(d for d in self.documents if d.provenance is not None and d.provenance.kind == "human")

    def examples(self) -> tuple[Example, ...]:
        """Return what people made of the texts, as demonstrations for a prompt or a schema; texts may be long."""
        return tuple(
            Example(
                text=labeled.document.text,
                entities=[(e.text, e.label) for e in sorted(labeled.entities, key=lambda entity: entity.start)],
                classes={name: [item.label for item in chosen] for name, chosen in labeled.classes.items()},
            )
            for labeled in self.gold
        )

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat dict per label, for a DataFrame."""
        records = []
        for item in self.items:
            sides: dict[str, Any] = {}
            for side, key, text in (("before", item.before, item.text_before), ("after", item.after, item.text_after)):
                category, offset, length = key or (None, None, None)
                sides |= {f"label_{side}": category, f"offset_{side}": offset, f"length_{side}": length}
                sides[f"text_{side}"] = text
            head: dict[str, Any] = {"document_id": item.document_id, "location": item.location}
            head |= {"change": item.change, "reviewed": item.reviewed}
            records.append({**head, **sides})
        return records

    def __str__(self) -> str:
        counts = self.counts
        seen = sum(item.change == "unchanged" and item.reviewed for item in self.items)
        head = [
            f"{counts.pop('unchanged') - seen} {UNKNOWN}",
            *([f"{seen} unchanged (reviewed before)"] if seen else []),
        ]
        return ", ".join([*head, *(f"{count} {name}" for name, count in counts.items())])


def read_back(
    source: str | Path | Mapping[str, Any],
    texts: TextStore,
    imported: Imported,
    classification: str = CLASSIFICATION_NAME,
) -> ReadBack:
    """Return what people did to a project since we imported into it.

    Args:
        source: The exported project: a file, or its parsed content.
        texts: Where its texts lie.
        imported: The manifest of what we imported; its ids are given to the documents.
        classification: What to call the project's one question.

    Raises:
        SourceError: It is not a labels file, a text is missing, or a label does not fit its text.
    """
    content = source if isinstance(source, Mapping) else load_labels_file(source)
    _, found = read_labels_file(content, lambda name: texts.read(name).decode(), classification)
    current = documents_of(content)
    items: list[LabelChange] = []
    documents = []
    for name, labeled in zip(current, found, strict=True):
        ours = imported.documents.get(name, ImportedDocument(id=labeled.document.id))
        changes = list(_compared(name, ours, keys_of(current[name]), labeled.document.text))
        items += changes
        # Where the model saw nothing and nothing stands there now, nobody may have looked either.
        untouched = name in imported.documents and not changes and not ours.reviewed
        documents.append(_with_provenance(labeled, ours.id, name, changes, untouched))
    for name, ours in imported.documents.items():
        if name not in current:
            items += [_label_change(name, ours, "deleted", None, key, None) for key in ours.labels]
    return ReadBack(project=imported.project, items=tuple(items), documents=tuple(documents))


def load_labels_file(source: str | Path) -> Mapping[str, Any]:
    """Return the content of a labels file, such as the portal downloads.

    Raises:
        SourceError: It is none.
    """
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8-sig"))
        documents_of(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"{source}: not a readable labels file", path=str(source)) from None
    assert isinstance(content, dict)
    return content


def _compared(name: str, ours: ImportedDocument, current: list[Key], text: str) -> Iterator[LabelChange]:
    """Pair what we imported with what stands there: equal, then same place, then same label, then any overlap."""
    gone = [key for key in ours.labels if key not in current]
    new = [key for key in current if key not in ours.labels]
    for key in current:
        if key in ours.labels:
            yield _label_change(name, ours, "unchanged", text, key, key)
    for change, fits in _RULES:
        for before in list(gone):
            after = next((key for key in new if fits(before, key)), None)
            if after is not None:
                gone.remove(before)
                new.remove(after)
                yield _label_change(name, ours, change, text, before, after)
    yield from (_label_change(name, ours, "deleted", text, key, None) for key in (*gone, *ours.removed))
    yield from (_label_change(name, ours, "added", text, None, key) for key in new)


def _overlap(one: Key, other: Key) -> bool:
    return one[1] < other[1] + other[2] and other[1] < one[1] + one[2]


_RULES: tuple[tuple[Change, Any], ...] = (
    ("relabelled", lambda one, other: one[1:] == other[1:]),
    ("moved", lambda one, other: one[0] == other[0] and _overlap(one, other)),
    ("relabelled", _overlap),
)


def _label_change(
    name: str, ours: ImportedDocument, change: Change, text: str | None, before: Key | None, after: Key | None
) -> LabelChange:
    return LabelChange(
        document_id=ours.id,
        location=name,
        change=change,
        reviewed=before is not None and before[0] in ours.reviewed,
        before=before,
        after=after,
        text_before=_slice(text, before),
        text_after=_slice(text, after),
    )


def _slice(text: str | None, key: Key | None) -> str | None:
    if text is None or key is None or key[2] == 0:
        return None
    try:
        return slice_units(text, key[1], key[1] + key[2], "utf16")
    except ValueError:
        return None


def _with_provenance(
    labeled: LabeledDocument, identity: str, name: str, changes: list[LabelChange], untouched: bool
) -> LabeledDocument:
    unknown = [item.after for item in changes if item.change == "unchanged" and not item.reviewed]
    standing = {key[:2] for key in unknown if key is not None}
    document = Document(
        id=identity,
        text=labeled.document.text,
        language=labeled.document.language,
        metadata={**labeled.document.metadata, LOCATION: name},
    )
    update: dict[str, Any] = {"document": document}
    if standing or untouched:
        update["provenance"] = Provenance(kind="model", reviewed=False)
        update["entities"] = tuple(
            entity.model_copy(update={"reason": UNKNOWN}) if _place(labeled, entity) in standing else entity
            for entity in labeled.entities
        )
    return labeled.model_copy(update=update)


def _place(labeled: LabeledDocument, entity: Entity) -> tuple[str, int]:
    return entity.label, len(labeled.document.text[: entity.start].encode("utf-16-le")) // 2
