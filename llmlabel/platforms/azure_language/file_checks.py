"""What is wrong with a labels file, found before it is sent: the service's own schema accepts broken ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.azure_language.compare import keys_of
from llmlabel.platforms.azure_language.labels_file import KINDS
from llmlabel.platforms.azure_language.limits import DOCUMENTS_MAX, ENTITY_MAX, LANGUAGES, TEXT_MAX, check_names


def labels_file_problems(content: Mapping[str, Any]) -> list[str]:
    """Return every reason why Azure Language would refuse or misread a labels file; none if it is sound."""
    metadata, assets = content.get("metadata"), content.get("assets")
    if not isinstance(metadata, Mapping) or not isinstance(assets, Mapping):
        return ["expected metadata and assets"]
    kind = metadata.get("projectKind")
    if kind not in KINDS or assets.get("projectKind") != kind:
        return [f"projectKind of metadata and assets: expected one of {list(KINDS)}, the same in both"]
    declared = assets.get("entities" if kind == KINDS[0] else "classes")
    documents = assets.get("documents")
    if not isinstance(declared, list) or not isinstance(documents, list):
        return [f"assets: expected documents and {'entities' if kind == KINDS[0] else 'classes'}"]
    try:
        names = [item["category"] for item in declared]
        return [*_head(content, metadata, names), *_documents(documents, str(kind), frozenset(names))]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return [f"unexpected structure ({type(error).__name__})"]


def _head(content: Mapping[str, Any], metadata: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    if content.get("projectFileVersion") != "2022-05-01":
        yield "projectFileVersion: expected '2022-05-01'"
    if content.get("stringIndexType") != "Utf16CodeUnit":
        yield "stringIndexType: expected 'Utf16CodeUnit', the only unit of the authoring API"
    if not isinstance(metadata.get("multilingual", False), bool):
        yield "multilingual: expected true or false, not a text"
    threshold = (metadata.get("settings") or {}).get("confidenceThreshold", 0)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        yield "settings.confidenceThreshold: expected a number from 0 to 1"
    if len(set(names)) < len(names):
        yield "a label is declared twice"
    given = (metadata.get(name) for name in ("projectName", "storageInputContainerName", "language"))
    project, container, language = (str(value) for value in given)
    try:
        check_names(project, container, language, names)
    except ConfigurationError as error:
        yield str(error)


def _documents(documents: list[Mapping[str, Any]], kind: str, names: frozenset[str]) -> Iterator[str]:
    if len(documents) > DOCUMENTS_MAX:
        yield f"{len(documents)} documents, Azure Language takes {DOCUMENTS_MAX} in a project"
    seen: set[str] = set()
    for entry in documents:
        name = str(entry["location"])
        if not name.endswith(".txt") or "/" in name or "\\" in name:
            yield f"{name!r}: expected a .txt file at the root of the container"
        if name.lower() in seen:
            yield f"{name!r} stands twice (names that differ by case alone count as one)"
        seen.add(name.lower())
        if entry.get("language") not in LANGUAGES | {"en"}:
            yield f"{name}: language {entry.get('language')!r} is not supported"
        if entry.get("dataset", "Train") not in ("Train", "Test"):
            yield f"{name}: dataset: expected Train or Test"
        yield from _labels(name, entry, kind, names)


def _labels(name: str, entry: Mapping[str, Any], kind: str, names: frozenset[str]) -> Iterator[str]:
    keys = keys_of(entry)
    unknown = sorted({key[0] for key in keys} - names)
    if unknown:
        yield f"{name}: label {unknown[0]!r} is not declared"
    if len(set(keys)) < len(keys):
        yield f"{name}: a label stands twice"
    if kind == KINDS[1] and ("class" not in entry or len(keys) != 1):
        yield f"{name}: expected exactly one class"
    elif kind == KINDS[2] and not entry.get("classes"):
        yield f"{name}: expected at least one class"
    elif kind == KINDS[0]:
        yield from _region(name, entry)


def _region(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if len(entry["entities"]) != 1 or entry["entities"][0]["regionOffset"] != 0:
        yield f"{name}: expected one region from 0 to the end of the text"
        return
    (region,) = entry["entities"]
    if not 1 <= region["regionLength"] <= TEXT_MAX:
        yield f"{name}: the text has {region['regionLength']} UTF-16 units, Azure Language takes 1 to {TEXT_MAX}"
    reached = 0
    for offset, length in sorted((label["offset"], label["length"]) for label in region["labels"]):
        if not 1 <= length <= ENTITY_MAX:
            yield f"{name}: a label at {offset} has {length} UTF-16 units, Azure Language takes 1 to {ENTITY_MAX}"
        if offset < 0 or offset + length > region["regionLength"]:
            yield f"{name}: a label at {offset} lies outside the text"
        if offset < reached:
            yield f"{name}: a label at {offset} overlaps another one, which no page of Azure allows"
        reached = max(reached, offset + length)
