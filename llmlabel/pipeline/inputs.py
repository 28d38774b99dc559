"""From whatever the caller hands in to documents, or to rejected inputs with a reason."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from heapq import merge
from typing import Any

from pydantic import ValidationError

from llmlabel.errors import ConfigurationError, LLMLabelError
from llmlabel.types import Document, LabeledDocument, Rejected, explain

Input = Document | LabeledDocument | Rejected | str | Mapping[str, Any]


def document_from(item: object, index: int) -> Document | Rejected:
    """Return the item as a document, or say why it cannot be one.

    Text becomes a document named by its position (``doc-000001``); a mapping needs ``text``, takes ``id``,
    ``language`` and ``metadata``, and keeps every other field in ``metadata``.
    """
    name = f"doc-{index + 1:06d}"
    given: str | None = None
    try:
        match item:
            case Document():
                return item
            case LabeledDocument():
                return item.document
            case Rejected():
                return item
            case str():
                return Document(id=name, text=item)
            case Mapping():
                given = str(item["id"]) if item.get("id") is not None else None
                return _from_mapping(item, name)
            case LLMLabelError():
                return Rejected(index=index, reason=str(item))
    except ValidationError as error:
        return Rejected(index=index, id=given, reason=explain(error))
    expected = "expected a Document, a str, or a mapping with 'text'"
    return Rejected(index=index, reason=f"{expected}; found {type(item).__name__}")


def _from_mapping(item: Mapping[str, Any], name: str) -> Document:
    known = {key: item[key] for key in ("text", "language") if key in item}
    rest = {str(key): value for key, value in item.items() if key not in {"id", "text", "language", "metadata"}}
    identity, given = item.get("id"), item.get("metadata")
    return Document(
        id=name if identity is None else str(identity) if isinstance(identity, int) else identity,
        # What is no mapping is left to the value to refuse, as any other field of a wrong type.
        metadata={**rest, **(given or {})} if given is None or isinstance(given, Mapping) else given,
        **known,
    )


def one_document(item: object) -> Document:
    """Return the one document of a call of its own.

    Raises:
        ConfigurationError: It cannot be one.
    """
    found = document_from(item, 0)
    if isinstance(found, Rejected):
        raise ConfigurationError(f"label: {found.reason}")
    return found


class Inputs:
    """Reads inputs lazily; rejects what is no document and every id that came before.

    Attributes:
        rejected: The inputs that cannot be a document, in input order.
        count: How many inputs were read.
    """

    def __init__(self) -> None:
        self.rejected: list[Rejected] = []
        self.count = 0
        self._seen = _Seen()

    def take(self, item: object) -> tuple[int, Document] | None:
        """Return the position and the document, or None after noting the input as rejected."""
        index, self.count = self.count, self.count + 1
        document = document_from(item, index)
        if isinstance(document, Document) and not self._seen.add(hash(document.id)):
            document = Rejected(index=index, id=document.id, reason=f"duplicate document id {document.id!r}")
        if isinstance(document, Rejected):
            self.rejected.append(document.model_copy(update={"index": index}))
            return None
        return index, document

    def read(self, items: object) -> AsyncIterator[tuple[int, Document]] | Iterable[tuple[int, Document]]:
        """Return the documents of an iterable or async iterable.

        Raises:
            ConfigurationError: ``items`` is one text or one document, or cannot be iterated.
        """
        return self._read_async(items) if isinstance(items, AsyncIterable) else self.read_plain(items)

    def read_plain(self, items: object) -> Iterable[tuple[int, Document]]:
        """Return the documents of an iterable that is not asynchronous.

        Raises:
            ConfigurationError: ``items`` is one text or one document, or cannot be iterated.
        """
        if isinstance(items, str | Document | Mapping):
            raise ConfigurationError(
                f"expected an iterable of documents, found one {type(items).__name__}; use label()"
            )
        if not isinstance(items, Iterable):
            raise ConfigurationError(f"expected an iterable of documents, found {type(items).__name__}")
        return (taken for item in items if (taken := self.take(item)) is not None)

    async def _read_async(self, items: AsyncIterable[object]) -> AsyncIterator[tuple[int, Document]]:
        async for item in items:
            if (taken := self.take(item)) is not None:
                yield taken


class _Seen:
    """64-bit hashes of ids, eight bytes each: a run over millions of documents must not hold their names, or a set."""

    def __init__(self) -> None:
        self.recent: set[int] = set()
        self.older = array("q")

    def add(self, value: int) -> bool:
        """Note a hash; return False if it came before."""
        place = bisect_left(self.older, value)
        if value in self.recent or (place < len(self.older) and self.older[place] == value):
            return False
        self.recent.add(value)
        if len(self.recent) > 4096 + len(self.older) // 4:
            self.older = array("q", merge(self.older, sorted(self.recent)))
            self.recent = set()
        return True
