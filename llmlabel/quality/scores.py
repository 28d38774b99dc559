"""Scores of a label from its answer alone: how it was found in the text, and how likely its tokens were.

Both are scores, not probabilities, until they are calibrated. What a model says of its own confidence is not used.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import exp

from llmlabel.types import Completion, LabeledDocument, Mention, Placement, Prediction

GROUNDING = "grounding"
LOGPROBS = "logprobs"


def grounding_scores(predicted: Iterable[LabeledDocument]) -> list[LabeledDocument]:
    """Return the predictions with a confidence from how each entity was found (``confidence_method="grounding"``).

    The score is the similarity of what the model said to what stands in the text (1 for a verbatim copy), divided by
    the number of places it could have meant. An entity without a placement keeps its confidence.
    """
    return [_grounded(item) if isinstance(item, Prediction) else item for item in predicted]


def _grounded(item: Prediction) -> Prediction:
    found: dict[tuple[int, int, str], Placement] = {}
    for placement in item.placements:
        if placement.start is not None and placement.end is not None:
            for start, end in ((placement.start, placement.end), *placement.repeats):
                found.setdefault((start, end, placement.mention.label), placement)
    entities = []
    for entity in item.entities:
        place = found.get((entity.start, entity.end, entity.label))
        if place is not None:
            score = place.similarity / max(1, place.candidates)
            entity = entity.model_copy(update={"confidence": score, "confidence_method": GROUNDING})
        entities.append(entity)
    return item.model_copy(update={"entities": tuple(entities)})


def logprob_scores(prediction: Prediction, completion: Completion) -> Prediction:
    """Return a prediction with confidences from the token probabilities of its answer (``"logprobs"``).

    For a document that was asked about in one request: ``completion`` is the answer that its placements came from. An
    entity keeps its confidence where ``mention_scores`` has none, and takes the highest score of several mentions.
    """
    scores = mention_scores(completion, [placement.mention for placement in prediction.placements])
    best: dict[tuple[int, int, str], float] = {}
    for placement, score in zip(prediction.placements, scores, strict=True):
        if score is not None and placement.start is not None and placement.end is not None:
            for start, end in ((placement.start, placement.end), *placement.repeats):
                key = (start, end, placement.mention.label)
                best[key] = max(score, best.get(key, 0.0))
    entities = tuple(
        entity.model_copy(update={"confidence": best[key], "confidence_method": LOGPROBS})
        if (key := (entity.start, entity.end, entity.label)) in best
        else entity
        for entity in prediction.entities
    )
    return prediction.model_copy(update={"entities": entities})


def mention_scores(completion: Completion, mentions: Sequence[Mention]) -> tuple[float | None, ...]:
    """Return, for each mention of an answer, the geometric mean probability of the tokens that say it.

    Counted are the tokens of its surface, and those of its label where the label follows in the same JSON object.
    Mentions with the same surface are taken in order. None where the endpoint gave no probabilities, where the tokens
    do not spell the answer, or where the surface does not stand in it (an answer that was repaired, say).
    """
    tokens = completion.token_logprobs or ()
    if not tokens or "".join(token.token for token in tokens) != completion.text:
        return (None,) * len(mentions)
    starts = [0, *accumulate(len(token.token) for token in tokens)]
    logs = [token.logprob for token in tokens]
    after: dict[str, int] = {}
    scores: list[float | None] = []
    for mention in mentions:
        place = _said(completion.text, mention.text, after.get(mention.text, 0))
        if place is None:
            scores.append(None)
            continue
        after[mention.text] = place[1]
        ranges = [place]
        object_end = completion.text.find("}", place[1])
        label = _said(completion.text, mention.label, place[1], object_end if object_end >= 0 else len(completion.text))
        if label is not None:
            ranges.append(label)
        covered = {number for start, end in ranges for number in _covering(starts, start, end)}
        scores.append(min(1.0, exp(sum(logs[number] for number in covered) / len(covered))))
    return tuple(scores)


def _said(answer: str, words: str, start: int, end: int | None = None) -> tuple[int, int] | None:
    """Where the answer says the words as a JSON string (in either spelling), or as they are; without the quotes."""
    for spelled in dict.fromkeys((json.dumps(words, ensure_ascii=False), json.dumps(words))):
        found = answer.find(spelled, start, end)
        if found >= 0:
            return found + 1, found + len(spelled) - 1
    found = answer.find(words, start, end)
    return (found, found + len(words)) if found >= 0 else None


def _covering(starts: Sequence[int], start: int, end: int) -> range:
    """The tokens that share a character with ``[start, end)``."""
    return range(bisect_right(starts, start) - 1, bisect_right(starts, end - 1))
