"""What a person looks at: the review page, and the decisions made on it. ``server`` serves the page on loopback."""

from llmlabel.review.applying import apply_decisions
from llmlabel.review.decisions import Decision, read_decisions
from llmlabel.review.page import ReviewFrame, review_page

__all__ = ["Decision", "ReviewFrame", "apply_decisions", "read_decisions", "review_page"]
