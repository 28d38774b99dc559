"""What we imported into a project: only labels that still equal it are ours to replace."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.azure_language.compare import Content, Key, documents_of, keys_of
from llmlabel.types import Value, explain


class ImportedDocument(Value):
    """One document: its id with us, the labels that we imported, and those of them that a person removed.

    ``reviewed`` are the label types for which a person had looked at the document before we imported it: labels of
    these types are that person's, though we brought them.
    """

    id: str
    labels: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    reviewed: tuple[str, ...] = ()

    @property
    def unreviewed(self) -> set[Key]:
        """The labels that no person had looked at when we imported them."""
        return {key for key in self.labels if key[0] not in self.reviewed}


class Imported(Value):
    """The manifest of a project, by location; ``pending`` is what an import that may not have ended leaves behind."""

    format: Literal["llmlabel azure-import"] = "llmlabel azure-import"
    version: Literal[1] = 1
    endpoint: str
    project: str
    documents: dict[str, ImportedDocument] = {}
    pending: dict[str, ImportedDocument] | None = None

    def save(self, path: Path) -> None:
        """Write the manifest in one step, so that a crash leaves the old one or the new one."""
        write_whole(path, (self.model_dump_json(indent=1) + "\n").encode())

    def settled(self, current: Content) -> Imported:
        """Return the manifest without ``pending``: the project tells whether that import took place."""
        if self.pending is None:
            return self
        there = {name: set(keys_of(entry)) for name, entry in documents_of(current).items()}
        took_place = self._took_place(there)
        return self.model_copy(update={"documents": self.pending if took_place else self.documents, "pending": None})

    def _took_place(self, there: dict[str, set[Key]]) -> bool:
        assert self.pending is not None
        before = {name: set(item.labels) for name, item in self.documents.items()}
        added = {(n, key) for n, item in self.pending.items() for key in item.labels if key not in before.get(n, ())}
        if added:
            return any(key in there.get(name, ()) for name, key in added)
        gone = {(n, key) for n, keys in before.items() for key in keys - set(self.pending[n].labels)}
        return all(key not in there.get(name, ()) for name, key in gone)


def manifest_path(directory: Path, project: str) -> Path:
    """Return where the manifest of a project lies."""
    return directory / f"imported-{project}.json"


def load_imported(path: Path, endpoint: str, project: str) -> Imported:
    """Return the manifest of a project, an empty one if there is none yet.

    Raises:
        ConfigurationError: The file is not a manifest, or belongs to another project.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Imported(endpoint=endpoint, project=project)
    try:
        found = Imported.model_validate_json(content)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: not a manifest of an import: {explain(error)}", path=str(path)) from None
    if (found.endpoint, found.project) != (endpoint, project):
        raise ConfigurationError(
            f"{path}: belongs to project {found.project!r} of {found.endpoint}, not to {project!r} of {endpoint}; "
            "choose another directory",
            path=str(path),
        )
    return found


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step, on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
