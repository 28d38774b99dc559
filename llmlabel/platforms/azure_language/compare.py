"""Labels files side by side: what stands in one and not in the other. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Category, offset and length in UTF-16 units; a class stands for the whole text.
Key = tuple[str, int, int]
_WHOLE = (-1, 0)
Content = Mapping[str, Any]


def key_of(label: Mapping[str, Any]) -> Key:
    """Return what makes a label the same one."""
    return (str(label.get("category")), int(label.get("offset", _WHOLE[0])), int(label.get("length", _WHOLE[1])))


def keys_of(entry: Mapping[str, Any]) -> list[Key]:
    """Return the labels of one entry of ``documents``, whatever the kind of the project."""
    if "class" in entry:
        return [key_of(entry["class"])] if entry["class"] else []
    if "classes" in entry:
        return [key_of(item) for item in entry["classes"] or ()]
    return [key_of(label) for region in entry.get("entities") or () for label in region.get("labels") or ()]


def documents_of(content: Content) -> dict[str, dict[str, Any]]:
    """Return the entries of ``documents`` by location."""
    return {str(entry.get("location")): entry for entry in content["assets"].get("documents") or ()}


def declared_in(content: Content) -> list[str]:
    """Return the entity types or classes that a project declares."""
    assets = content["assets"]
    return [item["category"] for item in assets.get("entities") or assets.get("classes") or ()]


def label_count(entries: Iterable[Mapping[str, Any]]) -> int:
    """Return how many labels some documents have."""
    return sum(len(keys_of(entry)) for entry in entries)


def canonical(content: Content) -> str:
    """Return a spelling that is equal for equal projects, whatever the order of their documents."""
    assets = {**content["assets"], "documents": list(dict(sorted(documents_of(content).items())).values())}
    return json.dumps({**content, "assets": assets}, sort_keys=True)


def differences(sent: Content, found: Content) -> list[str]:
    """Return one line per document whose labels are not as sent, and per label type that is not declared.

    A document without labels that the service left out is no difference: it says nothing of such documents.
    """
    lines = [f"{name!r} is not declared" for name in declared_in(sent) if name not in declared_in(found)]
    kinds = [str(content["assets"].get("projectKind")).lower() for content in (sent, found)]
    if kinds[0] != kinds[1]:
        lines.append(f"the kind is {kinds[1]}, sent was {kinds[0]}")
    ours, theirs = documents_of(sent), documents_of(found)
    lines += [line for name, entry in ours.items() for line in _difference(name, entry, theirs.get(name))]
    return lines + [f"{name}: was not sent" for name in theirs if name not in ours]


def _difference(name: str, sent: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterator[str]:
    wanted = Counter(keys_of(sent))
    if found is None:
        if wanted:
            yield f"{name}: is missing with its {wanted.total()} label(s)"
        return
    there = Counter(keys_of(found))
    missing, more = (wanted - there).total(), (there - wanted).total()
    if missing or more:
        yield f"{name}: {missing} label(s) missing, {more} that were not sent"
