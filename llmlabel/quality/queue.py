"""Which documents a person should look at first, and what a budget of looks is expected to give.

With T right labels and E errors (wrong and missed ones), F1 is 2T / (2T + E). A look at a document with w wrong and m
missed labels turns T into T + m and E into E - w - m; the gain of a document is the first-order change of F1,
2 (m E + T (w + m)) / (2T + E)². What is wrong or missed is not known, so expected numbers stand in:

- an entity, a relation, a chosen class is wrong with 1 - confidence, or with ``unknown`` where it has no confidence;
- one that other sources have and the prediction lacks is missed with the share of these sources;
- where one class is chosen and likely wrong, the right one is missed as likely;
- a mention that was not found, or has several possible places, is missed with ``unknown``;
- a document that was not labelled misses as many labels as labelled ones have, by length.

Expected numbers are only as good as the confidences: calibrate them first, or read the order and not the F1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.matching import Span, answered, by_id
from llmlabel.evaluation.relations import links_of
from llmlabel.quality.voting import spans_of, support, voters_of
from llmlabel.types import LabeledDocument, Prediction, Value

_DOUBTFUL = frozenset({"not_found", "ambiguous"})


class QueueItem(Value):
    """One document of the queue: the numbers expected of it, and the gain in F1 if a person puts it right."""

    document_id: str
    gain: float
    right: float
    wrong: float
    missed: float


class _Expected(NamedTuple):
    document_id: str
    right: float
    wrong: float
    missed: float


def review_queue(
    predicted: Iterable[LabeledDocument],
    others: Sequence[Iterable[LabeledDocument]] = (),
    *,
    unknown: float = 0.5,
    min_iou: float = 1.0,
) -> tuple[QueueItem, ...]:
    """Return all documents, the one with the largest expected gain of a human look first.

    Labels that a person made or reviewed have nothing to gain and come last. Documents with equal gain keep their
    order.

    Args:
        predicted: What is to be reviewed, with confidences (``vote``, ``agreement_scores``, ``Calibration.apply``).
        others: Further runs or models over the same documents: what they have and ``predicted`` lacks may be missed.
        unknown: Chance of being wrong where nothing is known, from 0 to 1.
        min_iou: Least intersection over union at which two spans are the same entity.

    Raises:
        ConfigurationError: A number out of range, an id twice in a source, or two texts for one id.
    """
    for name, value in (("unknown", unknown), ("min_iou", min_iou)):
        if not 0 <= value <= 1:
            raise ConfigurationError(f"{name}: expected a number from 0 to 1, found {value!r}")
    items = by_id(predicted, "predicted").values()
    tables = [by_id(source, f"others[{number}]") for number, source in enumerate(others)]
    density = _density(items)
    expected = [_expect(item, tables, unknown, min_iou, density) for item in items]
    total = sum(e.right for e in expected)
    errors = sum(e.wrong + e.missed for e in expected)
    scale = 2 / (2 * total + errors) ** 2 if total or errors else 0.0
    found = [
        QueueItem(**e._asdict(), gain=scale * (e.missed * errors + total * (e.wrong + e.missed))) for e in expected
    ]
    return tuple(sorted(found, key=lambda item: -item.gain))


def _density(items: Iterable[LabeledDocument]) -> float:
    """Labels per character of what was labelled."""
    seen = [item for item in items if answered(item)]
    characters = sum(len(item.document.text) for item in seen)
    return sum(len(_scores(item)) for item in seen) / characters if characters else 0.0


def _scores(item: LabeledDocument) -> dict[Hashable, float | None]:
    """The confidence of each different label of a document, whatever its kind."""
    ends = [Span(e.start, e.end, e.label) for e in item.entities]
    found: dict[Hashable, float | None] = {
        ("class", name, chosen.label): chosen.confidence for name, labels in item.classes.items() for chosen in labels
    }
    found |= {(r.label, ends[r.head], ends[r.tail]): r.confidence for r in reversed(item.relations)}
    return found | {span: e.confidence for span, e in zip(reversed(ends), reversed(item.entities), strict=True)}


def _expect(
    item: LabeledDocument,
    tables: Sequence[Mapping[str, LabeledDocument]],
    unknown: float,
    min_iou: float,
    density: float,
) -> _Expected:
    made, id = item.provenance, item.document.id
    scores = _scores(item) if answered(item) else {}
    if answered(item) and made is not None and (made.kind == "human" or made.reviewed):
        return _Expected(id, len(scores), 0.0, 0.0)
    right = sum(1 - unknown if score is None else score for score in scores.values())
    others = voters_of(item, tables)
    seen = item if answered(item) else item.model_copy(update={"entities": (), "relations": (), "classes": {}})
    missed = _missed(spans_of(seen), [spans_of(voter) for voter in others], min_iou)
    missed += _missed_relations(seen, others) + _missed_classes(seen, others, unknown)
    if not answered(item) and not others:
        missed = density * len(item.document.text)
    if isinstance(item, Prediction) and answered(item):
        missed += unknown * sum(p.status in _DOUBTFUL for p in item.placements)
    return _Expected(id, right, len(scores) - right, missed)


def _missed_relations(item: LabeledDocument, others: Sequence[LabeledDocument]) -> float:
    """The expected number of relations that the others have and the prediction lacks."""
    named = Counter(link for other in others for link in links_of(other) - links_of(item))
    return named.total() / max(1, len(others))


def _missed_classes(item: LabeledDocument, others: Sequence[LabeledDocument], unknown: float) -> float:
    """The expected number of class labels that are missed; where one is chosen, as many as are likely wrong."""
    missed = 0.0
    for name in dict.fromkeys(name for labeled in (item, *others) for name in labeled.classes):
        own = item.classes.get(name, ())
        answers = [{c.label for c in other.classes[name]} for other in others if name in other.classes]
        named = sum(len(answer - {c.label for c in own}) for answer in answers) / max(1, len(answers))
        doubt = 1 - (1 - unknown if own[0].confidence is None else own[0].confidence) if len(own) == 1 else 0.0
        missed += max(named, doubt)
    return missed


def _missed(own: frozenset[Span], voters: Sequence[frozenset[Span]], min_iou: float) -> float:
    """The expected number of entities that the voters have and the prediction lacks; variants of one place once."""
    named = Counter(span for spans in voters for span in spans)
    seen, missed = set(own), 0.0
    for span in sorted(named, key=lambda s: (-named[s], s)):
        if not support(span, [frozenset(seen)], min_iou):
            missed += support(span, voters, min_iou) / len(voters)
            seen.add(span)
    return missed
