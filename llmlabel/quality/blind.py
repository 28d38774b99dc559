"""The blind split: documents that people label without seeing predictions, so that there is something honest to score.

People who see suggestions tend to agree with them; labels made by accepting predictions make those predictions look
better than they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.base import Exporter
from llmlabel.types import NO_USAGE, ExportReport, Failure, LabeledDocument, Prediction

_BLIND = "BlindSplit"
_MESSAGE = "in the blind split: to be labelled without predictions, so that evaluation stays honest"


def in_blind_split(document_id: str, share: float, seed: int = 0) -> bool:
    """Whether a document is in the blind split: told by its id alone, so a later export has the same split.

    Raises:
        ConfigurationError: ``share`` is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ConfigurationError(f"share: expected a number from 0 to 1, found {share!r}")
    value = int.from_bytes(hashlib.sha256(f"blind\n{seed}\n{document_id}".encode()).digest()[:8])
    return value < share * 2**64


def blind_split(predicted: Iterable[LabeledDocument], share: float = 0.1, seed: int = 0) -> list[LabeledDocument]:
    """Return all documents, those of the blind split without their labels.

    Such a document becomes a ``Prediction`` with the outcome ``not_run`` and nothing but its text, usage and model:
    every exporter writes its text and holds back its labels, and says so. Labels that a person made or reviewed stay.
    Keep the full predictions: ``evaluate`` compares them with what people write.

    Raises:
        ConfigurationError: ``share`` is not from 0 to 1.
    """
    return [_without_labels(item) if _hidden(item, share, seed) else item for item in predicted]


class BlindExporter(Exporter):
    """Exports as another exporter does, and keeps predictions from the documents of the blind split.

    ``Pipeline(labeler, exporters=BlindExporter(KiliBundleExporter(…), share=0.1))`` publishes a run so; the result of
    the run holds all predictions.

    Args:
        exporter: Publishes all documents, those of the blind split without their labels.
        share: Of the documents, as in ``blind_split``.
        seed: Likewise.

    Raises:
        ConfigurationError: ``share`` is not from 0 to 1.
    """

    def __init__(self, exporter: Exporter, *, share: float = 0.1, seed: int = 0) -> None:
        in_blind_split("", share, seed)
        self.exporter, self.share, self.seed = exporter, share, seed

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        hidden = 0

        def shown() -> Iterator[LabeledDocument]:
            nonlocal hidden
            for item in predictions:
                blind = _hidden(item, self.share, self.seed)
                hidden += blind
                yield _without_labels(item) if blind else item

        report = self.exporter.export(shown())
        note = f"{hidden} document(s) are in the blind split: exported without predictions"
        return report.model_copy(update={"notes": (*report.notes, note)})


def is_blind(item: LabeledDocument) -> bool:
    """Whether ``blind_split`` took a document's labels away."""
    return isinstance(item, Prediction) and item.error is not None and item.error.type == _BLIND


def _hidden(item: LabeledDocument, share: float, seed: int) -> bool:
    made = item.provenance
    by_person = made is not None and (made.kind == "human" or made.reviewed)
    return in_blind_split(item.document.id, share, seed) and not by_person


def _without_labels(item: LabeledDocument) -> Prediction:
    run = item if isinstance(item, Prediction) else None
    return Prediction(
        document=item.document,
        outcome="not_run",
        error=Failure(type=_BLIND, message=_MESSAGE),
        usage=run.usage if run else NO_USAGE,
        model=run.model if run else None,
        fingerprint=run.fingerprint if run else None,
    )
