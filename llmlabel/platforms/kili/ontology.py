"""Which job and category of a Kili project each name of a label schema stands for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.kili.jobs import (
    CLASSIFICATION,
    DEPTH_LIMIT,
    RELATION,
    TRANSCRIPTION,
    categories_of,
    child_jobs,
    choose_ner_job,
    is_multiple,
    is_titled,
    job_name,
    jobs_of,
)
from llmlabel.schema import Classification, Label, LabelSchema


@dataclass(frozen=True, slots=True)
class Question:
    """A classification job: its key, the category key of each label, and what is asked after a label."""

    job: str
    categories: dict[str, str]
    multiple: bool
    after: dict[str, dict[str, Question]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ontology:
    """A schema and a ``json_interface`` that name the same things; made by ``bind``.

    Attributes:
        schema: The names used in labels.
        interface: The keys used in answers.
        ner_job: Key of the named-entity job, if the schema has entities.
        entities: Category key of each entity label.
        attributes: Questions asked for each entity label, by attribute name.
        relations: Job and category key of each relation.
        classifications: The question of each classification.
        texts: Job key of each free text.
    """

    schema: LabelSchema
    interface: Mapping[str, Any]
    ner_job: str | None
    entities: dict[str, str]
    attributes: dict[str, dict[str, Question]]
    relations: dict[str, tuple[str, str]]
    classifications: dict[str, Question]
    texts: dict[str, str]


def bind(schema: LabelSchema, interface: Mapping[str, Any], ner_job: str | None = None) -> Ontology:
    """Return how a schema's names map to a project's keys; a label may be written as display name or as key.

    Raises:
        ConfigurationError: A name has no counterpart in the project; all of them, near misses explained.
    """
    binder = _Binder(jobs_of(interface))
    ner = choose_ner_job(binder.jobs, ner_job) if schema.entities else None
    ontology = Ontology(
        schema=schema,
        interface=interface,
        ner_job=ner,
        entities=binder.labels(schema.entities, ner, "entity label") if ner else {},
        attributes={label.name: binder.after(label, ner, 0) for label in schema.entities} if ner else {},
        relations={part.name: binder.relation(part.name) for part in schema.relations},
        classifications={
            part.name: binder.question(part, binder.top(CLASSIFICATION), 0) for part in schema.classifications
        },
        texts={part.name: binder.job(part.name, binder.top(TRANSCRIPTION), "text") for part in schema.texts},
    )
    if schema.entities and not ner:
        binder.problems.append("the project has no named-entity job on texts")
    if binder.problems:
        raise ConfigurationError(
            "the schema does not fit the Kili project: " + "; ".join(dict.fromkeys(binder.problems))
        )
    return ontology


class _Binder:
    def __init__(self, jobs: dict[str, Mapping[str, Any]]) -> None:
        self.jobs = jobs
        self.problems: list[str] = []

    def top(self, task: str) -> list[str]:
        return [key for key, job in self.jobs.items() if job.get("mlTask") == task and not job.get("isChild")]

    def labels(self, labels: Iterable[Label], job: str, what: str) -> dict[str, str]:
        shown = {key: str(value.get("name") or key) for key, value in categories_of(self.jobs[job]).items()}
        return {
            label.name: self._resolve(label.name, shown, f"{what} {label.name!r}", f"job {job}") for label in labels
        }

    def after(self, label: Label, job: str, depth: int) -> dict[str, Question]:
        """What is asked after a label was chosen: the child jobs of its category."""
        if not label.attributes or depth >= DEPTH_LIMIT:
            return {}
        categories = categories_of(self.jobs[job])
        key = self.labels([label], job, "label")[label.name]
        nested = child_jobs(self.jobs, categories.get(key, {}))
        return {part.name: self.question(part, nested, depth + 1) for part in label.attributes}

    def question(self, part: Classification, among: list[str], depth: int) -> Question:
        job = self.job(part.name, among, "attribute" if depth else "classification")
        if not job:
            return Question("", {}, multiple=False)
        multiple = is_multiple(self.jobs[job])
        if part.multi_label and not multiple:
            self.problems.append(f"{part.name!r} takes several labels, job {job} takes one")
        categories = self.labels(part.labels, job, f"label of {part.name!r}:")
        return Question(job, categories, multiple, {one.name: self.after(one, job, depth) for one in part.labels})

    def job(self, name: str, among: list[str], what: str) -> str:
        shown = {key: job_name(key, self.jobs[key]) for key in among}
        titled = [key for key in among if is_titled(self.jobs[key], name)]
        if name not in shown and name not in shown.values() and len(titled) == 1:
            return titled[0]
        return self._resolve(name, shown, f"{what} {name!r}", "the project")

    def relation(self, name: str) -> tuple[str, str]:
        found = {
            (job, key): str(value.get("name") or key)
            for job in self.top(RELATION)
            for key, value in categories_of(self.jobs[job]).items()
        }
        exact = [place for place, shown in found.items() if name in (shown, place[1])]
        if len(exact) == 1:
            return exact[0]
        shown = {key: text for (_, key), text in found.items()}
        if len(exact) > 1:
            self.problems.append(
                f"relation {name!r} stands in several jobs of the project: {sorted(j for j, _ in exact)}"
            )
        else:
            self._resolve(name, shown, f"relation {name!r}", "the project")
        return ("", "")

    def _resolve(self, name: str, shown: Mapping[str, str], what: str, where: str) -> str:
        """Return the key meant by ``name`` (a display name or a key), or note why there is none."""
        exact = [key for key, text in shown.items() if text == name]
        exact += [name] if name in shown and name not in exact else []
        if len(exact) == 1:
            return exact[0]
        if exact:
            self.problems.append(f"{what} is ambiguous in {where}: it may be any of the keys {exact}")
        else:
            self.problems.append(f"{what} is not in {where}{_near(name, shown)}")
        return ""


def _near(name: str, shown: Mapping[str, str]) -> str:
    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    spellings = {plain(text): key for key, text in shown.items()} | {plain(key): key for key in shown}
    close = difflib.get_close_matches(plain(name), spellings, n=1, cutoff=0.75)
    if not close:
        return f"; it has {list(shown)[:20]}"
    key = spellings[close[0]]
    return f"; did you mean {shown[key]!r}? (that is the display name; the key is {key!r})"
