"""Hugging Face datasets, by their shape alone: nothing of ``datasets`` is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from llmlabel.errors import SourceError
from llmlabel.sources.records import Records, make_id
from llmlabel.sources.tags import Scheme
from llmlabel.sources.tokens import Detokenizer, labeled_tokens
from llmlabel.types import Document, LabeledDocument, Rejected, explain


class DatasetLike(Protocol):
    """What is needed of a ``datasets.Dataset`` or ``IterableDataset``: rows, and ``features`` (or None)."""

    @property
    def features(self) -> Mapping[str, Any] | None:
        """The type of each column."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


def read_dataset(
    dataset: DatasetLike,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    metadata: Iterable[str] | None = (),
    classes: Mapping[str, str] = {},
    tokens_column: str | None = None,
    tags_column: str | None = None,
    scheme: Scheme = "auto",
    detokenizer: Detokenizer = "auto",
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a Hugging Face dataset (one split), row by row.

    ``ClassLabel`` integers become their names, also inside lists; -1 and null mean not labelled.

    Args:
        dataset: A ``Dataset`` or ``IterableDataset``, not a ``DatasetDict``.
        text_column: The column with the text.
        id_column: The column with the id; by default ``id`` where there is one, else the position.
        metadata: Columns kept as metadata; None keeps all others.
        classes: ``{classification: column}`` of human labels: gives ``LabeledDocument``.
        tokens_column: Column with lists of tokens, instead of a text; needs ``tags_column``: gives ``LabeledDocument``.
        tags_column: Column with lists of tags (``B-PER``, or their ``ClassLabel`` integers).
        scheme: How tags are checked, as for ``read_conll``.
        detokenizer: How tokens become a text, as for ``read_conll``.

    Raises:
        SourceError: A named column is missing, or a whole ``DatasetDict`` was given.
    """
    if isinstance(dataset, Mapping):
        raise SourceError(f"expected one split of the dataset, found all of them: choose from {sorted(dataset)}")
    if (tokens_column is None) != (tags_column is None):
        raise SourceError("tokens_column and tags_column go together")
    features: Mapping[str, Any] = getattr(dataset, "features", None) or {}
    kept = None if metadata is None else tuple(metadata)
    wanted = [tokens_column or text_column, tags_column, id_column, *(kept or ()), *classes.values()]
    missing = [name for name in wanted if name is not None and features and name not in features]
    if missing:
        raise SourceError(f"expected a column {missing[0]!r} in the dataset, found {', '.join(features)}")
    records = Records("row", text_field=text_column, id_field=id_column, metadata=kept, classes=classes)
    rows = ({name: _decode(value, features.get(name)) for name, value in row.items()} for row in dataset)
    if tokens_column and tags_column:
        return _tagged(rows, records, tokens_column, tags_column, scheme, detokenizer)
    return (records.read(row, f"row {number}") for number, row in enumerate(rows, start=1))


def _decode(value: Any, feature: Any) -> Any:
    """A cell with class numbers replaced by their names; numbers and lists of another format become Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) and len(feature) == 1 else None)
    if inner is not None and isinstance(value, list):
        return [_decode(item, inner) for item in value]
    names = getattr(feature, "names", None)
    if names is None or isinstance(value, bool) or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _tagged(
    rows: Iterable[Mapping[str, Any]], records: Records, tokens: str, tags: str, scheme: Scheme, how: Detokenizer
) -> Iterator[LabeledDocument | Rejected]:
    for row in rows:
        records.index += 1
        given = row.get(records.id_field or "id", "")
        id = make_id(given) or f"row-{records.index + 1:06d}"
        where = f"row {records.index + 1}"
        if not all(_all_texts(row.get(name)) for name in (tokens, tags)):
            yield records.reject(f"expected lists of tokens and tags in {tokens!r} and {tags!r}", where, id)
            continue
        try:
            yield labeled_tokens(row[tokens], row[tags], id=id, scheme=scheme, how=how)
        except ValidationError as error:
            yield records.reject(explain(error), where, id)
        except ValueError as error:
            yield records.reject(str(error), where, id)


def _all_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
