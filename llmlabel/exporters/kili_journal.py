"""What we sent to Kili, on disk: which predictions are ours to retire later.

JSON Lines: a header, then ``{"host", "project", "model_name", "assets": [ids]}`` before each chunk is sent. Whether a
prediction arrived is read from the project itself, so a run resumes without this file, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from llmlabel.errors import JournalError
from llmlabel.platforms.kili.records import StoredLabel

_HEADER = {"format": "llmlabel-kili-journal", "version": 1}


class KiliJournal:
    """The file in which an exporter notes what it sends to a project.

    Args:
        path: The file; made if it is not there. None keeps nothing.
        host: Where the project is.
        project: Its id.

    Raises:
        JournalError: The file is something else.
    """

    def __init__(self, path: str | Path | None, host: str, project: str) -> None:
        self.path = None if path is None else Path(path)
        self._place = {"host": host, "project": project}
        self._earlier: dict[str, set[str]] = {}  # model name → asset ids
        if self.path is not None and self.path.exists():
            self._load(self.path)

    def _load(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")
        if len(lines) == 1 and json.dumps(_HEADER).encode().startswith(lines[0]):
            return  # cut off in its first line
        for number, line in enumerate(lines, start=1):
            try:
                item = json.loads(line) if line.strip() else None
            except ValueError:
                if number == len(lines) and number > 1:
                    continue  # cut off by a kill while it was written: before anything was sent
                item = False
            if number == 1 and item != _HEADER:
                raise JournalError(f"{path.name}: expected the header of a Kili journal; choose another file")
            if number > 1 and item is not None:
                if not isinstance(item, dict) or not isinstance(item.get("assets"), list):
                    raise JournalError(f"{path.name}, line {number}: damaged; move the file away")
                if {key: item.get(key) for key in self._place} == self._place:
                    self._earlier.setdefault(str(item.get("model_name")), set()).update(item["assets"])

    def sending(self, model_name: str, assets: Iterable[str]) -> None:
        """Note, durably, that predictions are about to be sent."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            if file.tell() and not self._whole():
                file.truncate(self._end())
                file.seek(0, os.SEEK_END)
            if not file.tell():
                file.write(json.dumps(_HEADER).encode() + b"\n")
            line = {**self._place, "model_name": model_name, "assets": sorted(assets)}
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _whole(self) -> bool:
        assert self.path is not None
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _end(self) -> int:
        """Where the last whole line ends."""
        assert self.path is not None
        return self.path.read_bytes().rfind(b"\n") + 1

    def wrote(self, label: StoredLabel) -> bool:
        """Return whether an earlier push of ours gave this prediction."""
        return label.asset_id in self._earlier.get(label.model_name or "", ())
