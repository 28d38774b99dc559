"""What one request gave, before it is merged with what others gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from llmlabel.types import NO_USAGE, Completion, Entity, Failure, Outcome, ParsedAnswer, Placement, Usage


@dataclass(slots=True)
class Reading:
    """What one request (one chunk, one pass, one sample) gave; placements count code points of the asked text."""

    outcome: Outcome
    parsed: ParsedAnswer = field(default_factory=ParsedAnswer)
    placements: Sequence[Placement] = ()
    usage: Usage = NO_USAGE
    model: str | None = None
    error: Failure | None = None
    offset: int = 0  # where the asked text begins in the document
    length: int | None = None  # of the asked text, where it is a piece
    reused: bool = False
    turn: int = 0  # which pass for recall
    sample: int = 0  # which vote
    completion: Completion | None = None  # about one document, where the endpoint gave token probabilities
    scores: Sequence[float | None] = ()  # of the placements, from these

    @property
    def usable(self) -> bool:
        """Whether the model's answer was read."""
        return self.outcome in ("labeled", "truncated")


def shifted(placement: Placement, offset: int) -> Placement:
    """Return a placement of a piece in coordinates of the whole text."""
    if not offset or placement.start is None or placement.end is None:
        return placement
    return placement.model_copy(
        update={
            "start": placement.start + offset,
            "end": placement.end + offset,
            "repeats": tuple((start + offset, end + offset) for start, end in placement.repeats),
        }
    )


def scored(entities: Iterable[Entity], readings: Iterable[Reading]) -> list[Entity]:
    """Return entities with the best score of the mentions that gave them; one that has a confidence keeps it."""
    best: dict[tuple[int, int, str], float] = {}
    for reading in readings:
        for placement, score in zip(reading.placements, reading.scores, strict=False):
            place = shifted(placement, reading.offset)
            if score is None or place.start is None or place.end is None:
                continue
            for start, end in ((place.start, place.end), *place.repeats):
                key = (start, end, place.mention.label)
                best[key] = max(score, best.get(key, 0.0))
    return [
        entity.model_copy(update={"confidence": best[key], "confidence_method": "logprobs"})
        if entity.confidence is None and (key := (entity.start, entity.end, entity.label)) in best
        else entity
        for entity in entities
    ]


def short(value: str) -> str:
    """Return a ledger entry's value, cut to a readable length."""
    return value if len(value) <= 80 else value[:79] + "…"


def split_usage(usage: Usage, parts: int) -> list[Usage]:
    """Return ``parts`` usages that add up to ``usage`` exactly; the first ones take the remainders."""

    def share(total: int, number: int) -> int:
        return total // parts + (number < total % parts)

    costs = [None if usage.cost is None else usage.cost / parts] * parts
    return [
        Usage(
            input_tokens=share(usage.input_tokens, number),
            output_tokens=share(usage.output_tokens, number),
            cached_tokens=share(usage.cached_tokens, number),
            reasoning_tokens=share(usage.reasoning_tokens, number),
            requests=share(usage.requests, number),
            cost=costs[number],
        )
        for number in range(parts)
    ]
