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

_HEADER = {"format": "llmlabel-kili-journal", "version": 1}


class KiliJournal:
    """The file in which an exporter notes what it sends.

    Args:
        path: The file; made if it is not there. None keeps nothing.

    Raises:
        JournalError: The file is something else.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._ours: dict[tuple[str, str], dict[str, set[str]]] = {}  # (host, project) → model name → asset ids
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
                self._remember(item["host"], item["project"], item["model_name"], item["assets"])

    def _remember(self, host: str, project: str, model_name: str, assets: Iterable[str]) -> None:
        self._ours.setdefault((host, project), {}).setdefault(model_name, set()).update(assets)

    def sending(self, host: str, project: str, model_name: str, assets: Iterable[str]) -> None:
        """Note, durably, that predictions are about to be sent."""
        ids = sorted(assets)
        self._remember(host, project, model_name, ids)
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            if file.tell() and not self._whole():
                file.truncate(self._end())
                file.seek(0, os.SEEK_END)
            if not file.tell():
                file.write(json.dumps(_HEADER).encode() + b"\n")
            line = {"host": host, "project": project, "model_name": model_name, "assets": ids}
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

    def wrote(self, host: str, project: str, model_name: str | None, asset_id: str) -> bool:
        """Return whether a prediction of that model name on that asset is ours."""
        return asset_id in self._ours.get((host, project), {}).get(model_name or "", ())
