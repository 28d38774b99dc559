"""Labels as a Kili answer (``json_response``), and back. Pure: nothing here talks to Kili.

Format: ``{JOB: answer}``; named entities ``{"annotations": [{"beginOffset", "endOffset", "content", "mid",
"categories": [{"name": KEY, "confidence": 0–100}], "children": {CHILD_JOB: answer}}]}``, relations by ``mid`` of their
ends, classifications ``{"categories": […]}``, texts ``{"text": "…"}``. A category takes no other keys than these.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from llmlabel.errors import SourceError
from llmlabel.offsets import OffsetUnit, UnitTable, slice_units, unit_table
from llmlabel.platforms.kili.ontology import Ontology, Question
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Provenance, Relation

Json = dict[str, Any]
_Answers = Mapping[str, tuple[ClassLabel, ...]]
_Found = dict[str, tuple[ClassLabel, ...]]

# -- labels → answer --------------------------------------------------------------------------------------------------


def json_response(labeled: LabeledDocument, ontology: Ontology, offset_unit: OffsetUnit = "utf16") -> Json:
    """Return the answer for one document; a document without entities gets an empty list of annotations.

    The same labels give the same answer, ``mid`` included. All labels must be in the ontology's schema.

    Raises:
        ValueError: A span does not slice back to its text in ``offset_unit`` (an error of this library).
        KeyError: A label is not in the ontology's schema.
    """
    response: Json = {}
    if ontology.ner_job:
        mids = _mids(labeled, ontology.ner_job)
        spans = offsets(labeled, offset_unit)
        response[ontology.ner_job] = {
            "annotations": [
                _annotation(entity, span, mid, ontology)
                for entity, span, mid in zip(labeled.entities, spans, mids, strict=True)
            ]
        }
        response.update({job: {"annotations": []} for job, _ in ontology.relations.values()})
        for number, relation in enumerate(labeled.relations):
            job, key = ontology.relations[relation.label]
            response[job]["annotations"].append(_relation(relation, key, mids, number))
    for name, question in ontology.classifications.items():
        if name in labeled.classes:
            response[question.job] = _answer(question, labeled.classes[name], labeled.classes)
    response.update({ontology.texts[name]: {"text": text} for name, text in labeled.texts.items()})
    return response


def offsets(labeled: LabeledDocument, unit: OffsetUnit) -> list[tuple[int, int]]:
    """Return the entities' offsets in ``unit``, each proven by slicing."""
    text = labeled.document.text
    table = unit_table(text, unit)
    spans = [(table.to_unit(entity.start), table.to_unit(entity.end)) for entity in labeled.entities]
    sliced = _slices(text, spans, unit)
    for number, (entity, found) in enumerate(zip(labeled.entities, sliced, strict=True)):
        if found != entity.text:
            raise ValueError(f"entities[{number}] of document {labeled.document.id!r} does not slice back in {unit}")
    return spans


def _slices(text: str, spans: list[tuple[int, int]], unit: OffsetUnit) -> list[str]:
    """Slice all spans of one text; it is encoded once, whatever the number of spans."""
    if unit != "utf16" or not spans:
        return [slice_units(text, start, end, unit) for start, end in spans]
    encoded = text.encode("utf-16-le")
    return [encoded[2 * start : 2 * end].decode("utf-16-le") for start, end in spans]


def _mids(labeled: LabeledDocument, job: str) -> list[str]:
    """An id for each annotation that depends on nothing but the document's id and the label."""
    seen: Counter[tuple[int, int, str]] = Counter()
    mids = []
    for entity in labeled.entities:
        place = (entity.start, entity.end, entity.label)
        parts = (labeled.document.id, job, *place, seen[place])
        mids.append(hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20])
        seen[place] += 1
    return mids


def _annotation(entity: Entity, span: tuple[int, int], mid: str, ontology: Ontology) -> Json:
    questions = ontology.attributes[entity.label]
    return {
        "beginOffset": span[0],
        "endOffset": span[1],
        "content": entity.text,
        "mid": mid,
        "categories": [_category(ontology.entities[entity.label], entity.confidence)],
        "children": _children(questions, entity.attributes),
    }


