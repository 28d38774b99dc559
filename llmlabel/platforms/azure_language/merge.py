"""Adding our labels to a project that people have worked on. Pure: two labels files in, one out.

Every label that is not provably ours is a person's and stays as it is, with all settings and unknown fields.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmlabel.platforms.azure_language.compare import Content, Key, declared_in, documents_of, key_of, keys_of
from llmlabel.platforms.azure_language.imported import Imported, ImportedDocument

_STANDS_THERE = "overlaps a label that stands there"
_DELETED = "a person deleted this label"
_OTHER_CLASS = "a person chose another class"
_REVIEWED = "a person reviewed this document before it was imported"
_REGION = "the document's labelled region is not its whole text"


@dataclass(slots=True)
class Merged:
    """The project as it is to be, and what that changes; ``ours`` is the manifest of it.

    ``added`` and ``replaced`` map locations to labels, ``held`` has (location, label, reason), ``unchanged`` counts
    labels of an earlier round that stand as imported: whether anyone has looked at them cannot be known.
    """

    content: dict[str, Any]
    ours: dict[str, ImportedDocument]
    added: dict[str, list[Key]] = field(default_factory=dict)
    replaced: dict[str, list[Key]] = field(default_factory=dict)
    held: list[tuple[str, Key, str]] = field(default_factory=list)
    new_documents: list[str] = field(default_factory=list)
    new_categories: list[str] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether there is anything to import."""
        return bool(self.added or self.replaced or self.new_documents or self.new_categories)


def merge(
    current: Content, ours: Content, imported: Imported, ids: Mapping[str, str], reviewed: Collection[str] = ()
) -> Merged:
    """Return ``current`` with our labels added.

    Args:
        current: The project as exported just now.
        ours: The labels file of the documents to add.
        imported: What we imported before, settled.
        ids: Our id of each location.
        reviewed: The locations whose labels a person made or reviewed before this.
    """
    merged = Merged(content=copy.deepcopy(dict(current)), ours=dict(imported.documents))
    merged.problems = _problems(current, ours)
    if merged.problems:
        return merged
    scope = set(declared_in(ours))
    _declare(merged, ours)
    there = documents_of(merged.content)
    merged.unchanged = sum(
        len(item.unreviewed & set(keys_of(there[name]))) for name, item in imported.documents.items() if name in there
    )
    documents = merged.content["assets"].setdefault("documents", [])
    for name, entry in documents_of(ours).items():
        mine = imported.documents.get(name)
        if name in there:
            known = mine or ImportedDocument(id=ids[name])
            _Document(merged, name, known, scope, name in reviewed).merge(there[name], entry)
        elif mine is not None:
            # The project had it from us: somebody took its labels away.
            bare = {key: value for key, value in entry.items() if key not in {"entities", "class", "classes"}}
            _Document(merged, name, mine, scope, name in reviewed).merge(bare, entry)
            if keys_of(bare):
                documents.append(bare)
        else:
            documents.append(copy.deepcopy(entry))
            merged.new_documents.append(name)
            merged.added[name] = keys_of(entry)
            merged.ours[name] = as_imported(ids[name], entry, scope if name in reviewed else ())
    return merged


def as_imported(identity: str, entry: Mapping[str, Any], reviewed: Collection[str] = ()) -> ImportedDocument:
    """Return the manifest's item of a document that the project has from us alone.

    Args:
        identity: Our id of it.
        entry: Its entry in the labels file.
        reviewed: The label types for which a person looked at it.
    """
    return ImportedDocument(id=identity, labels=tuple(sorted(keys_of(entry))), reviewed=tuple(sorted(reviewed)))


