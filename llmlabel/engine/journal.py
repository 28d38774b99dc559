"""The journal: every answer is stored before it is used, so that no answer is paid for twice.

An answer is committed in the same step of the event loop in which it arrived: from then on it survives the death of
the process. A thread brings the log to the disk for all answers of the last few milliseconds together; the answer is
used after that, so it survives a power cut as well. (A commit with ``synchronous=FULL`` would do both at once, but
leave the answers of a group commit unprotected for as long as the group is collected.)
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from llmlabel.engine.flusher import Flusher, Statement
from llmlabel.engine.journal_file import connect, describe_owner, owner_lives, temporary
from llmlabel.errors import JournalError

__all__ = ["Found", "Journal"]

FIND = """SELECT answer, 0 FROM answers WHERE key=:key
UNION ALL SELECT answers.answer, 0 FROM parts JOIN answers ON answers.id=parts.answer WHERE parts.key=:key
UNION ALL SELECT NULL, run FROM sent WHERE key=:key AND run<>:run AND state<>2 LIMIT 1"""
STORE = """INSERT INTO answers(key, run, at, documents, question, answer) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO
UPDATE SET run=excluded.run, at=excluded.at, documents=excluded.documents, question=excluded.question,
answer=excluded.answer"""
PART = """INSERT INTO parts(key, answer, document) SELECT ?, id, ? FROM answers WHERE key=? ON CONFLICT(key) DO
UPDATE SET answer=excluded.answer, document=excluded.document"""
# State of a row of ``sent``: 0 leased, 1 sent, 2 sent and given up without an answer, 3 sent once and leased again.
# All but 0 may have been paid.
LEASE = """INSERT INTO sent(key, run, at, state) SELECT :key, :run, :at, 0
WHERE NOT EXISTS (SELECT 1 FROM answers WHERE key=:key) ON CONFLICT(key) DO
UPDATE SET run=:run, at=:at, state=CASE state WHEN 0 THEN 0 ELSE 3 END WHERE run=:run OR run=:dead OR state=2"""
SENT = """INSERT INTO sent(key, run, at, state) VALUES (?, ?, ?, 1) ON CONFLICT(key) DO
UPDATE SET run=excluded.run, at=excluded.at, state=1"""
RELEASE = "DELETE FROM sent WHERE key=? AND run=? AND state=0"
GIVE_UP = "UPDATE sent SET state=2 WHERE key=? AND run=?"
FORGET = "DELETE FROM sent WHERE key=?"
OUTCOME = """INSERT INTO outcomes(run, document, outcome) VALUES (?, ?, ?) ON CONFLICT(run, document) DO
UPDATE SET outcome=excluded.outcome"""


class Found(NamedTuple):
    """What the journal knows of a request: the stored answer, or that another process is asking it right now."""

    answer: str | None
    leased: bool


class Journal:
    """Answers by request key, in one SQLite file; without a path in a temporary one, gone when closed.

    Belongs to one event loop. Several processes may use one file: each leases the requests it has sent.

    Args:
        path: The file; made if absent, with mode 0600.
        fingerprint: Of the labeler, to describe the run.
        store_text: Whether questions and document ids are kept, beside hashes and answers.

    Raises:
        JournalError: The file is not a journal, too new, unreadable, or on a network file system.
    """

    def __init__(self, path: str | Path | None, *, fingerprint: str = "", store_text: bool = True) -> None:
        self.path = None if path is None else Path(path)
        self.store_text = store_text
        self.broken: JournalError | None = None
        self._logged = False
        if self.path is None:
            self._database = temporary()
        else:
            self._database, self._logged = connect(self.path)
            self._database.execute("PRAGMA busy_timeout=20")  # longer waits are left to the flusher's thread
        self._process = os.getpid()
        # Who labels one text closes nothing: from Python 3.13 on, a forgotten database is a warning.
        weakref.finalize(self, _close, self._database, self._process)
        self._pending: list[Statement] = []
        self._scheduled = False
        self._wanted: dict[asyncio.Future[Found], bytes] = {}
        self._leases: dict[int, tuple[float, bool]] = {}
        self.run = self._begin_run(fingerprint)
        self._flusher = None if self.path is None else Flusher(self.path, self._logged, self.run)

    def _begin_run(self, fingerprint: str) -> int:
        now = time.time()
        row = (describe_owner(), now, now, fingerprint)
        statement = "INSERT INTO runs(owner, started, seen, fingerprint) VALUES (?, ?, ?, ?)"
        deadline = time.monotonic() + 30
        while True:
            try:
                return int(self._database.execute(statement, row).lastrowid or 0)
            except sqlite3.OperationalError as error:
                if not _busy(error) or time.monotonic() > deadline:
                    raise self._failure(error) from error

    def describe(self, config: Mapping[str, object]) -> None:
        """Keep what a later ``llmlabel runs resume`` needs to start this run again."""
        self._later("UPDATE runs SET config=? WHERE id=?", (json.dumps(config), self.run))

    async def find(self, key: bytes, *, lease: bool = False) -> Found:
        """Return the stored answer to a request, also one that was asked together with others.

        With ``lease``, a request that has no answer and that nobody else is asking is ours from here on.
        """
        if lease and self._logged and not self.broken:
            loop = asyncio.get_running_loop()
            leased: asyncio.Future[Found] = loop.create_future()
            if not self._wanted:
                loop.call_soon(self._lease_wanted, loop)
            self._wanted[leased] = key
            return await leased
        while True:
            try:
                return self._look(key)[0]
            except sqlite3.OperationalError as error:
                if not _busy(error):
                    raise self._failure(error) from error
                await asyncio.sleep(0.02)

    def _look(self, key: bytes) -> tuple[Found, int | None]:
        """Return what is known of a request, and which dead run had it."""
        answer, run = self._database.execute(FIND, {"key": key, "run": self.run}).fetchone() or (None, None)
        return Found(answer, answer is None and run is not None and self._lives(run)), run

    def _lease_wanted(self, loop: asyncio.AbstractEventLoop) -> None:
        """Find or take, in one transaction, what was wanted in the last step of the loop."""
        wanted = {future: key for future, key in self._wanted.items() if not future.done()}  # the others were cancelled
        if not wanted:
            self._wanted = {}
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            found = {future: self._find_or_lease(key) for future, key in wanted.items()}
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if _busy(error):
                loop.call_later(0.02, self._lease_wanted, loop)
                return
            failure = self._failure(error)
            for future in wanted:
                future.set_exception(failure)
        else:
            for future, known in found.items():
                future.set_result(known)
        self._wanted = {}

    def _find_or_lease(self, key: bytes) -> Found:
        found, dead = self._look(key)
        if found.answer is None and not found.leased:
            self._database.execute(LEASE, {"key": key, "run": self.run, "at": time.time(), "dead": dead})
        return found

    def _lives(self, run: int) -> bool:
        now = time.monotonic()
        checked, lives = self._leases.get(run, (-60.0, False))
        if now - checked > 1:
            row = self._database.execute("SELECT owner, seen, ended FROM runs WHERE id=?", (run,)).fetchone()
            lives = row is not None and row[2] is None and owner_lives(row[0], row[1], time.time())
            self._leases[run] = (now, lives)
        return lives

    def sent(self, key: bytes) -> None:
        """Note that the request is sent: it may be paid from here on."""
        self._later(SENT, (key, self.run, time.time()))

    def release(self, key: bytes) -> None:
        """Let others ask the request; that it was sent, and brought no answer, stays on record."""
        self._later(RELEASE, (key, self.run))
        self._later(GIVE_UP, (key, self.run))

    def forget(self, key: bytes) -> None:
        """Note that the request brought no answer."""
        self._later(FORGET, (key,))

    def record(self, document_id: str, outcome: str) -> None:
        """Note what became of a document."""
        name = document_id if self.store_text else hashlib.sha256(document_id.encode()).hexdigest()
        self._later(OUTCOME, (self.run, name, outcome))

    def store(
        self,
        key: bytes,
        answer: str,
        *,
        documents: Iterable[str] = (),
        question: str = "",
        parts: Mapping[str, bytes] = {},
    ) -> asyncio.Future[None] | None:
        """Commit an answer; the future is done when it is on the disk (None: there is nothing to wait for).

        Raises:
            JournalError: It cannot be stored, for example because the disk is full.
        """
        if self.broken is not None:
            raise self.broken
        names = json.dumps(list(documents)) if self.store_text else None
        row = (key, self.run, time.time(), names, question if self.store_text else None, answer)
        statements: list[Statement] = [(STORE, row)]
        for document, part in parts.items():
            statements.append((PART, (part, document if self.store_text else None, key)))
        self._write(statements)  # alone and at once; what can wait follows at the end of the loop's step
        self._later(FORGET, (key,))
        return None if self._flusher is None else self._flusher.on_disk()

    def _later(self, statement: str, values: tuple[object, ...]) -> None:
        if self.path is None:
            return
        self._pending.append((statement, values))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._commit_quietly)

    def _commit_quietly(self) -> None:
        self._scheduled = False
        try:
            self._commit()
        except JournalError as error:
            self.broken = error

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            self._write(pending)

    def _write(self, statements: list[Statement]) -> None:
        if os.getpid() != self._process:
            raise JournalError("the journal was opened before a fork; make the pipeline in the process that uses it")
        if self._flusher is not None and (not self._logged or self._flusher.behind):
            self._flusher.write(statements)
            return
        database = self._database
        try:
            if len(statements) == 1:
                database.execute(*statements[0])
                return
            database.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                database.execute(statement, values)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            if self._flusher is not None and _busy(error):
                self._flusher.write(statements)
                return
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> JournalError:
        where = "temporary journal" if self.path is None else f"journal {self.path}"
        self.broken = JournalError(f"{where}: {error}; answers can no longer be stored, so the run stops asking")
        return self.broken

    async def aclose(self) -> None:
        """Bring everything to the disk, fold the log into the file, close."""
        if self._process != os.getpid():
            return
        try:
            if self.path is not None and self.broken is None:
                self._later("UPDATE runs SET ended=?, seen=? WHERE id=?", (time.time(), time.time(), self.run))
                self._commit_quietly()
            if self._flusher is not None:
                await asyncio.to_thread(self._flusher.close)
        finally:
            self._database.close()


def _close(database: sqlite3.Connection, process: int) -> None:
    if process == os.getpid():  # a forked child that closes it would fold the log of its parent
        database.close()


def _busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
