"""Gold documents and noisy runs over them, seeded."""

from __future__ import annotations

import random

from llmlabel.types import Discarded, Document, Entity, LabeledDocument, Mention, Placement, Prediction, Usage

TEXT = "Ann Bob Cyd Dan"
PLACES = [(0, 3), (4, 7), (8, 11), (12, 15)]


def entities(places):
    return tuple(Entity(start=s, end=e, label="PER", text=TEXT[s:e]) for s, e in places)


def gold(size):
    return [
        LabeledDocument(document=Document(id=str(n), text=f"{TEXT} {n}"), entities=entities(PLACES[: 1 + n % 4]))
        for n in range(size)
    ]


def noisy(truth, keep, seed):
    """Each gold entity is found with the given chance; now and then one is invented."""
    draw = random.Random(seed).random
    return [
        Prediction(
            document=item.document,
            outcome="labeled",
            entities=tuple(e for e in item.entities if draw() < keep) + (entities([(0, 7)]) if draw() < 0.1 else ()),
            usage=Usage(input_tokens=10, output_tokens=5, requests=1, cost=0.5),
        )
        for item in truth
    ]


def lossy(item):
    """A prediction with something in every part of its ledger."""
    lost = Placement(mention=Mention(text="Zed", label="PER"), status="not_found")
    reasons = [Discarded(kind="item", value="x", reason=f"outvoted: {n} of 3") for n in (1, 2)]
    return item.model_copy(update={"placements": (lost,), "discarded": tuple(reasons)})
