"""The file that a served review appends its decisions to: one writer, each line on disk before it is acknowledged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from threading import Lock

from llmlabel.errors import ConfigurationError
from llmlabel.review.decisions import Decision, decisions_from

BEGIN = b'{"version":1,'  # of every line that is written here


class Refused(Exception):
    """A request that is answered with an error: status and one sentence."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class DecisionFile:
    """An append-only file of decisions that one server at a time may write.

    Raises:
        ConfigurationError: Another server has it open, or it cannot be opened.
        SourceError: It holds something other than decisions.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = Lock()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{self.path}: decisions cannot be written there: {error.strerror}") from error
        # Without a buffer: what could not be written must not be tried again later, behind the next line.
        self._file = FileIO(descriptor, "r+b")
        try:
            _claim(self._file, self.path)
            self.decisions = self._read()
        except BaseException:
            self._file.close()
            raise

    def append(self, seen: int, lines: Sequence[Decision]) -> int:
        """Write decisions durably and return how many the file holds; refuse a writer who has not seen all of it."""
        with self._lock:
            if seen != len(self.decisions):
                raise Refused(HTTPStatus.CONFLICT, "another tab has saved decisions meanwhile: reload this page")
            content = "".join(line.model_dump_json(exclude_none=True) + "\n" for line in lines)
            end = self._file.seek(0, os.SEEK_END)
            try:
                self._write(content.encode())
            except OSError as error:
                os.ftruncate(self._file.fileno(), end)
                why = error.strerror or type(error).__name__
                raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, f"{self.path.name} cannot be written: {why}") from error
            self.decisions += lines
            return len(self.decisions)

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Give the file free."""
        self._file.close()

    def _read(self) -> list[Decision]:
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        half = content[whole:]
        # A crash while writing leaves a line without its end; it was never acknowledged.
        crashed = half[: len(BEGIN)] == BEGIN[: len(half)]
        decisions = decisions_from(content[: whole if crashed else None].split(b"\n"), str(self.path))
        if half:
            self._file.truncate(whole) if crashed else self._file.write(b"\n")
        return decisions


def _claim(file: FileIO, path: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(2**30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError(
            f"{path} is open in another review: end that one, or give each reviewer a file of their own"
        ) from None
