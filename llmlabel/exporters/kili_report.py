"""What a push to Kili did: in total and for each document."""

from __future__ import annotations

from collections import Counter
from typing import Literal

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


class KiliReport(ExportReport):
    """An ``ExportReport`` with the line of each document, the model name, and whether it was a dry run.

    ``written`` counts the documents whose labels now stand in the project: sent, replaced and unchanged.
    """

    project_id: str
    host: str
    sdk: str
    model_name: str
    dry_run: bool = False
    documents: tuple[KiliDocument, ...] = ()
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
        reasons = Counter((one.label, one.reason) for one in self.documents if one.label in ("failed", "skipped"))
        for (label, reason), count in reasons.most_common(20):
            first = next(one.id for one in self.documents if (one.label, one.reason) == (label, reason))
            lines.append(f"{label}: {count} document(s), such as {first!r}: {reason}")
        return "\n".join([*lines, *self.notes, self.location or ""]).rstrip()
