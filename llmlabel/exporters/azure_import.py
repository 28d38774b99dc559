"""One project of Azure Language: what an import would change, the import, and the proof that it took place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from llmlabel.errors import ServiceError
from llmlabel.exporters.azure_facts import Training
from llmlabel.exporters.azure_restore import save_backup
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.compare import (
    Key,
    canonical,
    declared_in,
    differences,
    documents_of,
    keys_of,
    label_count,
)
from llmlabel.platforms.azure_language.imported import (
    Imported,
    load_imported,
    manifest_path,
)
from llmlabel.platforms.azure_language.limits import DOCUMENTS_MAX, LABELS_MAX
from llmlabel.platforms.azure_language.merge import Merged, as_imported, merge, metadata_problems

Existing = Literal["refuse", "merge", "overwrite"]
_SHOWN = 10


@dataclass(slots=True)
class ProjectImport:
    """Brings one project to a wanted state: ``prepare`` looks, ``publish`` acts.

    Args:
        client: Talks to the service.
        project: Name of the project.
        content: Our labels file.
        ids: Our id of each location in it.
        directory: Where manifest and backups lie.
        existing: What to do if there is such a project.
        reviewed: The locations whose labels a person made or reviewed.
    """

    client: AzureLanguageClient
    project: str
    content: dict[str, Any]
    ids: Mapping[str, str]
    directory: Path
    existing: Existing
    reviewed: frozenset[str] = frozenset()
    imported: Imported = field(init=False)
    before: dict[str, Any] | None = field(init=False, default=None)
    merged: Merged = field(init=False)

    @property
    def manifest(self) -> Path:
        """Where it is kept what we imported."""
        return manifest_path(self.directory, self.project)

    @property
    def changes(self) -> bool:
        """Whether the project is to be written."""
        return self.before is None or self.merged.changes

    def prepare(self) -> list[str]:
        """Read the project and work out what is to be written; return what forbids it."""
        self.imported = load_imported(self.manifest, self.client.endpoint, self.project)
        self.merged = self._fresh()
        if self.client.project(self.project) is None:
            # A project of this name that we imported is gone, and our labels with it.
            self.imported = Imported(endpoint=self.client.endpoint, project=self.project)
            return []
        self.before = self.client.export_project(self.project)
        known = bool(self.imported.documents or self.imported.pending)
        self.imported = self.imported.settled(self.before)
        if self.existing == "merge":
            self.merged = merge(self.before, self.content, self.imported, self.ids, self.reviewed)
            return [*self.merged.problems, *self._too_much()]
        if known and not differences(self.content, self.before):
            self.merged = self._fresh(changes=False)
            return []
        if self.existing == "overwrite":
            return []
        return [refused(self.project)]

    def human(self) -> set[str]:
        """Return the names of the documents that have labels of people, which an import would keep."""
        if self.before is None or self.existing == "overwrite":
            return set()
        return labelled_by_people(self.before, self.imported)

    def _fresh(self, *, changes: bool = True) -> Merged:
        """Return the state of a project that holds nothing but our labels."""
        entries = documents_of(self.content)
        scope = declared_in(self.content)
        ours = {
            name: as_imported(self.ids[name], entry, scope if name in self.reviewed else ())
            for name, entry in entries.items()
        }
        merged = Merged(content=self.content, ours=ours)
        if changes:
            merged.added = {name: keys_of(entry) for name, entry in entries.items()}
            merged.new_documents, merged.new_categories = list(entries), scope
        return merged

    def _too_much(self) -> list[str]:
        documents, labels = len(documents_of(self.merged.content)), len(declared_in(self.merged.content))
        problems = []
        if documents > DOCUMENTS_MAX:
            problems.append(
                f"the merged project would have {documents} documents, Azure Language takes {DOCUMENTS_MAX}"
            )
        if labels > LABELS_MAX:
            problems.append(f"the merged project would declare {labels} labels, Azure Language takes {LABELS_MAX}")
        return problems

    def publish(self) -> list[str]:
        """Import what ``prepare`` found, and prove by an export that the labels stand there; return notes.

        Raises:
            ServiceError: The project changed since ``prepare``, the service refused, or it stores other labels.
        """
        if not self.changes:
            self._save(pending=False)
            return []
        notes = [f"backup of the project before: {self._backup()}"] if self.before is not None else []
        self._save(pending=True)
        self._check_unchanged()
        # What is ours was checked; what the project had already stays as it is, whatever it is.
        job = self.client.import_project(self.project, self.merged.content, check=False)
        found = self.client.export_project(self.project)
        lines = differences(self.merged.content, found)
        if lines:
            shown = "".join(f"\n  - {line}" for line in lines[:_SHOWN])
            raise ServiceError(
                f"Azure Language: project {self.project!r} does not hold what was imported, {len(lines)} "
                f"difference(s):{shown}\nsomebody may have changed it meanwhile; run again with existing='merge'"
            )
        self._save(pending=False)
        entries = documents_of(self.merged.content).values()
        verified = f"verified by export: {label_count(entries)} label(s) in {len(entries)} document(s) as sent"
        return [*notes, *job.notes(), verified]

    def described(self) -> list[str]:
        """Return what the import changes, and what the project then lacks for training, in words."""
        lines = (
            self._changes_in_words()
            if self.changes
            else [f"project {self.project!r} has these labels already; nothing was imported"]
        )
        return [*lines, *Training.of(self.merged.content).notes()]

    def _changes_in_words(self) -> list[str]:
        merged = self.merged
        added, replaced = (sum(map(len, part.values())) for part in (merged.added, merged.replaced))
        lines = [
            f"project {self.project!r}: {'new' if self.before is None else self.existing}; {added} label(s) in "
            f"{sum(map(bool, merged.added.values()))} document(s) added, {len(merged.new_documents)} document(s) new"
        ]
        if merged.new_categories and self.before is not None:
            lines.append(f"new labels declared: {', '.join(merged.new_categories[:20])}")
        if replaced:
            lines.append(f"{replaced} label(s) of an earlier import replaced")
        if self.existing == "overwrite" and self.before is not None:
            gone = label_count(documents_of(self.before).values())
            lines.append(f"all {gone} label(s) that the project had are replaced; they are in the backup")
        if merged.held:
            lines.append(f"{len(merged.held)} label(s) held back where people had labelled")
        if merged.unchanged:
            lines.append(f"{merged.unchanged} label(s) of an earlier import were found unchanged (review unknown)")
        return lines

    def changed(self) -> Iterator[str]:
        """Yield one line of JSON for each document that changes: labels added, replaced, and held back with reasons."""
        merged = self.merged
        held: dict[str, list[dict[str, Any]]] = {}
        for name, key, reason in merged.held:
            held.setdefault(name, []).append({**_label(key), "reason": reason})
        for name in dict.fromkeys([*merged.added, *merged.replaced, *held]):
            yield json.dumps(
                {
                    "id": self.ids[name],
                    "location": name,
                    "added": _labels(merged.added.get(name, ())),
                    "replaced": _labels(merged.replaced.get(name, ())),
                    "held_back": held.get(name, []),
                },
                ensure_ascii=False,
            )

    def _check_unchanged(self) -> None:
        now = None if self.client.project(self.project) is None else self.client.export_project(self.project)
        same = now is None if self.before is None else (now is not None and canonical(now) == canonical(self.before))
        if not same:
            raise ServiceError(
                f"Azure Language: somebody changed project {self.project!r} while this export ran; nothing was "
                "imported, run again",
                retryable=True,
            )

    def _save(self, *, pending: bool) -> None:
        if pending:
            self.imported.model_copy(update={"pending": self.merged.ours}).save(self.manifest)
        else:
            self.imported.model_copy(update={"documents": self.merged.ours, "pending": None}).save(self.manifest)

    def _backup(self) -> Path:
        assert self.before is not None
        return save_backup(self.directory, self.project, self.before, self.imported)


def preflight(
    client: AzureLanguageClient, project: str, metadata: Mapping[str, str], directory: Path, existing: Existing
) -> list[str]:
    """Return what forbids any import into a project, as far as that is known before there are labels.

    Args:
        client: Talks to the service.
        project: Name of the project.
        metadata: Its kind and container as they are to be.
        directory: Where the manifest lies.
        existing: What to do if there is such a project.
    """
    imported = load_imported(manifest_path(directory, project), client.endpoint, project)
    found = client.project(project)
    if found is None:
        return []
    if existing == "merge":
        return metadata_problems(found, metadata)
    known = bool(imported.documents or imported.pending)
    return [refused(project)] if existing == "refuse" and not known else []


def refused(project: str) -> str:
    """Return why a project that exists is not written."""
    return (
        f"project {project!r} exists, and an import replaces all of it; choose existing='merge' to add labels and keep "
        "what people did, existing='overwrite' to replace it (a backup is kept), or another name"
    )


def labelled_by_people(content: Mapping[str, Any], imported: Imported) -> set[str]:
    """Return the names of the documents of a project that have labels which are not ours."""
    ours = {name: item.unreviewed for name, item in imported.documents.items()}
    return {name for name, entry in documents_of(content).items() if set(keys_of(entry)) - ours.get(name, set())}


def _label(key: Key) -> dict[str, Any]:
    return {"category": key[0]} if key[1] < 0 else {"category": key[0], "offset": key[1], "length": key[2]}


def _labels(keys: Iterable[Key]) -> list[dict[str, Any]]:
    return [_label(key) for key in keys]
