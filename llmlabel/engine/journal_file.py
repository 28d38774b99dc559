"""Opening a journal: a SQLite file of our own, checked before it is touched, private to its owner."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from llmlabel.errors import JournalError

__all__ = ["connect", "describe_owner", "owner_lives", "temporary"]

APPLICATION_ID = 0x6C6C6D6C  # "llml"
VERSION = 1
MAGIC = b"SQLite format 3\x00"
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "fuse.sshfs"}
)
# Shared folders of virtual machines and containers, and whatever a program serves: there may be no shared memory.
NO_LOG = ("9p", "virtiofs", "fakeowner", "vboxsf", "vmhgfs", "fuse.")

SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, started REAL NOT NULL, seen REAL NOT NULL, ended REAL,
    fingerprint TEXT NOT NULL, config TEXT);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, run INTEGER NOT NULL, at REAL NOT NULL, documents TEXT,
    question TEXT, answer TEXT NOT NULL);
CREATE TABLE parts (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, answer INTEGER NOT NULL, document TEXT);
CREATE TABLE sent (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, run INTEGER NOT NULL, at REAL NOT NULL, state INTEGER NOT NULL);
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, document TEXT NOT NULL, outcome TEXT NOT NULL,
    UNIQUE (run, document));
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, label TEXT NOT NULL UNIQUE, job TEXT, state TEXT NOT NULL,
    keys TEXT NOT NULL);
"""


def connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Return a connection to the journal at ``path``, made if absent, and whether it has a write-ahead log.

    Raises:
        JournalError: Not a journal, written by a newer version, unreadable, or on a network file system.
    """
    _check_place(path)
    try:
        if not path.exists() or not path.stat().st_size:
            _create(path)
        _check_header(path)
        path.chmod(0o600)
        database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            mode = "DELETE" if (file_system(path.parent) or "").startswith(NO_LOG) else "WAL"
            logged: bool = database.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] == "wal"
            database.execute(f"PRAGMA synchronous={'NORMAL' if logged else 'FULL'}")
            database.execute("PRAGMA wal_autocheckpoint=0")
            _check_version(path, database.execute("PRAGMA user_version").fetchone()[0])
        except BaseException:
            database.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path}: cannot be opened: {error}") from error
    return database, logged


def _create(path: Path) -> None:
    """Make a complete journal beside ``path`` and move it there: no other process sees an unfinished one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as database:
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")
            database.execute(f"PRAGMA user_version={VERSION}")
            database.executescript(SCHEMA)
        if path.exists() and not path.stat().st_size:
            new.replace(path)
            return
        try:
            os.link(new, path)  # unlike a rename it never replaces what another process has put there
        except FileExistsError:
            return
        except OSError:
            new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def temporary() -> sqlite3.Connection:
    """Return an unnamed database that spills to a temporary file and is gone when closed."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=MEMORY")
    database.execute("PRAGMA synchronous=OFF")
    database.executescript(SCHEMA)
    return database


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise JournalError(f"journal {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise JournalError(f"journal {path}: is a folder; give a file, such as {path / 'journal.sqlite'}")
    kind = file_system(path.parent)
    if kind in NETWORK:
        raise JournalError(
            f"journal {path}: lies on a network file system ({kind}), whose locks do not protect it; give a local path"
        )


def file_system(folder: Path) -> str | None:
    """Return the type of the file system a folder lies on, or None where the system does not tell."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return None
    real = folder.resolve()
    best: tuple[int, str | None] = (-1, None)
    for line in lines:
        parts = line.split()
        point = Path(parts[1].replace("\\040", " "))
        if len(parts) > 2 and (real == point or point in real.parents) and len(point.parts) >= best[0]:
            best = (len(point.parts), parts[2])
    return best[1]


def _check_header(path: Path) -> None:
    """Judge the file by its first 100 bytes (https://www.sqlite.org/fileformat.html), not opening it as a database."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise JournalError(f"journal {path}: cannot be read: {error}") from error
    if head[:16] != MAGIC or int.from_bytes(head[68:72]) != APPLICATION_ID:
        raise JournalError(f"journal {path}: is not a journal of llmlabel; it was left untouched, give another path")
    _check_version(path, int.from_bytes(head[60:64]))


def _check_version(path: Path, version: int) -> None:
    if version > VERSION:
        raise JournalError(
            f"journal {path}: has format {version}, this version of llmlabel knows up to {VERSION}; it was left "
            "untouched, upgrade llmlabel or give another path"
        )


def describe_owner() -> str:
    """Return what tells this process from every other one, also from a later one with the same id."""
    return f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}"


def owner_lives(owner: str, seen: float, now: float) -> bool:
    """Whether the process that wrote ``owner`` still runs; one of another machine counts while it was seen lately."""
    host, pid, started = owner.rsplit("|", 2)
    if host != socket.gethostname() or sys.platform == "win32":
        return now - seen < 30
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
