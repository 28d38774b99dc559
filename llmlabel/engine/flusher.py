"""The thread beside the journal: brings its log to the disk, and writes what the event loop may not wait for."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path

from llmlabel.errors import JournalError

__all__ = ["Flusher", "Statement"]

Statement = tuple[str, tuple[object, ...]]
LINGER = 0.007  # seconds in which answers are collected for one flush
HEARTBEAT = 5.0
CHECKPOINT = 2_000  # answers after which the log, about 30 MB by then, is folded into the file


class Flusher:
    """Groups what happened within a few milliseconds into one write to the disk, and says when it is there."""

    def __init__(self, path: Path, logged: bool, run: int) -> None:
        self.path = path
        self.behind = 0  # statements handed over and not yet committed: later ones must queue behind them
        self._logged = logged
        self._run = run
        self._work = threading.Event()
        self._lock = threading.Lock()
        self._statements: list[Statement] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answers = 0
        self._closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="llmlabel-journal", daemon=True)
        self._thread.start()

    def on_disk(self) -> asyncio.Future[None]:
        """Return a future that is done when all that was committed or handed over before is on the disk."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = self._loop.create_future()
        with self._lock:
            self._waiting.append(future)
            self._answers += 1
        self._work.set()
        if self._failure is not None:
            self._fail(self._failure)
        return future

    def write(self, statements: list[Statement]) -> None:
        """Hand over statements that the loop's own connection could not write at once."""
        with self._lock:
            self._statements += statements
            self.behind += len(statements)
        self._work.set()

    def close(self) -> None:
        """Flush, fold the log into the file, end the thread. Blocks.

        Raises:
            JournalError: Something could not be written.
        """
        self._closing = True
        self._work.set()
        self._thread.join()
        if self._failure is not None:
            raise JournalError(f"journal {self.path}: {self._failure}") from self._failure

    def _main(self) -> None:
        try:
            database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            database.execute("PRAGMA synchronous=FULL")
            database.execute("PRAGMA wal_autocheckpoint=0")
            log = os.open(f"{self.path}-wal", os.O_RDWR) if self._logged else None
            _names_to_disk(self.path.parent)
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return
        try:
            self._serve(database, log)
            if self._logged:
                database.execute("PRAGMA busy_timeout=1000")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
        finally:
            if log is not None:
                os.close(log)
            database.close()

    def _serve(self, database: sqlite3.Connection, log: int | None) -> None:
        beat = time.monotonic()
        while True:
            called = self._work.wait(timeout=HEARTBEAT)
            if called and not self._closing:
                time.sleep(LINGER)
            self._work.clear()
            closing = self._closing
            if time.monotonic() - beat > HEARTBEAT:
                beat = time.monotonic()
                self.write([("UPDATE runs SET seen=? WHERE id=?", (time.time(), self._run))])
            self._flush(database, log)
            if self._logged and self._answers > CHECKPOINT:
                self._answers = 0
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if closing:
                return

    def _flush(self, database: sqlite3.Connection, log: int | None) -> None:
        with self._lock:
            statements, self._statements = self._statements, []
            waiting, self._waiting = self._waiting, []
        try:
            if statements:
                database.execute("BEGIN IMMEDIATE")
                for statement, values in statements:
                    database.execute(statement, values)
                database.execute("COMMIT")
                with self._lock:
                    self.behind -= len(statements)
            if log is not None and waiting:
                _to_disk(log)
        except (sqlite3.Error, OSError):
            with self._lock:
                self._waiting = waiting + self._waiting
            raise
        self._tell(waiting, None)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        with self._lock:
            waiting, self._waiting = self._waiting, []
        self._tell(waiting, error)

    def _tell(self, waiting: list[asyncio.Future[None]], error: BaseException | None) -> None:
        if waiting and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, waiting, error)

    def _resolve(self, waiting: list[asyncio.Future[None]], error: BaseException | None) -> None:
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(JournalError(f"journal {self.path}: {error}"))


def _to_disk(log: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(log, fcntl.F_FULLFSYNC)  # fsync alone stops at the drive's cache
    elif hasattr(os, "fdatasync"):
        os.fdatasync(log)
    else:
        os.fsync(log)


def _names_to_disk(folder: Path) -> None:
    """Bring to the disk that the files of a new journal are in their folder."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
