"""How good labels are: scores against labels made by people, what review costs, agreement, how sure all that is."""

from llmlabel.evaluation.agreement import (
    Agreement,
    agreement,
    class_ratings,
    cohen_kappa,
    krippendorff_alpha,
    percent_agreement,
    token_ratings,
)
from llmlabel.evaluation.bootstrap import Difference, Interval, intervals_of, paired_difference
from llmlabel.evaluation.classes import ClassScores
from llmlabel.evaluation.cost import ReviewCost
from llmlabel.evaluation.evaluator import evaluate
from llmlabel.evaluation.report import Counts, DocumentScore, Evaluation
from llmlabel.evaluation.scores import PartialScore, Score
from llmlabel.evaluation.spans import Confused, ErrorKinds
from llmlabel.evaluation.tokens import TokenTable, token_table, token_tags

__all__ = [
    "Agreement",
    "ClassScores",
    "Confused",
    "Counts",
    "Difference",
    "DocumentScore",
    "ErrorKinds",
    "Evaluation",
    "Interval",
    "PartialScore",
    "ReviewCost",
    "Score",
    "TokenTable",
    "agreement",
    "class_ratings",
    "cohen_kappa",
    "evaluate",
    "intervals_of",
    "krippendorff_alpha",
    "paired_difference",
    "percent_agreement",
    "token_ratings",
    "token_table",
    "token_tags",
]
