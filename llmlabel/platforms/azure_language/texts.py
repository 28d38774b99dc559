"""Where the texts of a project lie: a blob container, or a folder that is kept equal to one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.types import Document, Rejected

LOCATION = "location"


@dataclass(frozen=True, slots=True)
class StoredText:
    """One text of a store: its name, its size in bytes, its MD5 where the store knows it."""

    name: str
    size: int
    md5: bytes | None


class TextStore(Protocol):
    """Texts by name; ``FolderTexts`` and ``BlobTexts`` are ones."""

    def exists(self) -> bool:
        """Return whether the container or folder is there."""
        ...

    def create(self) -> None:
        """Make the container or folder if it is absent."""
        ...

    def texts(self) -> Iterator[StoredText]:
        """Yield the ``.txt`` files at the root, in order of name; nothing is read into memory at once."""
        ...

    def read(self, name: str) -> bytes:
        """Return the bytes of a text."""
        ...

    def write(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        """Store a text; False if another one of this name is there, which is then left as it is."""
        ...


class FolderTexts:
    """Texts in a folder, for a container that is mounted, or kept equal by ``azcopy sync``.

    Args:
        folder: The folder that stands for the container.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def exists(self) -> bool:
        """Return whether the folder is there."""
        return self.folder.is_dir()

    def create(self) -> None:
        """Make the folder if it is absent."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def texts(self) -> Iterator[StoredText]:
        """Yield the ``.txt`` files of the folder, not of folders in it."""
        for path in sorted(self.folder.glob("*.txt")):
            if path.is_file():
                yield StoredText(path.name, path.stat().st_size, md5(path.read_bytes()))

    def read(self, name: str) -> bytes:
        """Return the bytes of a text."""
        return (self.folder / _plain(name)).read_bytes()

    def write(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        """Store a text; False if another one of this name is there, which is then left as it is."""
        path = self.folder / _plain(name)
        try:
            with path.open("wb" if overwrite else "xb") as file:
                file.write(data)
        except FileExistsError:
            return path.read_bytes() == data
        return True

    def __repr__(self) -> str:
        return f"FolderTexts({str(self.folder)!r})"


def md5(data: bytes) -> bytes:
    """Return the MD5 by which Azure Storage tells whether two blobs are equal."""
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload has to do; ``problems`` forbid it."""

    new: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def plan_upload(store: TextStore, texts: Iterable[tuple[str, bytes]], *, overwrite: bool = False) -> UploadPlan:
    """Return which texts are new, equal to what is stored, or different; nothing is written.

    Args:
        store: Where the texts are to lie.
        texts: Names and bytes.
        overwrite: Whether a stored text may be replaced by another one.
    """
    stored = {item.name: item for item in store.texts()}
    by_case = {name.lower(): name for name in stored}
    found: dict[str, list[str]] = {"new": [], "equal": [], "different": []}
    problems = []
    for name, data in texts:
        there = stored.get(name)
        if there is None:
            other = by_case.setdefault(name.lower(), name)
            if other != name:
                problems.append(f"{name!r} differs from the stored {other!r} by case alone; rename the document")
            found["new"].append(name)
        elif _equal(store, there, data):
            found["equal"].append(name)
        else:
            found["different"].append(name)
            if not overwrite:
                problems.append(
                    f"{name!r} holds another text in the container, which other projects may use; give the document "
                    "another id, or overwrite_texts=True"
                )
    return UploadPlan(**{key: tuple(names) for key, names in found.items()}, problems=tuple(problems))


def _equal(store: TextStore, there: StoredText, data: bytes) -> bool:
    if there.size != len(data):
        return False
    return there.md5 == md5(data) if there.md5 is not None else store.read(there.name) == data


def read_documents(
    store: TextStore, pattern: str = "*", names: Iterable[str] | None = None
) -> Iterator[Document | Rejected]:
    """Yield the texts of a store as documents, one in memory at a time.

    A document's id is its name without ``.txt``; the name itself is kept in ``metadata["location"]``. A text that is
    not UTF-8 or starts with a byte order mark is rejected.

    Args:
        store: Where the texts lie.
        pattern: Which names to take, such as ``"contract-*.txt"``.
        names: Only these.

    Raises:
        SourceError: The container or folder is not there.
    """
    if not store.exists():
        raise SourceError(f"{store!r}: there is no such container or folder of texts")
    wanted = None if names is None else set(names)
    for index, item in enumerate(store.texts()):
        if (wanted is None or item.name in wanted) and fnmatchcase(item.name, pattern):
            yield _document(store, item.name, index)


def _document(store: TextStore, name: str, index: int) -> Document | Rejected:
    try:
        text = store.read(name).decode()
    except UnicodeDecodeError as error:
        return Rejected(index=index, id=name, reason=f"it is not UTF-8 (byte {error.start})")
    if text.startswith("\ufeff"):
        return Rejected(
            index=index, id=name, reason="it starts with a byte order mark, behind which offsets would shift"
        )
    return Document(id=name.removesuffix(".txt") or name, text=text, metadata={LOCATION: name})


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name in {"", ".", ".."}:
        raise ConfigurationError(f"expected the name of a text at the root of the container, found {name!r}")
    return name
