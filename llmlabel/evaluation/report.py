"""The result of an evaluation: a value, and the same as text, as a notebook table, as a rich table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmlabel.evaluation.bootstrap import Interval
from llmlabel.evaluation.classes import ClassScores
from llmlabel.evaluation.cost import ReviewCost
from llmlabel.evaluation.scores import PartialScore, Score, macro_f1, weighted_f1
from llmlabel.evaluation.spans import Confused, ErrorKinds
from llmlabel.evaluation.tables import csv_table, rich_table, shown, text_table
from llmlabel.html import table_html, terminal_safe
from llmlabel.types import NO_USAGE, Shown, Usage, Value

if TYPE_CHECKING:
    from rich.table import Table

Row = tuple[str, float | None, float | None, float | None, float | None, float | None, int | None, int | None]
HEADERS = ("", "precision", "recall", "F1", "F1 low", "F1 high", "gold", "predicted")


class DocumentScore(Value):
    """Exact counts, error kinds and review cost of one gold document; ``outcome`` is ``missing`` without prediction."""

    id: str
    outcome: str
    tp: int
    fp: int
    fn: int
    errors: ErrorKinds
    cost: ReviewCost


class Counts(Value):
    """What stands behind the scores.

    Attributes:
        documents: Gold documents, all of them scored.
        answered: Of these, documents with a prediction that counts.
        unanswered: The others, by outcome (``missing``: no prediction at all).
        without_gold: Predicted documents that are not in the gold labels; not scored.
        duplicates: Predicted entities that only repeat another one.
        duplicates_gold: The same in the gold labels.
        out_of_schema: Predicted labels that the schema does not have; None without a schema.
        unplaced: Mentions of the model that have no place in the text, by status.
    """

    documents: int
    answered: int
    unanswered: dict[str, int] = {}
    without_gold: int = 0
    duplicates: int = 0
    duplicates_gold: int = 0
    out_of_schema: dict[str, int] | None = None
    unplaced: dict[str, int] = {}


class Evaluation(Shown):
    """How good predictions are; prints as tables, shows itself in a notebook.

    Attributes:
        exact: Entities with exactly the right place and label: the headline.
        by_label: The same for each label of gold, predictions and schema.
        boundaries: Place right, label not looked at.
        overlap: Label right, place overlapping, paired one to one.
        partial: Half credit for overlap, label not looked at (SemEval-2013).
        characters: Characters with the right label.
        answered: ``exact`` among the answered documents only.
        errors: What happened to each span.
        confusion: Gold against predicted label of paired spans; None: missed, or spurious.
        relations: Score of each relation label.
        classes: Scores of each classification.
        review: What it costs a person to put everything right.
        intervals: Bootstrap intervals over documents: ``precision``, ``recall``, ``f1`` (of ``exact``), ``macro_f1``;
            of the F1 of ``boundaries``, ``overlap``, ``partial``, ``characters``, ``relations``, ``label PER``,
            ``relation works_for``, ``class topic: sport``; ``class topic accuracy``, ``class topic macro_f1``.
            None below two documents, and where the score is undefined.
        counts: Documents, failures, duplicates, foreign labels.
        documents: One entry per gold document, in gold order.
        usage: Tokens and cost of the predictions.
        notes: What a reader must know before believing the figures.
    """

    exact: Score
    by_label: dict[str, Score] = {}
    boundaries: Score = Score()
    overlap: Score = Score()
    partial: PartialScore = PartialScore()
    characters: Score = Score()
    answered: Score = Score()
    errors: ErrorKinds = ErrorKinds()
    confusion: tuple[Confused, ...] = ()
    relations: dict[str, Score] = {}
    classes: dict[str, ClassScores] = {}
    review: ReviewCost = ReviewCost()
    intervals: dict[str, Interval] = {}
    counts: Counts
    documents: tuple[DocumentScore, ...] = ()
    usage: Usage = NO_USAGE
    notes: tuple[str, ...] = ()

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the entity labels that occur in the gold labels."""
        return macro_f1(self.by_label)

    @property
    def weighted_f1(self) -> float | None:
        """Mean F1 of the entity labels, weighted by how often they occur in the gold labels."""
        return weighted_f1(self.by_label)

    @property
    def relation(self) -> Score:
        """All relation labels together."""
        return sum(self.relations.values(), Score())

    @property
    def cost_per_correct(self) -> float | None:
        """Money per correct entity; None where the cost is unknown or nothing is correct."""
        return None if self.usage.cost is None or not self.exact.tp else self.usage.cost / self.exact.tp

    def rows(self) -> Iterator[Row]:
        """Yield the score table, under the names in ``HEADERS``; None where undefined."""
        for label, score in self.by_label.items():
            yield self._row(label, score, f"label {label}")
        yield self._row("all (exact)", self.exact, "f1")
        yield self._mean("macro", self.macro_f1, "macro_f1")
        yield self._row("boundaries only", self.boundaries, "boundaries")
        yield self._row("typed overlap", self.overlap, "overlap")
        yield self._row("partial", self.partial, "partial")
        yield self._row("characters", self.characters, "characters")
        for label, score in self.relations.items():
            yield self._row(f"relation {label}", score, f"relation {label}")
        if len(self.relations) > 1:
            yield self._row("all relations", self.relation, "relations")
        for name, scores in self.classes.items():
            for label, score in scores.by_label.items():
                yield self._row(f"{name}: {label}", score, f"class {name}: {label}")
            yield self._mean(f"{name}: macro", scores.macro_f1, f"class {name} macro_f1")

    def _row(self, title: str, score: Score | PartialScore, name: str) -> Row:
        bounds = self._bounds(name)
        return title, score.precision, score.recall, score.f1, *bounds, score.support, score.predicted

    def _mean(self, title: str, value: float | None, name: str) -> Row:
        return title, None, None, value, *self._bounds(name), None, None

    def _bounds(self, name: str) -> tuple[float | None, float | None]:
        found = self.intervals.get(name)
        return (None, None) if found is None else (found.low, found.high)

    def facts(self) -> Iterator[str]:
        """Yield what stands below the table, line by line."""
        for name in ("precision", "recall", "f1"):
            if interval := self.intervals.get(name):
                yield f"{name}: {interval} ({interval.confidence:.0%} bootstrap interval over documents)"
        errors = self.errors.model_dump()
        yield "spans: " + ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in errors.items())
        review = self.review
        yield (
            f"review: {review.accept} accept, {review.relabel} relabel, {review.move} move, {review.delete} delete, "
            f"{review.add} add, {review.reclass} reclass; {shown(review.edits_per_document)} edits per document, "
            f"{review.untouched} of {review.documents} need none"
        )
        for name, scores in self.classes.items():
            yield f"{name}: {scores.summary(self.intervals.get(f'class {name} accuracy'))}"
        if self.counts.unplaced:
            yield "mentions without a place: " + ", ".join(f"{n} {s}" for s, n in self.counts.unplaced.items())
        yield from (f"note: {note}" for note in self.notes)

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain values, ratios included, ready for ``json.dumps``."""
        scores = ("exact", "boundaries", "overlap", "partial", "characters", "answered")
        tables = ("by_label", "relations", "classes")
        return {
            **self.model_dump(mode="json", exclude={*scores, *tables}),
            **{name: getattr(self, name).to_dict() for name in (*scores, "relation")},
            **{table: {name: score.to_dict() for name, score in getattr(self, table).items()} for table in tables},
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "cost_per_correct": self.cost_per_correct,
        }

    def __str__(self) -> str:
        return "\n".join([*text_table(HEADERS, self.rows()), "", *(terminal_safe(fact) for fact in self.facts())])

    def _repr_html_(self) -> str:
        scores = table_html(HEADERS, self.rows(), f"{self.counts.documents} documents")
        return scores + table_html(("",), [(fact,) for fact in self.facts()])

    def to_rich(self) -> Table:
        """Return the score table for ``rich.print``.

        Raises:
            ImportError: rich is not installed.
        """
        return rich_table(HEADERS, self.rows(), f"{self.counts.documents} documents", self.facts())

    def to_csv(self) -> str:
        """Return the score table as CSV; a cell that a spreadsheet would take for a formula is defused."""
        return csv_table(HEADERS, self.rows())
