"""What every exporter asks before it publishes: is the document labelled, and is each label in the schema?"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import ClassLabel, HeldBack, LabeledDocument, Prediction

OPTIONAL_OUTCOMES = frozenset({"partial", "truncated"})


def included(outcomes: Iterable[str]) -> frozenset[str]:
    """Return the outcomes to publish: ``labeled``, and what the user opted in to.

    Raises:
        ConfigurationError: An outcome other than ``partial`` and ``truncated``.
    """
    chosen = frozenset((outcomes,) if isinstance(outcomes, str) else outcomes)
    if chosen - OPTIONAL_OUTCOMES:
        raise ConfigurationError(
            f"include: expected some of {sorted(OPTIONAL_OUTCOMES)}, found {sorted(chosen - OPTIONAL_OUTCOMES)}; "
            "a document with another outcome has no labels to publish"
        )
    return chosen | {"labeled"}


def outcome_of(labeled: LabeledDocument) -> str:
    """Return a prediction's outcome; a plain ``LabeledDocument`` was labelled by whoever made it."""
    return labeled.outcome if isinstance(labeled, Prediction) else "labeled"


def expect_labeled(target: str, item: object) -> None:
    """Raise ``ConfigurationError`` if an exporter was given something else than a labelled document."""
    if not isinstance(item, LabeledDocument):
        raise ConfigurationError(
            f"{target}: expected labelled documents, such as RunResult.predictions; found items of type "
            f"{type(item).__name__}"
        )


class Intake:
    """Reads a batch once, keeps what is wrong with it, and tells labelled documents from the others.

    Args:
        target: The exporter's name, for the error.
        include: Outcomes to publish.
        schema: What may be published; None where the target holds any label.
    """

    def __init__(self, target: str, include: frozenset[str], schema: LabelSchema | None) -> None:
        self.target = target
        self.include = include
        self.schema = schema
        self.problems: list[str] = []
        self.held_back: list[HeldBack] = []
        self.ids: dict[str, None] = {}
        self.outcomes: Counter[str] = Counter()

    def read(self, predictions: Iterable[LabeledDocument]) -> Iterator[tuple[LabeledDocument, bool]]:
        """Yield each document with a new id, and whether its labels are to be published."""
        for labeled in predictions:
            expect_labeled(self.target, labeled)
            document_id, outcome = labeled.document.id, outcome_of(labeled)
            if document_id in self.ids:
                self.problem(document_id, "the id stands twice in the batch; ids must differ")
                continue
            self.ids[document_id] = None
            self.outcomes[outcome] += 1
            publish = outcome in self.include
            if not publish:
                self.hold(document_id, f"not labelled: {outcome}")
            elif self.schema is not None:
                for problem in outside_schema(labeled, self.schema):
                    self.problem(document_id, problem)
            yield labeled, publish

    def problem(self, document_id: str, message: str) -> None:
        """Note one reason why the batch cannot be published."""
        self.problems.append(f"document {document_id!r}: {message}")

    def hold(self, document_id: str, reason: str, label: str | None = None) -> None:
        """Note one document, or one label of it, that is not published."""
        self.held_back.append(HeldBack(document_id=document_id, reason=reason, label=label))

    def raise_problems(self) -> None:
        """Raise ``ExportError`` with all problems, if there are any."""
        if self.problems:
            raise ExportError(self.target, self.problems)

    def outcome_note(self) -> str | None:
        """Return one line that counts the documents that were not labelled, or None if all were."""
        rest = {name: count for name, count in sorted(self.outcomes.items()) if name != "labeled"}
        return "not labelled: " + ", ".join(f"{count} {name}" for name, count in rest.items()) if rest else None


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'Person'?"`` for a name that is nearly one of the known, else what is known."""
    names = list(known)
    plain = {"".join(filter(str.isalnum, other.casefold())): other for other in names}
    found = plain.get("".join(filter(str.isalnum, name.casefold())))
    close = [found] if found is not None else difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return f"; did you mean {close[0]!r}?" if close else f"; the schema has {names[:20]}"


def outside_schema(labeled: LabeledDocument, schema: LabelSchema) -> list[str]:
    """Return one line for each label, relation, class, attribute or text that the schema does not have."""
    problems = []
    for number, entity in enumerate(labeled.entities):
        label = schema.entity(entity.label)
        if label is None:
            hint = near_miss(entity.label, schema.entity_names)
            problems.append(f"entities[{number}]: label {entity.label!r} is not in the schema{hint}")
        else:
            problems += _answers(entity.attributes, label.attributes, f"entities[{number}]: attribute")
    relations = {part.name: part for part in schema.relations}
    for number, relation in enumerate(labeled.relations):
        part = relations.get(relation.label)
        if part is None:
            hint = near_miss(relation.label, relations)
            problems.append(f"relations[{number}]: {relation.label!r} is not in the schema{hint}")
            continue
        for end, index, allowed in (("head", relation.head, part.head), ("tail", relation.tail, part.tail)):
            if allowed and labeled.entities[index].label not in allowed:
                problems.append(
                    f"relations[{number}]: the {end} of {part.name!r} must be one of {list(allowed)}, "
                    f"found {labeled.entities[index].label!r}"
                )
    problems += _answers(labeled.classes, schema.classifications, "classification")
    texts = [part.name for part in schema.texts]
    problems += [
        f"text {name!r} is not in the schema{near_miss(name, texts)}" for name in labeled.texts if name not in texts
    ]
    return problems


def _answers(
    chosen: Mapping[str, tuple[ClassLabel, ...]], parts: tuple[Classification, ...], what: str
) -> Iterator[str]:
    """Check answers against questions; a chosen label's attributes are further questions, answered beside it."""
    open_parts = {part.name: part for part in parts}
    waiting, seen = list(chosen), set()
    while waiting:
        name = next((item for item in waiting if item in open_parts), None)
        if name is None:
            yield from (f"{what} {item!r} is not in the schema{near_miss(item, open_parts)}" for item in waiting)
            return
        waiting.remove(name)
        seen.add(name)
        part = open_parts[name]
        if len(chosen[name]) > 1 and not part.multi_label:
            yield f"{what} {name!r} takes one label, found {len(chosen[name])}"
        if len({item.label for item in chosen[name]}) < len(chosen[name]):
            yield f"{what} {name!r} holds a label twice"
        for item in chosen[name]:
            label = next((one for one in part.labels if one.name == item.label), None)
            if label is None:
                hint = near_miss(item.label, part.label_names)
                yield f"{what} {name!r}: label {item.label!r} is not in the schema{hint}"
            else:
                open_parts.update({nested.name: nested for nested in label.attributes if nested.name not in open_parts})