def metadata_problems(current: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return in what the metadata of two projects differ so that labels of one do not fit the other."""
    fields = (("projectKind", "project_kind="), ("storageInputContainerName", "container="))
    pairs = [(name, argument, str(current.get(name)), str(ours.get(name))) for name, argument in fields]
    return [
        f"the project has {name} {found!r}, given was {wanted!r}: change {argument}"
        for name, argument, found, wanted in pairs
        if found.lower() != wanted.lower()
    ]


def _problems(current: Content, ours: Content) -> list[str]:
    problems = metadata_problems(current["metadata"], ours["metadata"])
    if current.get("stringIndexType", "Utf16CodeUnit") != "Utf16CodeUnit":
        problems.append(f"the project counts in {current['stringIndexType']!r}, expected Utf16CodeUnit")
    return problems


def _declare(merged: Merged, ours: Content) -> None:
    assets = merged.content["assets"]
    part = "entities" if "entities" in ours["assets"] else "classes"
    known = set(declared_in(merged.content))
    new = [item for item in ours["assets"][part] if item["category"] not in known]
    if new:
        assets[part] = [*(assets.get(part) or ()), *copy.deepcopy(new)]
        merged.new_categories = [item["category"] for item in new]


@dataclass(slots=True)
class _Document:
    """One document that the project has already."""

    merged: Merged
    name: str
    mine: ImportedDocument
    scope: set[str]
    reviewed: bool

    def merge(self, there: dict[str, Any], entry: Mapping[str, Any]) -> None:
        if "entities" in entry:
            self._entities(there, entry)
        else:
            self._classes(there, entry)

    def _hold(self, key: Key, reason: str) -> None:
        self.merged.held.append((self.name, key, reason))

    def _note(self, added: list[Key], replaced: list[Key], labels: set[Key], removed: set[Key]) -> None:
        if added:
            self.merged.added[self.name] = added
        if replaced:
            self.merged.replaced[self.name] = replaced
        update: dict[str, Any] = {"labels": tuple(sorted(labels)), "removed": tuple(sorted(removed))}
        if self.reviewed:
            update["reviewed"] = tuple(sorted(self.scope | set(self.mine.reviewed)))
        self.merged.ours[self.name] = self.mine.model_copy(update=update)

    @property
    def _replaceable(self) -> set[Key]:
        """Our labels that a new round may replace; what a person reviewed gives way to a person's review only."""
        return set(self.mine.labels) if self.reviewed else self.mine.unreviewed

    def _entities(self, there: dict[str, Any], entry: Mapping[str, Any]) -> None:
        ours = entry["entities"][0]
        regions = there.get("entities") or []
        if not regions:
            regions = there["entities"] = [{**ours, "labels": []}]
        region, present = regions[0], set(keys_of(there))
        removed = (set(self.mine.labels) - present) | set(self.mine.removed)
        bounds = (region.get("regionOffset", 0), region.get("regionLength"))
        if len(regions) > 1 or bounds != (0, ours["regionLength"]):
            for label in ours["labels"]:
                if key_of(label) not in present:
                    self._hold(key_of(label), _REGION)
            self._note([], [], set(self.mine.labels) & present, removed)
            return
        wanted = {key_of(label): label for label in ours["labels"]}
        standing = region.get("labels") or []
        stale = {k for k in self._replaceable if k in present and k[0] in self.scope and k not in wanted}
        kept = [label for label in standing if key_of(label) not in stale]
        added = self._fitting(wanted, present, removed, [key_of(label) for label in kept])
        if added or stale:
            region["labels"] = [*kept, *(dict(wanted[key]) for key in added)]
        self._note(added, sorted(stale), (set(self.mine.labels) & present) - stale | set(added), removed)

    def _fitting(self, wanted: Mapping[Key, Any], present: set[Key], removed: set[Key], kept: list[Key]) -> list[Key]:
        """Return which of our labels can be added; the others are held back, unless they stand there already."""
        added = []
        for key in wanted:
            if key in present:
                continue
            if not self.reviewed and key[0] in self.mine.reviewed:
                self._hold(key, _REVIEWED)
            elif any(other[1] < key[1] + key[2] and key[1] < other[1] + other[2] for other in kept):
                self._hold(key, _STANDS_THERE)
            elif key in removed:
                self._hold(key, _DELETED)
            else:
                added.append(key)
        return added

    def _classes(self, there: dict[str, Any], entry: Mapping[str, Any]) -> None:
        present, wanted = set(keys_of(there)), keys_of(entry)
        mine = set(self.mine.labels)
        removed = (mine - present) | set(self.mine.removed)
        if present == set(wanted):
            self._note([], [], mine & present, removed)
        elif (not present and not mine) or (mine and present == mine == self._replaceable):
            there.update({name: copy.deepcopy(entry[name]) for name in ("class", "classes") if name in entry})
            stale = sorted(present - set(wanted))
            self._note([key for key in wanted if key not in present], stale, set(wanted), set(self.mine.removed))
        else:
            other = _REVIEWED if mine and present == mine else _OTHER_CLASS
            for key in wanted:
                if key not in present:
                    self._hold(key, _DELETED if key in removed else other)
            self._note([], [], mine & present, removed)
