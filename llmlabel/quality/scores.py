"""Scores of a label from its answer alone: how it was found in the text, and how likely its tokens were.

Both are scores, not probabilities, until they are calibrated. What a model says of its own confidence is not used.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp

from llmlabel.types import ClassLabel, Completion, LabeledDocument, Mention, Placement, Prediction

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

    For a document that was asked about in one request: ``completion`` is the answer that its placements and classes
    came from. An entity or class keeps its confidence where there is no score, and takes the highest of several
    mentions.
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
    return prediction.model_copy(update={"entities": entities, "classes": class_scores(completion, prediction.classes)})


def mention_scores(completion: Completion, mentions: Sequence[Mention]) -> tuple[float | None, ...]:
    """Return, for each mention of an answer, the geometric mean probability of the tokens that say it.

    Counted are the tokens of its surface, and those of its label where the label follows in the same JSON object.
    Mentions with the same surface are taken in order. None where the endpoint gave no probabilities, where the tokens
    do not spell the answer, or where the surface does not stand in it (an answer that was repaired, say).
    """
    said = _Said.of(completion)
    if said is None:
        return (None,) * len(mentions)
    after: dict[str, int] = {}
    scores: list[float | None] = []
    for mention in mentions:
        place = said.place(mention.text, after.get(mention.text, 0))
        if place is None:
            scores.append(None)
            continue
        after[mention.text] = place[1]
        object_end = said.text.find("}", place[1])
        label = said.place(mention.label, place[1], object_end if object_end >= 0 else len(said.text))
        scores.append(said.probability([place] if label is None else [place, label]))
    return tuple(scores)


def class_scores(
    completion: Completion, classes: Mapping[str, tuple[ClassLabel, ...]]
) -> dict[str, tuple[ClassLabel, ...]]:
    """Return the classes with the geometric mean probability of the tokens that say each label as its confidence.

    A label is looked for behind its classification's key. One that is not found, or of which the endpoint told no
    probabilities, keeps its confidence.
    """
    said = _Said.of(completion)
    if said is None:
        return dict(classes)
    return {name: tuple(_class_scored(said, name, chosen) for chosen in labels) for name, labels in classes.items()}


def _class_scored(said: _Said, name: str, chosen: ClassLabel) -> ClassLabel:
    key = said.key(name)
    if key is None:
        return chosen
    end = said.text.find("}", key)
    place = said.place(chosen.label, key, end if end >= 0 else len(said.text))
    if place is None:
        return chosen
    return chosen.model_copy(update={"confidence": said.probability([place]), "confidence_method": LOGPROBS})


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer whose tokens have probabilities, and where each token begins."""

    text: str
    starts: Sequence[int]
    logs: Sequence[float]

    @classmethod
    def of(cls, completion: Completion) -> _Said | None:
        tokens = completion.token_logprobs or ()
        if not tokens or "".join(token.token for token in tokens) != completion.text:
            return None
        starts = [0, *accumulate(len(token.token) for token in tokens)]
        return cls(completion.text, starts, [token.logprob for token in tokens])

    def place(self, words: str, start: int, end: int | None = None) -> tuple[int, int] | None:
        """Where the answer says the words as a JSON string (either spelling), or as they are; without the quotes."""
        for spelled in dict.fromkeys((json.dumps(words, ensure_ascii=False), json.dumps(words))):
            found = self.text.find(spelled, start, end)
            if found >= 0:
                return found + 1, found + len(spelled) - 1
        found = self.text.find(words, start, end)
        return (found, found + len(words)) if found >= 0 else None

    def key(self, name: str) -> int | None:
        """Where the value of a JSON key begins; the last one, as classes follow what the document says."""
        spelled = "|".join(re.escape(text) for text in (json.dumps(name, ensure_ascii=False), json.dumps(name)))
        found = [match.end() for match in re.finditer(rf"(?:{spelled})\s*:", self.text)]
        return found[-1] if found else None

    def probability(self, places: Iterable[tuple[int, int]]) -> float:
        """The geometric mean probability of the tokens that share a character with one of the places."""
        covered = {
            number
            for start, end in places
            for number in range(bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1))
        }
        return min(1.0, exp(sum(self.logs[number] for number in covered) / len(covered)))
