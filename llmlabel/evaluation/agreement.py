"""Agreement between annotators, models or rounds: nobody is right, the question is whether they say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.bootstrap import Interval, Ratios
from llmlabel.evaluation.evaluator import evaluate
from llmlabel.evaluation.matching import answered, by_id
from llmlabel.evaluation.scores import Score, ratio
from llmlabel.evaluation.tables import text_table
from llmlabel.evaluation.tokens import token_tags
from llmlabel.html import Cell, table_html
from llmlabel.types import LabeledDocument, Shown

_HEADERS = ("", "agreement", "low", "high", "kappa", "units")


class Agreement(Shown):
    """How far two annotators agree on the same documents; prints as a table, shows itself in a notebook.

    Attributes:
        documents: Documents that both have labelled.
        only_first: Documents that only the first has; not compared.
        only_second: The same for the second.
        spans: Exact span agreement: its F1 is the same whoever is taken for gold.
        by_label: The same for each label.
        intervals: Bootstrap intervals over documents: ``f1`` of ``spans``, ``label PER`` of each label, ``class tone``
            of each share in ``classes``.
        token_kappa: Cohen's kappa of the token tags. Most tokens are O, which lifts it: read it beside the span F1.
        token_kappa_marked: The same on tokens that at least one of the two has marked.
        classes: Share of documents with equal labels, by classification.
        kappa: Cohen's kappa, by classification.
    """

    documents: int
    only_first: int
    only_second: int
    spans: Score
    by_label: dict[str, Score]
    intervals: dict[str, Interval] = {}
    token_kappa: float | None
    token_kappa_marked: float | None
    classes: dict[str, float | None]
    kappa: dict[str, float | None]

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the table: what, agreement (F1 of spans, share of equal classes), its interval, kappa, units."""
        named = [("spans (F1)", self.spans, "f1"), *((k, s, f"label {k}") for k, s in self.by_label.items())]
        for title, score, name in named:
            yield title, score.f1, *self._bounds(name), None, score.tp + score.fp + score.fn
        yield "tokens", None, None, None, self.token_kappa, None
        yield "tokens, marked", None, None, None, self.token_kappa_marked, None
        for name, share in self.classes.items():
            yield name, share, *self._bounds(f"class {name}"), self.kappa[name], None

    def _bounds(self, name: str) -> tuple[float | None, float | None]:
        found = self.intervals.get(name)
        return (None, None) if found is None else (found.low, found.high)

    def _summary(self) -> str:
        alone = self.only_first + self.only_second
        return f"{self.documents} documents" + (f"; {alone} that only one of the two has" if alone else "")

    def __str__(self) -> str:
        return "\n".join([*text_table(_HEADERS, self.rows()), self._summary()])

    def _repr_html_(self) -> str:
        return table_html(_HEADERS, self.rows(), self._summary())


def agreement(
    first: Iterable[LabeledDocument], second: Iterable[LabeledDocument], *, samples: int = 1000, seed: int = 0
) -> Agreement:
    """Return the agreement of two sets of labels on the documents that both have.

    Args:
        first: Labels of one annotator, model or round.
        second: Those of another.
        samples: Bootstrap resamples for the intervals; 0 for none.
        seed: Of the bootstrap.

    Raises:
        ConfigurationError: An id stands twice on one side, or the texts of a document differ.
    """
    # A document on which one of the two failed says nothing of how they agree.
    one = {id: item for id, item in by_id(first, "first").items() if answered(item)}
    two = {id: item for id, item in by_id(second, "second").items() if answered(item)}
    shared = [id for id in one if id in two]
    scores = evaluate([one[id] for id in shared], [two[id] for id in shared], samples=samples, seed=seed)
    tags = [pair for id in shared for pair in zip(token_tags(one[id]), token_tags(two[id]), strict=True)]
    chosen = {
        name: [(_labels(one[id], name), _labels(two[id], name)) for id in shared if _both_have(one[id], two[id], name)]
        for name in sorted({name for id in shared for name in one[id].classes})
    }
    return Agreement(
        documents=len(shared),
        only_first=len(one) - len(shared),
        only_second=len(two) - len(shared),
        spans=scores.exact,
        by_label=scores.by_label,
        intervals={
            **{name: found for name, found in scores.intervals.items() if name == "f1" or name[:6] == "label "},
            **_class_intervals(chosen, samples, seed),
        },
        token_kappa=cohen_kappa(tags),
        token_kappa_marked=cohen_kappa([pair for pair in tags if pair != ("O", "O")]),
        classes={name: percent_agreement(pairs) for name, pairs in chosen.items()},
        kappa={name: cohen_kappa(pairs) for name, pairs in chosen.items()},
    )


