"""The first requests of a run: what ``estimate`` counts and what a batch job holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from llmlabel.chunking import Chunk
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.document import Task, prepare, prompt_for
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

    def unseen(*texts: str) -> bool:
        known = hash(texts) in seen
        seen.add(hash(texts))
        return not known

    for group in grouped(enumerate(documents), asking.documents_per_request):  # type: ignore[union-attr]  # not async
        short: list[Document] = []
        long: list[tuple[Task, Chunk]] = []
        for _, document in group:
            if not document.text.strip():
                count(0)
                continue
            task = prepare(document, asking, redactor)
            chunks = task.chunks if task.sent.text.strip() else ()
            count(len(chunks))
            if len(chunks) == 1 and unseen(task.sent.text):
                short.append(task.sent)
            elif len(chunks) > 1:
                long += [(task, chunk) for chunk in chunks if unseen(chunk.text, *task.around(chunk))]
        for number in range(asking.passes * asking.samples):
            for task, chunk in long:
                yield First(task.prompt(labeler, chunk, number), (task.piece(chunk),), number)
            if short:
                yield First(prompt_for(labeler, short, number), tuple(short), number)