def _category(key: str, confidence: float | None) -> Json:
    return {"name": key} if confidence is None else {"name": key, "confidence": round(100 * confidence)}


def _children(questions: Mapping[str, Question], answers: _Answers) -> Json:
    return {q.job: _answer(q, answers[name], answers) for name, q in questions.items() if name in answers}


def _answer(question: Question, chosen: tuple[ClassLabel, ...], answers: _Answers) -> Json:
    categories = []
    for item in chosen:
        category = _category(question.categories[item.label], item.confidence)
        nested = _children(question.after.get(item.label, {}), answers)
        categories.append({**category, "children": nested} if nested else category)
    return {"categories": categories}


def _relation(relation: Relation, key: str, mids: list[str], number: int) -> Json:
    ends = mids[relation.head], mids[relation.tail]
    return {
        "categories": [_category(key, relation.confidence)],
        "startEntities": [{"mid": ends[0]}],
        "endEntities": [{"mid": ends[1]}],
        "mid": hashlib.sha256("\n".join((*ends, key, str(number))).encode()).hexdigest()[:20],
    }


# -- answer → labels --------------------------------------------------------------------------------------------------


def labeled_from_json_response(
    response: Mapping[str, Any],
    document: Document,
    ontology: Ontology,
    offset_unit: OffsetUnit = "utf16",
    provenance: Provenance | None = None,
) -> LabeledDocument:
    """Return what an answer says of a document, in code points and in the schema's names.

    Jobs of the project that the schema does not use are passed over.

    Raises:
        SourceError: An annotation does not stand in the text, or a category is not in the schema; all of them.
    """
    reader = _Reader(document, ontology, offset_unit)
    entities, relations = reader.entities(response), reader.relations(response)
    classes = reader.classes(response)
    if reader.problems:
        raise SourceError(f"Kili's answer for document {document.id!r} cannot be read: " + "; ".join(reader.problems))
    texts = {
        name: str(response[job].get("text", ""))
        for name, job in ontology.texts.items()
        if isinstance(response.get(job), Mapping)
    }
    return LabeledDocument(
        document=document, entities=entities, relations=relations, classes=classes, texts=texts, provenance=provenance
    )


