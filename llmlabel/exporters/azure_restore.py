"""Backups of projects of Azure Language, and making a project again what it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmlabel.errors import ExportError, ServiceError
from llmlabel.exporters.publish import dump
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.compare import differences, documents_of, keys_of
from llmlabel.platforms.azure_language.imported import (
    Imported,
    load_imported,
    manifest_path,
    write_whole,
)

BACKUPS, MANIFESTS = "backups", "manifests"


def save_backup(directory: Path, project: str, content: Mapping[str, Any], imported: Imported) -> Path:
    """Write an exported project to a new file, and beside it which labels were ours; return the file's path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = f"{project}-{stamp}.json"
    imported.save(directory / MANIFESTS / name)
    write_whole(directory / BACKUPS / name, dump(content))
    return directory / BACKUPS / name


def restore(client: AzureLanguageClient, backup: str | Path, *, directory: str | Path | None = None) -> list[str]:
    """Import a backup, replacing the project by what it was then; what it is now is saved first.

    The manifest of what is ours becomes what it was, too: a label that the restored project does not have was not
    deleted by a person.

    Args:
        client: Talks to the service.
        backup: A file that ``AzureLanguageExporter`` saved, or any labels file with its project's name.
        directory: The exporter's directory, where the present state is saved; default: that of the backup.

    Raises:
        ExportError: The file is not a labels file of a project.
        ServiceError: The service refused it.
    """
    place = Path(backup)
    try:
        content = json.loads(place.read_bytes())
        project = str(content["metadata"]["projectName"])
        documents = documents_of(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ExportError(TARGET, [f"{place.name}: not a readable labels file of a project"]) from None
    home = Path(directory or place.parent.parent)
    path = manifest_path(home, project)
    now = load_imported(path, client.endpoint, project)
    notes = []
    if client.project(project) is not None:
        before = client.export_project(project)
        now = now.settled(before)
        notes.append(f"backup of the project before: {save_backup(home, project, before, now)}")
    then = _imported_then(home / MANIFESTS / place.name, now, content)
    known = path.exists() or bool(then.documents)
    if known:
        now.model_copy(update={"pending": then.documents}).save(path)
    job = client.import_project(project, content, check=False)
    lines = differences(content, client.export_project(project))
    if lines:
        raise ServiceError(f"Azure Language: project {project!r} does not hold what was restored: {lines[0]}")
    if known:
        then.save(path)
    return [*notes, *job.notes(), f"project {project!r} restored: {len(documents)} document(s)"]


def _imported_then(path: Path, now: Imported, content: Mapping[str, Any]) -> Imported:
    """Return the manifest of a backup: as saved with it, or the part of the present one that the backup has."""
    if path.exists():
        return load_imported(path, now.endpoint, now.project)
    there = {name: set(keys_of(entry)) for name, entry in documents_of(content).items()}
    documents = {
        name: item.model_copy(update={"labels": tuple(key for key in item.labels if key in there[name])})
        for name, item in now.documents.items()
        if name in there
    }
    return now.model_copy(update={"documents": documents, "pending": None})
