"""Labels as Azure Language's labels file, and back. Pure but for reading: nothing here talks to Azure.

Format: the project file that ``:import`` takes and ``:export`` gives, ``projectFileVersion`` 2022-05-01 ("Custom NER
data formats", "Custom text classification data formats"). Offsets count UTF-16 code units of the very bytes uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from pydantic import ValidationError

from llmlabel.errors import SourceError
from llmlabel.offsets import UnitTable, unit_table
from llmlabel.schema import Classification, Label, LabelSchema
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Provenance, explain

ProjectKind = Literal["CustomEntityRecognition", "CustomSingleLabelClassification", "CustomMultiLabelClassification"]
KINDS: tuple[ProjectKind, ...] = (
    "CustomEntityRecognition",
    "CustomSingleLabelClassification",
    "CustomMultiLabelClassification",
)
CLASSIFICATION_NAME = "class"


class Category(TypedDict):
    """A reference to a label by name."""

    category: str


class Span(Category):
    """One label of a text, in UTF-16 code units."""

    offset: int
    length: int


class Region(TypedDict):
    """The part of a text that was labelled; llmlabel writes one, the whole text."""

    regionOffset: int
    regionLength: int
    labels: list[Span]


# "class" is a keyword, so this type needs the functional form.
DocumentLabels = TypedDict(
    "DocumentLabels",
    {
        "location": NotRequired[str],
        "language": str,
        "dataset": NotRequired[str],
        "entities": NotRequired[list[Region]],
        "class": NotRequired[Category],
        "classes": NotRequired[list[Category]],
    },
)


@dataclass(frozen=True, slots=True)
class Project:
    """What a labels file says of its project beside labels; ``settings`` None leaves the field out."""

    project: str
    container: str
    project_kind: ProjectKind
    language: str = "en-us"
    multilingual: bool = False
    description: str = ""
    settings: Mapping[str, float] | None = field(default_factory=dict)


# -- labels → file ----------------------------------------------------------------------------------------------------


def project_file(project: Project, labels: Iterable[str], documents: list[DocumentLabels]) -> dict[str, Any]:
    """Return a whole labels file; ``documents`` come from ``document_labels``, with a ``location`` each."""
    metadata: dict[str, Any] = {
        "projectName": project.project,
        "storageInputContainerName": project.container,
        "projectKind": project.project_kind,
        "description": project.description,
        "language": project.language,
        "multilingual": project.multilingual,
    }
    if project.settings is not None:
        metadata["settings"] = dict(project.settings)
    declared = "entities" if project.project_kind == KINDS[0] else "classes"
    return {
        "projectFileVersion": "2022-05-01",
        "stringIndexType": "Utf16CodeUnit",
        "metadata": metadata,
        "assets": {
            "projectKind": project.project_kind,
            declared: [{"category": name} for name in labels],
            "documents": documents,
        },
    }


def document_labels(
    labeled: LabeledDocument, kind: ProjectKind, language: str, classification: str = CLASSIFICATION_NAME
) -> DocumentLabels:
    """Return one entry of ``documents``, without its ``location``.

    Raises:
        ValueError: A span does not slice back to its text in UTF-16 (an error of this library).
    """
    if kind == "CustomEntityRecognition":
        return {"language": language, "entities": [_region(labeled)]}
    chosen: list[Category] = [{"category": item.label} for item in labeled.classes[classification]]
    if kind == "CustomSingleLabelClassification":
        return {"language": language, "class": chosen[0]}
    return {"language": language, "classes": chosen}


def _region(labeled: LabeledDocument) -> Region:
    text = labeled.document.text
    table = unit_table(text, "utf16")
    encoded = text.encode("utf-16-le")
    labels: list[Span] = []
    for number, entity in enumerate(labeled.entities):
        start, end = table.to_unit(entity.start), table.to_unit(entity.end)
        if encoded[2 * start : 2 * end].decode("utf-16-le") != entity.text:
            raise ValueError(f"entities[{number}] of document {labeled.document.id!r} does not slice back in UTF-16")
        labels.append({"category": entity.label, "offset": start, "length": end - start})
    return {"regionOffset": 0, "regionLength": len(encoded) // 2, "labels": labels}


# -- file → labels ----------------------------------------------------------------------------------------------------


def read_labels_file(
    source: str | Path | Mapping[str, Any],
    texts: str | Path | Callable[[str], str],
    classification: str = CLASSIFICATION_NAME,
) -> tuple[LabelSchema, list[LabeledDocument]]:
    """Return the schema and the documents of a labels file, in code points, as labelled by people.

    A document's id is its location without ``.txt``; its data set is kept in ``metadata["dataset"]``.

    Args:
        source: The file, or its parsed content.
        texts: The folder with the texts, or a function that returns the text of a location.
        classification: What to call the project's one question; the file has no name for it.

    Raises:
        SourceError: The file is not a labels file, a text is missing, or a label does not fit; all such documents.
    """
    content = _load(source)
    project = _project(content, _name(source))
    assets = content["assets"]
    fetch = texts if callable(texts) else _folder(Path(texts))
    schema = _schema(assets, project.project_kind, classification)
    labeled, problems = [], []
    for number, entry in enumerate(assets.get("documents") or ()):
        try:
            labeled.append(_document(entry, project.project_kind, fetch, classification))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            problems.append(f"documents[{number}]: {_reason(error)}")
    problems += [f"id {name!r} stands twice" for name in _twice(item.document.id for item in labeled)]
    if problems:
        shown = "; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else "")
        raise SourceError(f"labels file {_name(source)}: {shown}", path=_name(source))
    return schema, labeled


def read_project(source: str | Path | Mapping[str, Any]) -> Project:
    """Return what a labels file says of its project, to be written again unchanged.

    Raises:
        SourceError: The file is not a labels file of a custom project.
    """
    return _project(_load(source), _name(source))


def _project(content: Mapping[str, Any], name: str) -> Project:
    metadata, assets = content.get("metadata"), content.get("assets")
    if not isinstance(metadata, Mapping) or not isinstance(assets, Mapping):
        raise SourceError(f"labels file {name}: expected metadata and assets", path=name)
    # One of Microsoft's samples spells the kind with a small first letter.
    kinds: dict[str, ProjectKind] = {kind.lower(): kind for kind in KINDS}
    kind = kinds.get(str(metadata.get("projectKind")).lower())
    if kind is None or str(assets.get("projectKind", kind)).lower() != kind.lower():
        raise SourceError(
            f"labels file {name}: expected one of {list(KINDS)} as projectKind of metadata and assets",
            path=name,
        )
    if content.get("stringIndexType", "Utf16CodeUnit") != "Utf16CodeUnit":
        raise SourceError(f"labels file {name}: expected stringIndexType Utf16CodeUnit", path=name)
    return Project(
        project=str(metadata.get("projectName", "")),
        container=str(metadata.get("storageInputContainerName", "")),
        project_kind=kind,
        language=str(metadata.get("language", "en-us")),
        multilingual=bool(metadata.get("multilingual", False)),
        description=str(metadata.get("description", "")),
        settings=metadata.get("settings"),
    )


def _load(source: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SourceError(f"labels file {source}: cannot be read: {_reason(error)}", path=str(source)) from None
    if not isinstance(content, Mapping):
        raise SourceError(f"labels file {source}: expected a JSON object", path=str(source))
    return content


def _name(source: str | Path | Mapping[str, Any]) -> str:
    return "(mapping)" if isinstance(source, Mapping) else str(source)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    if isinstance(error, OSError):
        return f"its text cannot be read ({error.strerror})"
    if isinstance(error, ValidationError):
        return explain(error)
    return str(error) if isinstance(error, ValueError) else "unexpected structure"


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]  # add is None


def _folder(folder: Path) -> Callable[[str], str]:
    inside = folder.resolve()

    def read(location: str) -> str:
        place = (inside / location).resolve()
        if not place.is_relative_to(inside):
            raise ValueError(f"location {location!r} leads out of the folder of the texts")
        try:
            return place.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{location!r} is not UTF-8 (byte {error.start})") from None

    return read


def _schema(assets: Mapping[str, Any], kind: ProjectKind, classification: str) -> LabelSchema:
    declared = assets.get("entities" if kind == KINDS[0] else "classes") or ()
    labels = tuple(
        Label(name=item["category"], description=item.get("description") or "")
        for item in declared
        if isinstance(item, Mapping)
    )
    if kind == KINDS[0]:
        return LabelSchema(entities=labels)
    part = Classification(name=classification, labels=labels, multi_label=kind == KINDS[2])
    return LabelSchema(classifications=(part,))


def _document(
    entry: Mapping[str, Any], kind: ProjectKind, fetch: Callable[[str], str], classification: str
) -> LabeledDocument:
    location = entry["location"]
    if not isinstance(location, str):
        raise ValueError(f"expected a location, found {type(location).__name__}")
    text = fetch(location)
    metadata = {"dataset": entry["dataset"]} if "dataset" in entry else {}
    document = Document(
        id=location.removesuffix(".txt") or location, text=text, language=entry.get("language"), metadata=metadata
    )
    human = Provenance(kind="human")
    if kind != KINDS[0]:
        chosen = [entry["class"]] if kind == KINDS[1] else entry["classes"]
        labels = tuple(ClassLabel(label=item["category"]) for item in chosen)
        return LabeledDocument(document=document, classes={classification: labels}, provenance=human)
    table = unit_table(text, "utf16")
    entities = [_entity(span, text, table) for region in entry["entities"] for span in region["labels"]]
    return LabeledDocument(document=document, entities=tuple(entities), provenance=human)


def _entity(span: Mapping[str, Any], text: str, table: UnitTable) -> Entity:
    start, end = table.to_codepoint(span["offset"]), table.to_codepoint(span["offset"] + span["length"])
    return Entity(start=start, end=end, label=span["category"], text=text[start:end])
