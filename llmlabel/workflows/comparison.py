"""The result of a comparison: a value, and the same as text, as notebook tables, as a figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import Difference, Evaluation, Interval
from llmlabel.evaluation.bootstrap import MIN_DOCUMENTS
from llmlabel.evaluation.tables import csv_table, text_table
from llmlabel.html import Cell, table_html, terminal_safe
from llmlabel.types import Shown, Usage, Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUALITY = ("variant", "F1", "F1 low", "F1 high", "difference", "low", "high", "real", "precision", "recall")
COST = ("variant", "requests", "tokens in", "tokens out", "cost", "not labelled", "unplaced", "discarded", "reasons")


class VariantScore(Value):
    """What one variant came to on the documents of the comparison.

    Attributes:
        name: The variant.
        f1: Of what is compared: entities, or the labels of classifications.
        precision: Likewise.
        recall: Likewise.
        interval: Bootstrap interval of ``f1``.
        difference: Against the baseline, paired; None for the baseline itself.
        usage: Tokens, requests and cost.
        unanswered: Documents that were not labelled, by outcome.
        unplaced: Mentions without a place in the text, by status.
        discarded: Other items of answers that were not taken, by reason.
        reasons: Entities and classes that came with a reason.
        evaluation: All scores.
    """

    name: str
    f1: float | None
    precision: float | None
    recall: float | None
    interval: Interval | None
    difference: Difference | None
    usage: Usage
    unanswered: dict[str, int]
    unplaced: dict[str, int]
    discarded: dict[str, int]
    reasons: int
    evaluation: Evaluation


class PairDifference(Value):
    """By how much ``second`` is better than ``first``, and whether that can be told."""

    first: str
    second: str
    difference: Difference


class Comparison(Shown):
    """Several variants over the same documents; prints as tables, shows itself in a notebook.

    Attributes:
        documents: Gold documents, all scored for every variant.
        measure: What F1 is of: ``"entities"``, ``"relations"`` or ``"classes"``.
        variants: One row each, in the order given; the first is the baseline.
        pairs: The difference of every two variants.
        winner: The variant that is really better than every other one; None if there is none.
        notes: What a reader must know before believing the figures.
    """

    documents: int
    measure: str
    variants: tuple[VariantScore, ...]
    pairs: tuple[PairDifference, ...]
    winner: str | None
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> VariantScore:
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

    def difference(self, first: str, second: str) -> Difference:
        """Return by how much ``second`` is better than ``first``.

        Raises:
            ConfigurationError: The two were not compared.
        """
        for pair in self.pairs:
            if (pair.first, pair.second) == (first, second):
                return pair.difference
            if (pair.second, pair.first) == (first, second):
                return _turned(pair.difference)
        names = [variant.name for variant in self.variants]
        raise ConfigurationError(f"expected two different variants of {names}, found {first!r} and {second!r}")

    def quality(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows of the quality table, under the names in ``QUALITY``."""
        for v in self.variants:
            found = v.difference
            change = (None,) * 3 if found is None else (found.value, *_bounds(found.interval))
            real = "baseline" if found is None else "yes" if found.real else "no"
            yield v.name, v.f1, *_bounds(v.interval), *change, real, v.precision, v.recall

    def cost(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows of the table of costs and losses, under the names in ``COST``."""
        for v in self.variants:
            used = v.usage
            lost = (sum(counts.values()) for counts in (v.unanswered, v.unplaced, v.discarded))
            yield v.name, used.requests, used.input_tokens, used.output_tokens, used.cost, *lost, v.reasons

    def facts(self) -> Iterator[str]:
        """Yield what stands below the tables: the verdict, each difference, what was lost, and notes."""
        yield self.verdict
        yield from (f"{p.second} against {p.first}: {p.difference}" for p in self.pairs)
        for v in self.variants:
            lost = {**v.unanswered, **v.unplaced, **v.discarded}
            if lost:
                yield f"{v.name}, lost: " + ", ".join(f"{number} {what}" for what, number in lost.items())
        yield from (f"note: {note}" for note in self.notes)

    @property
    def verdict(self) -> str:
        """One sentence: who wins, or why nobody does."""
        if self.winner is not None:
            return f"{self.winner} is better than every other variant, on these {self.documents} documents"
        if self.documents < MIN_DOCUMENTS:
            return f"no winner: {self.documents} documents are too few to tell, take at least {MIN_DOCUMENTS}"
        real = [p for p in self.pairs if p.difference.real]
        if not real:
            return "no winner: none of the differences is larger than chance explains"
        told = "; ".join(
            f"{p.second} is {'better' if (p.difference.value or 0) > 0 else 'worse'} than {p.first}" for p in real
        )
        return f"no winner over all; what can be told: {told}"

    def __str__(self) -> str:
        head = f"{self.measure}, {self.documents} documents; differences are against {self.variants[0].name}"
        tables = [*text_table(QUALITY, self.quality()), "", *text_table(COST, self.cost())]
        return "\n".join([terminal_safe(head), *tables, "", *(terminal_safe(fact) for fact in self.facts())])

    def _repr_html_(self) -> str:
        quality = table_html(QUALITY, self.quality(), f"{self.measure}, {self.documents} documents")
        return quality + table_html(COST, self.cost()) + table_html(("",), [(fact,) for fact in self.facts()])

    def to_csv(self) -> str:
        """Return quality and cost, a row per variant, as CSV; a name that is a formula to a spreadsheet is defused."""
        rows = [(*quality, *cost[1:]) for quality, cost in zip(self.quality(), self.cost(), strict=True)]
        return csv_table((*QUALITY, *COST[1:]), rows)

    def figure(self) -> Figure:
        """Return F1 and paired difference of each variant, with intervals, as a matplotlib figure.

        Raises:
            ImportError: matplotlib is not installed (extra ``plots``).
        """
        from llmlabel.quality.plots import comparison_figure

        values = [(v.name, v.f1, v.interval) for v in self.variants]
        differences = [(v.name, v.difference.value, v.difference.interval) if v.difference else (v.name, None, None)
                       for v in self.variants]  # fmt: skip
        real = {v.name for v in self.variants if v.difference and v.difference.real}
        return comparison_figure(values, differences, real, f"F1 of {self.measure}, {self.documents} documents")


def _bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _turned(found: Difference) -> Difference:
    turned = found.interval and found.interval.model_copy(
        update={"low": -found.interval.high, "high": -found.interval.low}
    )
    return found.model_copy(update={"value": None if found.value is None else -found.value, "interval": turned})
