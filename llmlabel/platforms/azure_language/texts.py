"""Where the texts of a project lie: a blob container, or a folder that is kept equal to one."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from llmlabel.errors import ConfigurationError, ExportError, SourceError
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.limits import TEXT_MAX, text_problem
from llmlabel.types import Document, Rejected

LOCATION = "location"
# Requests to a store at the same time; a container answers one in some 20 ms.
_WIDTH = 8
# UTF-8 needs at most three bytes for a UTF-16 unit.
_BYTES_MAX = 3 * TEXT_MAX
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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

    def may_write(self) -> bool:
        """Return whether texts may be stored; nothing is written to find out."""
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

    def may_write(self) -> bool:
        """Return whether files can be made in the folder."""
        return os.access(self.folder, os.W_OK)

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

    Memory grows with the number of ``texts``, not with that of the store's.
    """
    ours = {name: (len(data), md5(data)) for name, data in texts}
    lower = {name.lower() for name in ours}
    stored = {item.name: item for item in store.texts() if item.name.lower() in lower}
    by_case = {name.lower(): name for name in stored}
    found: dict[str, list[str]] = {"new": [], "equal": [], "different": []}
    problems = []
    for name, (size, digest) in ours.items():
        there = stored.get(name)
        if there is None:
            other = by_case.setdefault(name.lower(), name)
            if other != name:
                problems.append(f"{name!r} differs from the stored {other!r} by case alone; rename the document")
            found["new"].append(name)
        elif there.size == size and (there.md5 or md5(store.read(name))) == digest:
            found["equal"].append(name)
        else:
            found["different"].append(name)
            if not overwrite:
                problems.append(
                    f"{name!r} holds another text in the container, which other projects may use; give the document "
                    "another id, or overwrite_texts=True"
                )
    return UploadPlan(**{key: tuple(names) for key, names in found.items()}, problems=tuple(problems))


def upload(store: TextStore, texts: Iterable[tuple[str, bytes]], plan: UploadPlan) -> int:
    """Write what a plan found new or different, some at a time; return how many texts that were.

    Raises:
        ExportError: Somebody stored another text of the same name since the plan was made.
    """
    wanted, different = {*plan.new, *plan.different}, set(plan.different)

    def write(item: tuple[str, bytes]) -> bool:
        return store.write(*item, overwrite=item[0] in different)

    for (name, _), written in in_order(write, (item for item in texts if item[0] in wanted)):
        if not written:
            raise ExportError(TARGET, [f"{name!r} was stored by somebody else meanwhile; run again"])
    return len(wanted)


def in_order(call: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item with ``call(item)``, in order, some at a time in threads; items are read as they are needed."""
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(_WIDTH, thread_name_prefix="llmlabel-texts")
    try:
        for item in items:
            waiting.append((item, pool.submit(call, item)))
            if len(waiting) == _WIDTH:
                first, future = waiting.popleft()
                yield first, future.result()
        for item, future in waiting:
            yield item, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_documents(
    store: TextStore, pattern: str = "*", *, without: Collection[str] = (), limit: int | None = None
) -> Iterator[Document | Rejected]:
    """Yield the texts of a store as documents, in order of name, a few in memory at a time.

    A document's id is its name without ``.txt``; the name itself is kept in ``metadata["location"]``. What Azure
    Language does not take as a text (not UTF-8, empty, too long, with a byte order mark) is rejected.

    Args:
        store: Where the texts lie.
        pattern: Which names to take, such as ``"contract-*.txt"``.
        without: Names to leave out; they are not read.
        limit: How many at most.

    Raises:
        SourceError: The container or folder is not there.
    """
    if not store.exists():
        raise SourceError(f"{store!r}: there is no such container or folder of texts")
    chosen = (
        (index, item)
        for index, item in enumerate(store.texts())
        if item.name not in without and fnmatchcase(item.name, pattern)
    )
    for _, document in in_order(lambda found: _document(store, *found), islice(chosen, limit)):
        yield document


def _document(store: TextStore, index: int, item: StoredText) -> Document | Rejected:
    name, problem, text = item.name, None, ""
    if item.size > _BYTES_MAX:
        problem = f"the text has {item.size} bytes, Azure Language takes {TEXT_MAX} UTF-16 units"
    else:
        try:
            text = store.read(name).decode()
        except UnicodeDecodeError as error:
            problem = f"it is not UTF-8 (byte {error.start})"
    problem = problem or text_problem(text)
    if problem:
        return Rejected(index=index, id=name, reason=problem)
    return Document(id=name.removesuffix(".txt") or name, text=text, metadata={LOCATION: name})


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name in {"", ".", ".."}:
        raise ConfigurationError(f"expected the name of a text at the root of the container, found {name!r}")
    return name