class _Reader:
    def __init__(self, document: Document, ontology: Ontology, unit: OffsetUnit) -> None:
        self.problems: list[str] = []
        self._document = document
        self._ontology = ontology
        self._unit = unit
        self._table: UnitTable = unit_table(document.text, unit)
        self._places: dict[str, int] = {}  # mid → entity

    def entities(self, response: Mapping[str, Any]) -> tuple[Entity, ...]:
        names = {key: name for name, key in self._ontology.entities.items()}
        found: list[Entity] = []
        for where, annotation in self._annotations(response, self._ontology.ner_job):
            span = self._span(annotation, where)
            chosen = self._labels(annotation.get("categories"), names, where)
            if span is None or len(chosen) != 1:
                if len(chosen) != 1:
                    self.problems.append(f"{where}: expected one category, found {len(chosen)}")
                continue
            attributes: _Found = {}
            self._nested(annotation, self._ontology.attributes[chosen[0].label], attributes)
            self._places[str(annotation.get("mid"))] = len(found)
            found.append(
                Entity(
                    start=span[0],
                    end=span[1],
                    label=chosen[0].label,
                    text=self._document.text[span[0] : span[1]],
                    confidence=chosen[0].confidence,
                    attributes=attributes,
                )
            )
        return tuple(found)

    def relations(self, response: Mapping[str, Any]) -> tuple[Relation, ...]:
        found = []
        for job in dict.fromkeys(job for job, _ in self._ontology.relations.values()):
            names = {key: name for name, (home, key) in self._ontology.relations.items() if home == job}
            for where, annotation in self._annotations(response, job):
                ends = [
                    [self._places.get(str(end.get("mid"))) for end in _mappings(annotation.get(side))]
                    for side in ("startEntities", "endEntities")
                ]
                if None in ends[0] + ends[1]:
                    self.problems.append(f"{where}: an end is not an entity of this answer")
                    continue
                found += [
                    Relation(head=head, tail=tail, label=item.label, confidence=item.confidence)
                    for item in self._labels(annotation.get("categories"), names, where)
                    for head in ends[0]
                    for tail in ends[1]
                    if head is not None and tail is not None
                ]
        return tuple(found)

    def classes(self, response: Mapping[str, Any]) -> dict[str, tuple[ClassLabel, ...]]:
        answers: _Found = {}
        for name, question in self._ontology.classifications.items():
            if isinstance(response.get(question.job), Mapping):
                self._read(name, question, response[question.job], answers)
        return answers

    def _read(
        self, name: str, question: Question, answer: Mapping[str, Any], into: dict[str, tuple[ClassLabel, ...]]
    ) -> None:
        names = {key: label for label, key in question.categories.items()}
        chosen = self._labels(answer.get("categories"), names, question.job)
        into[name] = tuple(dict.fromkeys(into.get(name, ()) + tuple(chosen)))
        for category in _mappings(answer.get("categories")):
            after = question.after.get(names.get(str(category.get("name")), ""), {})
            # Kili stores nested answers under the category or beside the categories.
            self._nested(category, after, into)
            self._nested(answer, after, into)

    def _nested(self, answer: Mapping[str, Any], questions: Mapping[str, Question], into: _Found) -> None:
        children = answer.get("children")
        if not isinstance(children, Mapping):
            return
        for name, question in questions.items():
            if isinstance(children.get(question.job), Mapping):
                self._read(name, question, children[question.job], into)

    def _annotations(self, response: Mapping[str, Any], job: str | None) -> Iterator[tuple[str, Json]]:
        answer = response.get(job) if job else None
        annotations = answer.get("annotations") if isinstance(answer, Mapping) else None
        for number, annotation in enumerate(_mappings(annotations)):
            if annotation:
                yield f"{job}.annotations[{number}]", dict(annotation)

    def _labels(self, categories: object, names: Mapping[str, str], where: str) -> list[ClassLabel]:
        found = []
        for category in _mappings(categories):
            key = str(category.get("name"))
            if key in names:
                found.append(ClassLabel(label=names[key], confidence=_probability(category.get("confidence"))))
            else:
                self.problems.append(f"{where}: category {key!r} is not in the schema; it has {list(names)[:20]}")
        return found

    def _span(self, annotation: Json, where: str) -> tuple[int, int] | None:
        content, begin = annotation.get("content"), annotation.get("beginOffset")
        if not isinstance(begin, int) or not isinstance(content, str):
            self.problems.append(f"{where}: expected beginOffset and content")
            return None
        try:
            start = self._table.to_codepoint(begin)
        except ValueError as error:
            self.problems.append(f"{where}: {error}{self._hint(begin, content)}")
            return None
        if not content or self._document.text[start : start + len(content)] != content:
            self.problems.append(
                f"{where}: its content does not stand at {begin} {self._unit}{self._hint(begin, content)}"
            )
            return None
        return start, start + len(content)

    def _hint(self, begin: int, content: str) -> str:
        other: OffsetUnit = "codepoint" if self._unit == "utf16" else "utf16"
        try:
            start = unit_table(self._document.text, other).to_codepoint(begin)
        except ValueError:
            return ""
        fits = bool(content) and self._document.text[start : start + len(content)] == content
        return f" (it does in {other}: pass offset_unit={other!r})" if fits else ""


def _mappings(values: object) -> list[Mapping[str, Any]]:
    """The objects of a list from outside; anything else becomes an empty object, so that numbers stay right."""
    if not isinstance(values, list):
        return []
    return [value if isinstance(value, Mapping) else {} for value in values]


def _probability(confidence: object) -> float | None:
    known = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 100
    return float(confidence) / 100 if known else None  # type: ignore[arg-type]  # known says it is a number
