"""What a journal keeps of provider batch jobs, so that another process can collect what this one submitted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from llmlabel.engine.journal_file import connect

__all__ = ["COLLECTED", "LOST", "STORED", "BatchStore", "StoredJob"]

# States of our own beside the provider's: no job was found under the label; answers stored and files dealt with.
LOST, STORED, COLLECTED = "lost", "stored", "collected"  # stored: the provider may still have its files

# Made when first needed: journals without batch jobs, also those of earlier versions, do without it.
DOCUMENTS = """CREATE TABLE IF NOT EXISTS batch_documents (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, document TEXT NOT NULL)"""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """One job of a run: our label, the provider's id once it is known, the last state seen, the keys it asks for."""

    label: str
    job: str | None
    state: str
    keys: tuple[bytes, ...]


class BatchStore:
    """The batch jobs of a journal; a connection of its own, for use as a context manager."""

    def __init__(self, journal: str | Path) -> None:
        self._database = connect(Path(journal))[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def keep_documents(self, run: int, documents: Iterable[str]) -> None:
        """Keep the documents of a run, each as JSON, in their order."""
        self._database.execute(DOCUMENTS)
        self._database.execute("BEGIN IMMEDIATE")
        rows = ((run, document) for document in documents)
        self._database.executemany("INSERT INTO batch_documents(run, document) VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def documents(self, run: int) -> list[str]:
        """Return the documents of a run; none if they were not kept."""
        self._database.execute(DOCUMENTS)
        rows = self._database.execute("SELECT document FROM batch_documents WHERE run=? ORDER BY id", (run,))
        return [document for (document,) in rows]

    def add(self, run: int, label: str, keys: Sequence[bytes]) -> None:
        """Note that a job is about to be submitted."""
        row = (run, label, "submitting", json.dumps([key.hex() for key in keys]))
        self._database.execute("INSERT INTO batches(run, label, state, keys) VALUES (?, ?, ?, ?)", row)

    def update(self, label: str, job: str | None, state: str) -> None:
        """Note the job's id and state."""
        self._database.execute("UPDATE batches SET job=?, state=? WHERE label=?", (job, state, label))

    def jobs(self, run: int) -> list[StoredJob]:
        """Return the jobs of a run in the order of submission."""
        rows = self._database.execute("SELECT label, job, state, keys FROM batches WHERE run=? ORDER BY id", (run,))
        return [
            StoredJob(label, job, state, tuple(bytes.fromhex(key) for key in json.loads(keys)))
            for label, job, state, keys in rows
        ]

    def open_keys(self) -> dict[bytes, int]:
        """Return the requests of jobs whose answers are not stored yet, each with its run."""
        closed = (LOST, STORED, COLLECTED)
        rows = self._database.execute("SELECT run, keys FROM batches WHERE state NOT IN (?, ?, ?)", closed)
        return {bytes.fromhex(key): run for run, keys in rows for key in json.loads(keys)}

    def runs(self) -> list[int]:
        """Return the runs that have batch jobs."""
        return [run for (run,) in self._database.execute("SELECT DISTINCT run FROM batches ORDER BY run")]
