"""A second look by a model at doubtful spans only: each is shown in its context, and judged anew.

A doubtful span becomes a small document of its own, with the span marked, and a question: which label, or none. So the
second look is an ordinary run, with journal, packing, retries and budget, and is measured like any other variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.schema import Classification, Label, LabelSchema
from llmlabel.types import NO_USAGE, Discarded, Document, Entity, LabeledDocument, Placement, Prediction, Relation

OPEN, CLOSE = "⟦", "⟧"
QUESTION = "label of the marked words"
NONE = "none of these"
_GUIDE = (
    f"Each document is an excerpt in which some words are marked: {OPEN}words{CLOSE}. Judge the marked words only, "
    "exactly as they are marked, by what they are in this excerpt. If the marks hold too much or too little, answer "
    f"{NONE!r}."
)
Doubt = Callable[[Entity, Placement | None], bool]
_Key = tuple[int, int, str]
# What belongs to the label an entity had, and says nothing of another one.
_OF_THE_LABEL: dict[str, object] = {"attributes": {}, "confidence": None, "confidence_method": None, "reason": None}


def verification_schema(schema: LabelSchema) -> LabelSchema:
    """Return the schema of the second look: one question, with the entity labels and ``none of these`` for answers.

    Raises:
        ConfigurationError: The schema has no entity labels, or one is called ``none of these``.
    """
    if not schema.entities or NONE in schema.entity_names:
        raise ConfigurationError(f"verification: expected entity labels, none of them called {NONE!r}")
    known = [Label(name=part.name, description=part.description, examples=part.examples) for part in schema.entities]
    nothing = Label(name=NONE, description="The marked words are nothing of the above, or are marked wrongly.")
    return LabelSchema(
        classifications=(Classification(name=QUESTION, labels=(*known, nothing)),),
        guidelines="\n\n".join(part for part in (schema.guidelines, _GUIDE) if part),
    )


def doubtful(max_confidence: float = 0.7) -> Doubt:
    """Return the rule for what is doubtful: a low confidence, a fuzzy match, or several places it could stand at."""

    def rule(entity: Entity, placement: Placement | None) -> bool:
        low = entity.confidence is not None and entity.confidence < max_confidence
        return low or entity.match == "fuzzy" or (placement is not None and placement.candidates > 1)

    return rule


def verify(
    predictions: Iterable[Prediction],
    pipeline: Pipeline,
    *,
    doubt: Doubt | None = None,
    context: int = 200,
) -> list[Prediction]:
    """Return the predictions after a second look at their doubtful entities.

    An entity for which the model names the same label stays; for which it names another one is relabelled, without what
    was said of the first label (confidence, reason, attributes, relations); for which it names none goes to
    ``discarded``. Where the second look fails, the entity stays as it was. Usage is added, so ``compare_runs`` shows
    what it costs.

    Args:
        predictions: Of any run.
        pipeline: Without exporters; its labeler was made with ``verification_schema(schema)``. Many small questions
            go well into one request: ``asking=Asking(documents_per_request=20)``.
        doubt: Which entities to look at; ``doubtful()`` by default.
        context: Characters to show on each side.

    Raises:
        ConfigurationError: The pipeline exports, or its labeler has another schema.
    """
    return run_sync(averify(predictions, pipeline, doubt=doubt, context=context))


async def averify(
    predictions: Iterable[Prediction],
    pipeline: Pipeline,
    *,
    doubt: Doubt | None = None,
    context: int = 200,
) -> list[Prediction]:
    """Return the predictions after a second look at their doubtful entities (async)."""
    _check_schema(pipeline)
    if pipeline.exporters:
        raise ConfigurationError("verify: the pipeline has exporters; questions about spans are not to be published")
    verified, _ = await _looked(list(predictions), pipeline, doubt or doubtful(), context)
    return verified


async def _looked(
    items: list[Prediction], pipeline: Pipeline, rule: Doubt, context: int
) -> tuple[list[Prediction], RunResult]:
    """Return the predictions after the second look, and the run that it was."""
    questions = [_questions(number, item, rule, context) for number, item in enumerate(items)]
    asked = [document for found in questions for document in found.values()]
    if not asked:
        return items, RunResult()
    run = await pipeline.arun(asked)
    answers = {answer.document.id: answer for answer in run.predictions}
    verified = [
        _judged(item, {key: answers[document.id] for key, document in found.items()})
        for item, found in zip(items, questions, strict=True)
    ]
    return verified, run


class Verified:
    """A pipeline and a second look at what it is in doubt of, run as one: a variant for ``compare``.

    Args:
        first: Labels the documents.
        second: Judges doubtful entities; its labeler was made with ``verification_schema(schema)``.
        doubt: Which entities to look at; ``doubtful()`` by default.
        context: Characters to show on each side.

    Raises:
        ConfigurationError: The labeler of ``second`` has another schema.
    """

    def __init__(self, first: Pipeline, second: Pipeline, *, doubt: Doubt | None = None, context: int = 200) -> None:
        _check_schema(second)
        self.first, self.second = first, second
        self.doubt, self.context = doubt, context

    @property
    def fingerprint(self) -> str:
        """What shapes the answers of both."""
        return f"{self.first.fingerprint}+{self.second.fingerprint}"

    async def arun(self, documents: Iterable[object]) -> RunResult:
        """Return the run over the documents, after the second look; usage is that of both."""
        result = await self.first.arun(documents)
        found, second = await _looked(list(result.predictions), self.second, self.doubt or doubtful(), self.context)
        named = tuple(item.model_copy(update={"fingerprint": self.fingerprint}) for item in found)
        asked = len(second.predictions)
        notes = (*result.notes, f"{asked} doubtful span(s) were looked at twice")
        stopped = result.stopped or second.stopped
        return result.model_copy(update={"predictions": named, "stopped": stopped, "notes": notes})

    def __enter__(self) -> Verified:
        return self

    def __exit__(self, *exception: object) -> None:
        """Close both pipelines."""
        with self.first, self.second:
            pass


def _check_schema(pipeline: Pipeline) -> None:
    if pipeline.labeler.schema.classification(QUESTION) is None:
        raise ConfigurationError("verify: expected a labeler made with verification_schema(schema)")


def _questions(number: int, item: Prediction, rule: Doubt, context: int) -> dict[_Key, Document]:
    places: dict[_Key, Placement] = {}
    for placement in item.placements:
        if placement.start is not None and placement.end is not None:
            for start, end in ((placement.start, placement.end), *placement.repeats):
                places.setdefault((start, end, placement.mention.label), placement)
    found: dict[_Key, Document] = {}
    for entity in item.entities:
        key = _key(entity)
        if rule(entity, places.get(key)) and key not in found:
            name = f"{number} [{entity.start}, {entity.end}) {entity.label}"
            found[key] = Document(id=name, text=_excerpt(item.document.text, entity, context))
    return found


def _key(entity: Entity) -> _Key:
    return entity.start, entity.end, entity.label


def _excerpt(text: str, entity: Entity, context: int) -> str:
    """The span between marks, in its context; marks that the text holds itself become plain brackets."""
    before, after = text[max(0, entity.start - context) : entity.start], text[entity.end : entity.end + context]
    plain = str.maketrans({OPEN: "[", CLOSE: "]"})
    words = entity.text.translate(plain)
    return f"{before.translate(plain)}{OPEN}{words}{CLOSE}{after.translate(plain)}"


def _verdict(answer: LabeledDocument) -> str | None:
    chosen = answer.classes.get(QUESTION, ())
    usable = isinstance(answer, Prediction) and answer.outcome == "labeled" and len(chosen) == 1
    return chosen[0].label if usable else None


def _judged(item: Prediction, answers: Mapping[_Key, Prediction]) -> Prediction:
    verdicts = {key: _verdict(answer) for key, answer in answers.items()}
    entities: list[Entity] = []
    moved: dict[int, int] = {}
    lost: list[Discarded] = []
    taken = {_key(entity) for entity in item.entities if verdicts.get(_key(entity)) in (None, entity.label)}
    for number, entity in enumerate(item.entities):
        label = verdicts.get(_key(entity))
        if label is None or label == entity.label:
            moved[number] = len(entities)
            entities.append(entity)
        elif label == NONE:
            lost.append(_lost(entity, "rejected on a second look"))
        elif (entity.start, entity.end, label) in taken:
            lost.append(_lost(entity, f"a second look says {label}, which stands there already"))
        else:
            taken.add((entity.start, entity.end, label))
            entities.append(entity.model_copy(update={"label": label, **_OF_THE_LABEL}))
    relations, lost_links = _relations(item, moved)
    return item.model_copy(
        update={
            "entities": tuple(entities),
            "relations": relations,
            "discarded": (*item.discarded, *lost, *lost_links),
            "usage": sum((answer.usage for answer in answers.values()), NO_USAGE) + item.usage,
        }
    )


def _relations(item: Prediction, moved: Mapping[int, int]) -> tuple[tuple[Relation, ...], Sequence[Discarded]]:
    kept, lost = [], []
    for relation in item.relations:
        if relation.head in moved and relation.tail in moved:
            kept.append(relation.model_copy(update={"head": moved[relation.head], "tail": moved[relation.tail]}))
        else:
            value = f"{relation.label}: {_short(item.entities[relation.head].text)}"
            lost.append(Discarded(kind="relation", value=value, reason="an end was changed on a second look"))
    return tuple(kept), lost


def _lost(entity: Entity, reason: str) -> Discarded:
    return Discarded(kind="item", value=f"{entity.label}: {_short(entity.text)}", reason=reason)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
