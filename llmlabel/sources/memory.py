"""Documents from Python values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmlabel.sources.records import Records
from llmlabel.types import Document, LabeledDocument, Rejected


def documents_from(
    items: Iterable[object], *, text_field: str = "text", id_field: str | None = None
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Yield each item as a document: texts get the ids ``doc-000001``, …, mappings need a text and may carry an id.

    Documents, labelled documents and rejected records pass as they are; anything else is rejected, and the rest goes
    on. A mapping's other fields ``language`` and ``metadata`` are taken over.
    """
    records = Records("doc", text_field=text_field, id_field=id_field, language_field="language")
    for item in items:
        if isinstance(item, Document | LabeledDocument | Rejected):
            records.index += 1
            yield item
            continue
        read = records.read(item, f"item {records.index + 2}")
        if isinstance(read, Rejected):
            read = read.model_copy(update={"reason": read.reason.removeprefix("doc, ")})
        elif isinstance(read, Document) and isinstance(item, dict) and isinstance(item.get("metadata"), dict):
            read = read.model_copy(update={"metadata": item["metadata"]})
        yield read
