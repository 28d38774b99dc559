"""Several models over the same documents, and what enough of them agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.quality import vote
from llmlabel.quality.voting import Overlaps
from llmlabel.types import Prediction


def vote_of(
    documents: Iterable[object],
    pipelines: Sequence[Pipeline],
    *,
    threshold: float = 0.5,
    min_iou: float = 1.0,
    overlaps: Overlaps = "keep",
) -> list[Prediction]:
    """Run each pipeline over the documents and return what enough of them agree on, as ``quality.vote`` has it.

    The pipelines run one after the other; give each a journal of its own. Usage adds up. For several samples of one
    model, ``Asking(samples=…)`` does the same in one run.

    Raises:
        ConfigurationError: Fewer than two pipelines, one that exports, or a number out of range.
    """
    return run_sync(avote_of(documents, pipelines, threshold=threshold, min_iou=min_iou, overlaps=overlaps))


async def avote_of(
    documents: Iterable[object],
    pipelines: Sequence[Pipeline],
    *,
    threshold: float = 0.5,
    min_iou: float = 1.0,
    overlaps: Overlaps = "keep",
) -> list[Prediction]:
    """Run each pipeline over the documents and return what enough of them agree on (async)."""
    if len(pipelines) < 2:
        raise ConfigurationError(f"pipelines: expected two or more to vote, found {len(pipelines)}")
    if any(pipeline.exporters for pipeline in pipelines):
        raise ConfigurationError("pipelines: one has exporters; export what was voted for, not a single vote")
    vote([()], threshold=threshold, min_iou=min_iou)  # a wrong number is told before anything is paid
    given = list(documents)
    runs = [(await pipeline.arun(given)).predictions for pipeline in pipelines]
    return vote(runs, threshold=threshold, min_iou=min_iou, overlaps=overlaps)
