"""Votes over several runs or models, at the level of grounded spans.

The rules, all of them:

- A voter is one source that has labelled the document; a source that failed on it, or lacks it, does not vote.
- Two sources agree on an entity if the label is equal and the intersection over union of the two spans is at least
  ``min_iou``; 1.0, the default, means exactly the same place.
- An entity stays if at least ``threshold`` of the voters have it: 0.5 of six voters is three. Which share is best is a
  property of the sources, so it is a parameter: choose it on gold labels.
- Of entities that count as one and the same, the most frequent exact place stays, then the longest, then the first.
- ``overlaps="keep"`` leaves overlapping survivors of different place or label; ``"best"`` keeps, of any two that
  overlap, the one with more votes, then the same order as above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.matching import Span, answered, by_id, overlap
from llmlabel.types import NO_USAGE, ClassLabel, Discarded, Entity, LabeledDocument, Prediction, Relation

Overlaps = Literal["keep", "best"]
VOTES = "votes"
_SLACK = 1e-9  # 0.6 of five voters is three, whatever floating point makes of it


def iou(a: Span, b: Span) -> float:
    """Return the intersection over union of two spans, in characters."""
    shared = overlap(a, b)
    return shared / (a.end - a.start + b.end - b.start - shared)


def vote(
    sources: Sequence[Iterable[LabeledDocument]],
    *,
    threshold: float = 0.5,
    min_iou: float = 1.0,
    overlaps: Overlaps = "keep",
) -> list[Prediction]:
    """Return one prediction per document, made of what enough sources agree on; the module says by which rules.

    The share of voters is each label's ``confidence`` (``confidence_method="votes"``): a score, not a probability,
    until it is calibrated. What was outvoted is in ``discarded`` with its votes; the ledger of each run stays with the
    run. Documents come in the order in which the sources first name them; one that nobody has labelled keeps the
    outcome of its first prediction.

    Args:
        sources: One run, model or annotator each; documents are matched by id.
        threshold: Least share of voters, above 0 and at most 1.
        min_iou: Least intersection over union for two spans to be the same entity, above 0 and at most 1.
        overlaps: What happens to overlapping survivors.

    Raises:
        ConfigurationError: No sources, a number out of range, an id twice in a source, or two texts for one id.
    """
    check(threshold, min_iou)
    if not sources:
        raise ConfigurationError("sources: expected at least one run to vote, found none")
    tables = [by_id(source, f"sources[{number}]") for number, source in enumerate(sources)]
    ids = dict.fromkeys(id for table in tables for id in table)
    return [_elect([table[id] for table in tables if id in table], threshold, min_iou, overlaps) for id in ids]


def voters_of(item: LabeledDocument, tables: Sequence[Mapping[str, LabeledDocument]]) -> list[LabeledDocument]:
    """Return what those sources say that have labelled the document.

    Raises:
        ConfigurationError: A source has another text under the same id.
    """
    found = [table[item.document.id] for table in tables if item.document.id in table]
    _same_text([item, *found])
    return [other for other in found if answered(other)]


def spans_of(item: LabeledDocument) -> frozenset[Span]:
    """Return the different entities of a document as spans."""
    return frozenset(Span(e.start, e.end, e.label) for e in item.entities)


def support(span: Span, voters: Sequence[frozenset[Span]], min_iou: float) -> int:
    """Return how many voters have the entity, by the rule of the module."""
    if min_iou >= 1:
        return sum(span in spans for spans in voters)
    return sum(any(_same(span, other, min_iou) for other in spans) for spans in voters)


def _same(a: Span, b: Span, min_iou: float) -> bool:
    return a.label == b.label and iou(a, b) >= min_iou


def check(threshold: float, min_iou: float) -> None:
    """Raise ``ConfigurationError`` unless both numbers are above 0 and at most 1."""
    for name, value in (("threshold", threshold), ("min_iou", min_iou)):
        if not 0 < value <= 1:
            raise ConfigurationError(f"{name}: expected a number above 0 and at most 1, found {value!r}")


def _same_text(items: Sequence[LabeledDocument]) -> None:
    if any(item.document.text != items[0].document.text for item in items):
        raise ConfigurationError(f"document {items[0].document.id!r}: the sources have different texts for it")


def _elect(items: Sequence[LabeledDocument], threshold: float, min_iou: float, overlaps: Overlaps) -> Prediction:
    _same_text(items)
    voters = [item for item in items if answered(item)]
    runs = [item for item in items if isinstance(item, Prediction)]
    usage = sum((run.usage for run in runs), NO_USAGE)
    if not voters:
        # Not answered means a prediction: labels of another origin always vote.
        return runs[0].model_copy(update={"usage": usage})
    needed = threshold * len(voters) - _SLACK
    spans, lost = _entities(voters, needed, min_iou, overlaps)
    relations, lost_links = _relations(voters, [Span(e.start, e.end, e.label) for e in spans], needed)
    classes, lost_classes = _classes(voters, needed)
    texts, lost_texts = _texts(voters, needed)
    return Prediction(
        document=items[0].document,
        entities=tuple(spans),
        relations=tuple(relations),
        classes=classes,
        texts=texts,
        provenance=voters[0].provenance,
        outcome="labeled",
        discarded=(*lost, *lost_links, *lost_classes, *lost_texts),
        usage=usage,
        model=" + ".join(dict.fromkeys(run.model for run in runs if run.model)) or None,
        suspicious=any(run.suspicious for run in runs),
    )


def _entities(
    voters: Sequence[LabeledDocument], needed: float, min_iou: float, overlaps: Overlaps
) -> tuple[list[Entity], list[Discarded]]:
    spans = [spans_of(voter) for voter in voters]
    exact = Counter(span for found in spans for span in found)
    votes = {span: support(span, spans, min_iou) for span in exact}
    taken: list[Span] = []
    lost = []
    for span in sorted(exact, key=lambda s: (-votes[s], -exact[s], s.start - s.end, s)):
        if votes[span] < needed:
            lost.append(_outvoted("item", _named(voters, span), votes[span], len(voters)))
        elif any(_same(span, other, min_iou) for other in taken):
            lost.append(Discarded(kind="item", value=_named(voters, span), reason="another place had more votes"))
        elif overlaps == "best" and any(overlap(span, other) for other in taken):
            lost.append(Discarded(kind="item", value=_named(voters, span), reason="overlaps one with more votes"))
        else:
            taken.append(span)
    shares = {span: votes[span] / len(voters) for span in taken}
    return [_elected(_first(voters, span), shares[span]) for span in sorted(taken)], lost


def _first(voters: Iterable[LabeledDocument], span: Span) -> Entity:
    """The entity as the first source that has it says it: its attributes and its reason go along."""
    return next(e for voter in voters for e in voter.entities if (e.start, e.end, e.label) == span)


def _elected(entity: Entity, share: float) -> Entity:
    return entity.model_copy(update={"confidence": share, "confidence_method": VOTES})


def _named(voters: Iterable[LabeledDocument], span: Span) -> str:
    return f"{span.label}: {_short(_first(voters, span).text)}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _outvoted(kind: Literal["item", "relation", "class", "text"], value: str, votes: int, voters: int) -> Discarded:
    return Discarded(kind=kind, value=value, reason=f"outvoted: {votes} of {voters}")


def _relations(
    voters: Sequence[LabeledDocument], kept: Sequence[Span], needed: float
) -> tuple[list[Relation], list[Discarded]]:
    place = {span: number for number, span in enumerate(kept)}
    votes = Counter(link for voter in voters for link in set(_links(voter)))
    found, lost = [], []
    for (head, tail, label), count in sorted(votes.items()):
        if head in place and tail in place and count >= needed:
            share = count / len(voters)
            ends = {"head": place[head], "tail": place[tail]}
            found.append(Relation(**ends, label=label, confidence=share, confidence_method=VOTES))
        else:
            what = f"{label}: {_short(_first(voters, head).text)} → {_short(_first(voters, tail).text)}"
            lost.append(_outvoted("relation", what, count, len(voters)))
    return found, lost


def _links(voter: LabeledDocument) -> Iterator[tuple[Span, Span, str]]:
    ends = [Span(e.start, e.end, e.label) for e in voter.entities]
    return ((ends[r.head], ends[r.tail], r.label) for r in voter.relations)


def _classes(
    voters: Sequence[LabeledDocument], needed: float
) -> tuple[dict[str, tuple[ClassLabel, ...]], list[Discarded]]:
    """Several labels stay only where some source gave several; else the one with most votes, and of equals none."""
    chosen: dict[str, tuple[ClassLabel, ...]] = {}
    lost = []
    for name in dict.fromkeys(name for voter in voters for name in voter.classes):
        answers = [{label.label for label in voter.classes.get(name, ())} for voter in voters]
        votes = Counter(label for answer in answers for label in sorted(answer))
        kept = [label for label, count in votes.most_common() if count >= needed]
        if max(map(len, answers)) < 2 and len(kept) > 1:
            kept = kept[:1] if votes[kept[0]] > votes[kept[1]] else []
        if kept or not votes:
            chosen[name] = tuple(
                _chosen(voters, name, label).model_copy(
                    update={"confidence": votes[label] / len(voters), "confidence_method": VOTES}
                )
                for label in kept
            )
        dropped = [label for label in votes if label not in kept]
        lost += [_outvoted("class", f"{name}: {label}", votes[label], len(voters)) for label in dropped]
    return chosen, lost


def _chosen(voters: Iterable[LabeledDocument], name: str, label: str) -> ClassLabel:
    """The label as the first source that chose it says it: its reason goes along."""
    return next(c for voter in voters for c in voter.classes.get(name, ()) if c.label == label)


def _texts(voters: Sequence[LabeledDocument], needed: float) -> tuple[dict[str, str], list[Discarded]]:
    chosen = {}
    lost = []
    for name in dict.fromkeys(name for voter in voters for name in voter.texts):
        votes = Counter(voter.texts[name] for voter in voters if name in voter.texts)
        for number, (text, count) in enumerate(votes.most_common()):
            if number == 0 and count >= needed:
                chosen[name] = text
            else:
                lost.append(_outvoted("text", f"{name}: {_short(text)}", count, len(voters)))
    return chosen, lost
