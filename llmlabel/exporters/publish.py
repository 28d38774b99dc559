"""Atomic publishing: a folder is made beside its target, checked, and swapped in by one rename."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from llmlabel.errors import ExportError

MANIFEST = "manifest.json"


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def dump(value: object, indent: int | None = 1) -> bytes:
    """Return JSON with one stable spelling: UTF-8, no NaN, ending in a line feed; ``indent`` None is much quicker."""
    return (json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n").encode()


def read_manifest(directory: Path, kind: str) -> dict[str, Any]:
    """Return the manifest of a bundle.

    Raises:
        ValueError: There is none, or it belongs to another kind of bundle or a newer version.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise ValueError(f"it has no readable {MANIFEST}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        raise ValueError(f"its {MANIFEST} is not that of a {kind}")
    if manifest.get("version") != 1:
        raise ValueError(f"its {MANIFEST} has version {manifest.get('version')!r}, this llmlabel reads 1")
    return manifest


def outside_bundle(file: Path) -> Path:
    """Return a file's path without its suffix; that of its bundle, which takes no other file, if it is in one."""
    folder = file.resolve().parent
    try:
        recorded = json.loads((folder / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        recorded = {}
    return folder if file.name in recorded else file.with_suffix("")


class Workspace:
    """A folder that becomes ``target`` on ``publish``, or vanishes; a crash leaves the old target or the new one.

    Files carry their hashes in the manifest. An earlier bundle is replaced only while all its files are still as they
    were written: what a person changed or added in it is never lost.

    Args:
        target: The folder to publish.
        kind: What the manifest calls this format.

    Raises:
        ExportError: On entering: ``target`` holds something else than an unchanged bundle of this kind.
    """

    def __init__(self, target: Path, kind: str) -> None:
        self.target = target.resolve()
        self.kind = kind
        self.hashes: dict[str, str] = {}
        self._made: set[Path] = set()
        self._folder = self.target.parent / f".{self.target.name}.{secrets.token_hex(6)}.partial"

    def __enter__(self) -> Self:
        self._recover()
        problem = occupied(self.target, self.kind)
        if problem:
            raise ExportError(self.kind.split()[-1], [f"{self.target.name}: {problem}"])
        self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Return the path of a file of the workspace; its folder is made."""
        place = self._folder / PurePosixPath(name)
        if place.parent not in self._made:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(place.parent)
        return place

    def write(self, name: str, data: bytes) -> None:
        """Write one file; it will be in the manifest."""
        self.path(name).write_bytes(data)
        self.hashes[name] = digest(data)

    def write_parts(self, name: str, parts: Iterable[bytes]) -> None:
        """Write one file piece by piece; it will be in the manifest."""
        sha = hashlib.sha256()
        with self.path(name).open("wb") as file:
            for part in parts:
                sha.update(part)
                file.write(part)
        self.hashes[name] = sha.hexdigest()

    def rename(self, old: str, new: str) -> None:
        """Give a file its final name."""
        self.path(old).rename(self.path(new))
        self.hashes[new] = self.hashes.pop(old)

    def discard(self, name: str) -> None:
        """Remove a file that was only needed while spooling."""
        self.path(name).unlink(missing_ok=True)
        self.hashes.pop(name, None)

    def publish(self, manifest: Mapping[str, object]) -> None:
        """Write the manifest with all hashes and make the workspace the target.

        Raises:
            ExportError: The target was taken or changed in the meantime.
        """
        for folder in (path for path in self._folder.iterdir() if path.is_dir() and not any(path.iterdir())):
            folder.rmdir()
        head = {"format": self.kind, "version": 1}
        self.path(MANIFEST).write_bytes(dump({**head, **manifest, "files": dict(sorted(self.hashes.items()))}))
        problem = occupied(self.target, self.kind)
        if problem:
            raise ExportError(self.kind.split()[-1], [f"{self.target.name}: {problem}"])
        swap_in(self._folder, self.target)

    def _recover(self) -> None:
        """Bring back an old bundle that a crash between two renames left aside (systems without an exchange)."""
        if not self.target.exists():
            for aside in sorted(self.target.parent.glob(f".{_escaped(self.target.name)}.*.old"))[:1]:
                aside.rename(self.target)


def occupied(target: Path, kind: str) -> str | None:
    """Return why ``target`` may not be replaced, or None if it is absent, empty, or an unchanged bundle of ours."""
    if not target.exists():
        return None
    if not target.is_dir():
        return "exists and is not a folder"
    if not any(target.iterdir()):
        return None
    try:
        recorded = read_manifest(target, kind).get("files", {})
    except ValueError as error:
        return f"exists and is not an earlier {kind} ({error}); choose another folder"
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()} - {MANIFEST}
    touched = [
        name
        for name in sorted(found | set(recorded))
        if name not in found or name not in recorded or digest((target / name).read_bytes()) != recorded[name]
    ]
    if touched:
        return (
            f"{len(touched)} file(s) were changed, added or removed since it was written, such as {touched[0]!r}; "
            "move it away, so that nobody's work is lost"
        )
    return None


def swap_in(folder: Path, target: Path, exchange: Callable[[Path, Path], bool] | None = None) -> None:
    """Make ``folder`` the target; what was there is then in ``folder``, or gone."""
    if not target.exists():
        folder.rename(target)
    elif not any(target.iterdir()):
        target.rmdir()
        folder.rename(target)
    elif not (exchange or _exchange)(folder, target):
        aside = folder.with_suffix(".old")
        target.rename(aside)
        try:
            folder.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step where the system can: Linux ``renameat2``, macOS ``renamex_np``."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(library.renamex_np(os.fsencode(one), os.fsencode(other), 2) == 0)
        here = -100  # AT_FDCWD
        return bool(library.renameat2(here, os.fsencode(one.absolute()), here, os.fsencode(other.absolute()), 2) == 0)
    except (AttributeError, OSError, TypeError):
        return False


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