def _class_intervals(
    chosen: Mapping[str, Sequence[tuple[Hashable, Hashable]]], samples: int, seed: int
) -> dict[str, Interval]:
    """The interval of each classification's percent agreement, over the documents in which both have answered it."""
    found: dict[str, Interval] = {}
    for name, pairs in chosen.items():
        ratios = Ratios(len(pairs), seed)
        equal = dict(enumerate(float(a == b) for a, b in pairs))
        ratios.add(f"class {name}", equal, dict.fromkeys(equal, 1.0))
        found |= ratios.intervals(samples)
    return found


def _both_have(one: LabeledDocument, two: LabeledDocument, name: str) -> bool:
    return name in one.classes and name in two.classes


def _labels(item: LabeledDocument, name: str) -> tuple[str, ...]:
    return tuple(sorted({label.label for label in item.classes[name]}))


def percent_agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return the share of pairs whose two values are equal; None of no pairs."""
    return ratio(sum(a == b for a, b in pairs), len(pairs))


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return Cohen's kappa: agreement beyond chance, 1 at most.

    None where chance alone explains everything (both always say one and the same thing), or without pairs.
    """
    total = len(pairs)
    one, two = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    # In whole numbers, so that "nothing left beyond chance" is told exactly.
    expected = sum(one[value] * two[value] for value in one)
    return ratio(sum(a == b for a, b in pairs) * total - expected, total * total - expected)


def class_ratings(items: Iterable[LabeledDocument], name: str) -> dict[str, str]:
    """Return what one annotator chose for a classification, by document id, for ``krippendorff_alpha``."""
    return {item.document.id: ", ".join(_labels(item, name)) for item in items if name in item.classes}


def token_ratings(items: Iterable[LabeledDocument]) -> dict[str, str]:
    """Return the tag of every token of one annotator's documents, by document and token number, likewise."""
    return {f"{item.document.id} {n}": tag for item in items for n, tag in enumerate(token_tags(item))}


def krippendorff_alpha(
    ratings: Sequence[Mapping[str, str]], level: Literal["nominal", "ordinal", "interval", "ratio"] = "nominal"
) -> float | None:
    """Return Krippendorff's alpha of any number of annotators, gaps allowed, as the ``krippendorff`` package has it.

    Args:
        ratings: One mapping per annotator: unit (a document id, say) to value.
        level: Of measurement; other than nominal, the values are numbers.

    Returns:
        None where all values are the same one, or no unit has two values: alpha is not defined there.

    Raises:
        ConfigurationError: A value is not a number, and the level wants numbers.
        ImportError: krippendorff is not installed.
    """
    values = sorted({value for rater in ratings for value in rater.values()})
    units = sorted({unit for rater in ratings for unit in rater})
    if len(values) < 2 or not any(sum(unit in rater for rater in ratings) > 1 for unit in units):
        return None
    codes = _codes(values, level)
    try:
        import krippendorff
    except ImportError as error:
        raise ImportError("Krippendorff's alpha needs its package: pip install krippendorff") from error
    table = [[codes[rater[unit]] if unit in rater else float("nan") for unit in units] for rater in ratings]
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=level))


def _codes(values: Sequence[str], level: str) -> dict[str, float]:
    if level == "nominal":
        return {value: float(number) for number, value in enumerate(values)}
    codes = {}
    for value in values:
        try:
            codes[value] = float(value)
        except ValueError:
            raise ConfigurationError(f"krippendorff_alpha: level {level!r} wants numbers, found {value!r}") from None
    return codes
