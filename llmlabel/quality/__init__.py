"""What labels can be trusted with: votes, scores, calibration, which documents to review, which to keep blind."""

from llmlabel.quality.agreement import agreement_scores
from llmlabel.quality.blind import BlindExporter, blind_split, in_blind_split, is_blind
from llmlabel.quality.budget import Budget, BudgetTable, expected_budget, measured_budget
from llmlabel.quality.calibration import Calibration, Curve, calibrate, isotonic, platt
from llmlabel.quality.judging import Judged, judged
from llmlabel.quality.queue import QueueItem, review_queue
from llmlabel.quality.reliability import (
    Bin,
    Reliability,
    Threshold,
    auroc,
    reliability,
    reliability_of,
    threshold_for,
    thresholds_for,
)
from llmlabel.quality.scores import class_scores, grounding_scores, logprob_scores, mention_scores
from llmlabel.quality.voting import vote
from llmlabel.types import is_calibrated

__all__ = [
    "Bin",
    "BlindExporter",
    "Budget",
    "BudgetTable",
    "Calibration",
    "Curve",
    "Judged",
    "QueueItem",
    "Reliability",
    "Threshold",
    "agreement_scores",
    "auroc",
    "blind_split",
    "calibrate",
    "class_scores",
    "expected_budget",
    "grounding_scores",
    "in_blind_split",
    "is_blind",
    "is_calibrated",
    "isotonic",
    "judged",
    "logprob_scores",
    "measured_budget",
    "mention_scores",
    "platt",
    "reliability",
    "reliability_of",
    "review_queue",
    "threshold_for",
    "thresholds_for",
    "vote",
]
