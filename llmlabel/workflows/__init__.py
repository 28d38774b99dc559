"""Jobs made of several runs: comparing variants, a second look at doubtful spans, votes of several models."""

from llmlabel.workflows.compare import acompare, compare, compare_runs
from llmlabel.workflows.comparison import Comparison, PairDifference, VariantScore
from llmlabel.workflows.verify import Verified, averify, doubtful, verification_schema, verify
from llmlabel.workflows.vote import avote_of, vote_of

__all__ = [
    "Comparison",
    "PairDifference",
    "VariantScore",
    "Verified",
    "acompare",
    "averify",
    "avote_of",
    "compare",
    "compare_runs",
    "doubtful",
    "verification_schema",
    "verify",
    "vote_of",
]
