"""The first requests of a run: what ``estimate`` counts and what a batch job holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.document import prepare, prompt_for
from llmlabel.pipeline.redaction import Redactor
from llmlabel.pipeline.run import grouped
from llmlabel.types import Asking, Document, Prompt


class First(NamedTuple):
    """One request, the texts that it asks about, and which of the passes and samples it is for."""

    prompt: Prompt
    asked: tuple[Document, ...]
    number: int


def first_requests(
    labeler: LLMLabeler,
    documents: Iterable[Document],
    asking: Asking,
    redactor: Redactor | None,
    count: Callable[[int], None] = lambda pieces: None,
) -> Iterator[First]:
    """Yield what a run would ask first about the documents, grouped as it would group them, identical texts once.

    ``count`` is told of each document in how many pieces it is asked about; 0: it has no text and is not sent.
    """
    seen: set[int] = set()

    def unseen(text: str) -> bool:
        known = hash(text) in seen
        seen.add(hash(text))
        return not known

    for group in grouped(enumerate(documents), asking.documents_per_request):  # type: ignore[union-attr]  # not async
        pieces: list[Document] = []
        short: list[Document] = []
        for _, document in group:
            found = _pieces(document, asking, redactor)
            count(len(found))
            (short if len(found) == 1 else pieces).extend(piece for piece in found if unseen(piece.text))
        for number in range(asking.passes * asking.samples):
            for asked in (*((piece,) for piece in pieces), *((tuple(short),) if short else ())):
                yield First(prompt_for(labeler, asked, number), asked, number)


def _pieces(document: Document, asking: Asking, redactor: Redactor | None) -> list[Document]:
    """Return the texts to ask about, each as a document: several for one that is cut, none for a blank one."""
    if not document.text.strip():
        return []
    task = prepare(document, asking, redactor)
    if len(task.chunks) == 1:
        return [task.sent] if task.sent.text.strip() else []
    return [task.sent.model_copy(update={"text": chunk.text}) for chunk in task.chunks]
