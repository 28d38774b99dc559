"""What a push to Kili did: in total and for each document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from llmlabel.exporters.kili_spool import Packed
from llmlabel.types import ExportReport, Value

AssetState = Literal["created", "existing", "missing", "conflict", "unchecked"]
LabelState = Literal["sent", "replaced", "unchanged", "skipped", "failed", "none"]


class KiliDocument(Value):
    """What became of one document.

    ``asset``: ``created``, ``existing``, ``missing`` (not in the project), ``conflict`` (another text, or two assets
    with this id). ``label``: ``sent``, ``replaced`` (an older one of the same model name), ``unchanged``, ``skipped``
    or ``failed`` with a ``reason``, ``none`` (the document was not labelled). In a dry run all are plans.
    """

    id: str
    asset: AssetState
    label: LabelState
    asset_id: str | None = None
    reason: str | None = None
    spans: int = 0


class KiliDocuments(Sequence[KiliDocument]):
    """The lines of a report, in the order of the documents; packed, so that a long report needs little memory."""

    def __init__(self, rows: Packed) -> None:
        self._rows = rows

    @classmethod
    def of(cls, documents: Iterable[KiliDocument]) -> KiliDocuments:
        """Return the documents, packed."""
        rows = Packed()
        rows.add([list(dict(one).values()) for one in documents])
        return cls(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[KiliDocument]:
        return map(_document, self._rows)

    def __getitem__(self, index: Any) -> Any:
        found = self._rows[index]
        return tuple(map(_document, found)) if isinstance(index, slice) else _document(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self)} documents>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any, plain: core_schema.ValidatorFunctionWrapHandler) -> KiliDocuments:
            return value if isinstance(value, cls) else cls.of(plain(value))

        written = core_schema.plain_serializer_function_ser_schema(lambda value: [dict(one) for one in value])
        many = handler(tuple[KiliDocument, ...])
        return core_schema.no_info_wrap_validator_function(read, many, serialization=written)


def _document(row: list[Any]) -> KiliDocument:
    return KiliDocument.model_construct(**dict(zip(KiliDocument.model_fields, row, strict=False)))


class KiliReport(ExportReport):
    """An ``ExportReport`` with the line of each document, the model name, and whether it was a dry run.

    ``written`` counts the documents whose labels now stand in the project: sent, replaced and unchanged.
    """

    project_id: str
    host: str
    sdk: str
    model_name: str
    dry_run: bool = False
    documents: KiliDocuments = KiliDocuments(Packed())
    retired: dict[str, int] = {}

    @property
    def totals(self) -> dict[str, int]:
        """Number of documents by what happened to their asset and to their labels."""
        counted = Counter(f"assets {one.asset}" for one in self.documents)
        counted.update(f"labels {one.label}" for one in self.documents)
        return dict(sorted(counted.items()))

    @property
    def failed(self) -> tuple[KiliDocument, ...]:
        """The documents that failed, each with its reason."""
        return tuple(one for one in self.documents if one.label == "failed")

    def __str__(self) -> str:
        head = f"Kili project {self.project_id} at {self.host}, model name {self.model_name}"
        plan = "planned" if self.dry_run else "done"
        lines = [head, f"{plan}: " + ", ".join(f"{count} {name}" for name, count in self.totals.items())]
        lines += [f"retired: {count} prediction(s) of {name}" for name, count in self.retired.items()]
        reasons: Counter[tuple[str, str | None]] = Counter()
        first: dict[tuple[str, str | None], str] = {}
        for one in self.documents:
            if one.label in ("failed", "skipped"):
                reasons[one.label, one.reason] += 1
                first.setdefault((one.label, one.reason), one.id)
        for (label, reason), count in reasons.most_common(20):
            lines.append(f"{label}: {count} document(s), such as {first[label, reason]!r}: {reason}")
        return "\n".join([*lines, *self.notes, self.location or ""]).rstrip()
