"""Looking into a journal from outside a run: list, show, export and purge its runs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from llmlabel.engine.journal_file import connect, owner_lives
from llmlabel.errors import JournalError

__all__ = ["RunRecord", "StoredAnswer", "export_run", "list_runs", "purge_runs", "raw_answers", "show_run"]

RUNS = """SELECT runs.id, started, ended, owner, seen, fingerprint, config,
(SELECT count(*) FROM answers WHERE run=runs.id), (SELECT count(*) FROM sent WHERE run=runs.id AND state>0) FROM runs"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a journal.

    Attributes:
        id: Number of the run in this journal, from 1.
        started, ended: UTC; ``ended`` is None while it runs, and for a run that was killed.
        state: ``running``, ``finished`` or ``interrupted``.
        fingerprint: Of the labeler.
        answers: How many answers it stored that were not replaced since.
        unanswered: Requests sent without a stored answer: a resume may pay these a second time, and no others.
        outcomes: Documents by outcome, as far as they were recorded.
        config: What the run was started with, if that was recorded.
    """

    id: int
    started: datetime
    ended: datetime | None
    state: str
    fingerprint: str
    answers: int
    unanswered: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One stored answer: its request's key, the documents and question if texts are kept, and the answer as JSON."""

    key: bytes
    run: int
    at: datetime
    documents: tuple[str, ...]
    question: str | None
    answer: Mapping[str, object]


def _open(journal: str | Path) -> sqlite3.Connection:
    path = Path(journal)
    if not path.is_file():
        raise JournalError(f"journal {path}: there is no such file")
    return connect(path)[0]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def list_runs(journal: str | Path) -> list[RunRecord]:
    """Return the runs of a journal, oldest first.

    Raises:
        JournalError: The file is absent, not a journal, or too new.
    """
    with closing(_open(journal)) as database:
        return [_record(database, row) for row in database.execute(f"{RUNS} ORDER BY runs.id")]


def show_run(journal: str | Path, run: int) -> RunRecord:
    """Return one run.

    Raises:
        JournalError: The journal cannot be used, or has no such run.
    """
    with closing(_open(journal)) as database:
        row = database.execute(f"{RUNS} WHERE runs.id=?", (run,)).fetchone()
        if row is None:
            known = [str(number) for (number,) in database.execute("SELECT id FROM runs ORDER BY id")]
            raise JournalError(f"journal {journal}: has no run {run}; it has {', '.join(known) or 'none'}")
        return _record(database, row)


def _record(database: sqlite3.Connection, row: tuple[object, ...]) -> RunRecord:
    run, started, ended, owner, seen, fingerprint, config, answers, unanswered = row
    lives = ended is None and owner_lives(str(owner), float(str(seen)), time.time())
    counts = database.execute("SELECT outcome, count(*) FROM outcomes WHERE run=? GROUP BY outcome", (run,))
    return RunRecord(
        id=int(str(run)),
        started=_moment(float(str(started))),
        ended=None if ended is None else _moment(float(str(ended))),
        state="running" if lives else "interrupted" if ended is None else "finished",
        fingerprint=str(fingerprint),
        answers=int(str(answers)),
        unanswered=int(str(unanswered)),
        outcomes=dict(counts.fetchall()),
        config=None if config is None else json.loads(str(config)),
    )


def raw_answers(journal: str | Path) -> Iterator[tuple[bytes, str]]:
    """Yield the key and the answer's JSON text of every stored answer, unparsed."""
    with closing(_open(journal)) as database:
        yield from database.execute("SELECT key, answer FROM answers ORDER BY id")


def export_run(journal: str | Path, run: int | None = None) -> Iterator[StoredAnswer]:
    """Yield the stored answers of one run, or of all.

    Raises:
        JournalError: The journal cannot be used.
    """
    with closing(_open(journal)) as database:
        columns = "SELECT key, run, at, documents, question, answer FROM answers"
        rows = database.execute(f"{columns} WHERE :run IS NULL OR run=:run ORDER BY id", {"run": run})
        for key, number, at, documents, question, answer in rows:
            ids = () if documents is None else tuple(json.loads(documents))
            yield StoredAnswer(key, number, _moment(at), ids, question, json.loads(answer))


def purge_runs(journal: str | Path, *, run: int | None = None, before: datetime | None = None) -> int:
    """Delete answers for good (of one run, or stored before a moment; both: either) and return how many.

    The space is given back to the system and overwritten. Runs that are still running are refused.

    Raises:
        JournalError: The journal cannot be used, or one of its runs is still running.
    """
    if run is None and before is None:
        raise JournalError("purge: expected a run or a moment, found neither")
    moment = None if before is None else before.timestamp()
    with closing(_open(journal)) as database:
        running = [r.id for r in (_record(database, row) for row in database.execute(RUNS)) if r.state == "running"]
        if running:
            raise JournalError(f"journal {journal}: run {running[0]} is still running; purge when it has ended")
        database.execute("PRAGMA secure_delete=ON")
        database.execute("BEGIN IMMEDIATE")
        deleted = database.execute("DELETE FROM answers WHERE run=? OR at<?", (run, moment)).rowcount
        database.execute("DELETE FROM parts WHERE answer NOT IN (SELECT id FROM answers)")
        database.execute("DELETE FROM sent WHERE run=? OR at<?", (run, moment))
        database.execute("DELETE FROM outcomes WHERE run NOT IN (SELECT run FROM answers)")
        database.execute(
            "DELETE FROM runs WHERE id NOT IN (SELECT run FROM answers) AND (id=? OR started<?)", (run, moment)
        )
        database.execute("DELETE FROM batches WHERE run NOT IN (SELECT id FROM runs)")
        if database.execute("SELECT 1 FROM sqlite_master WHERE name='batch_documents'").fetchone():
            database.execute("DELETE FROM batch_documents WHERE run NOT IN (SELECT id FROM runs)")
        database.execute("COMMIT")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted
