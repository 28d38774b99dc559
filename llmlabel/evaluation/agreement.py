"""Agreement between annotators, models or rounds: nobody is right, the question is whether they say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal

from llmlabel.evaluation.evaluator import evaluate
from llmlabel.evaluation.scores import Score, ratio
from llmlabel.evaluation.tokens import token_tags
from llmlabel.types import LabeledDocument, Value


class Agreement(Value):
    """How far two annotators agree on the same documents.

    Attributes:
        documents: Documents that both have labelled.
        only_first: Documents that only the first has; not compared.
        only_second: The same for the second.
        spans: Exact span agreement: its F1 is the same whoever is taken for gold.
        by_label: The same for each label.
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
    token_kappa: float | None
    token_kappa_marked: float | None
    classes: dict[str, float | None]
    kappa: dict[str, float | None]


def agreement(first: Iterable[LabeledDocument], second: Iterable[LabeledDocument]) -> Agreement:
    """Return the agreement of two sets of labels on the documents that both have.

    Raises:
        ConfigurationError: An id stands twice on one side, or the texts of a document differ.
    """
    one = {item.document.id: item for item in first}
    two = {item.document.id: item for item in second}
    shared = [id for id in one if id in two]
    scores = evaluate([one[id] for id in shared], [two[id] for id in shared], samples=0)
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
        token_kappa=cohen_kappa(tags),
        token_kappa_marked=cohen_kappa([pair for pair in tags if pair != ("O", "O")]),
        classes={name: percent_agreement(pairs) for name, pairs in chosen.items()},
        kappa={name: cohen_kappa(pairs) for name, pairs in chosen.items()},
    )


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


def krippendorff_alpha(
    ratings: Sequence[Mapping[str, str]], level: Literal["nominal", "ordinal", "interval", "ratio"] = "nominal"
) -> float | None:
    """Return Krippendorff's alpha of any number of annotators, gaps allowed, as the ``krippendorff`` package has it.

    Args:
        ratings: One mapping per annotator: unit (a document id, say) to value.
        level: Of measurement; other than nominal, values are ordered by their text.

    Returns:
        None where all values are the same one, or no unit has two values: alpha is not defined there.

    Raises:
        ImportError: krippendorff is not installed.
    """
    values = sorted({value for rater in ratings for value in rater.values()})
    units = sorted({unit for rater in ratings for unit in rater})
    if len(values) < 2 or not any(sum(unit in rater for rater in ratings) > 1 for unit in units):
        return None
    try:
        import krippendorff
    except ImportError as error:
        raise ImportError("Krippendorff's alpha needs its package: pip install krippendorff") from error
    codes = {value: float(number) for number, value in enumerate(values)}
    table = [[codes[rater[unit]] if unit in rater else float("nan") for unit in units] for rater in ratings]
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=level))
