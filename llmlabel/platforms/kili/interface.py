"""A label schema as a Kili ontology (``json_interface``), and back.

Format: the ``jsonInterface`` of a Kili project: ``{"jobs": {KEY: {"mlTask", "required", "isChild", "instruction",
"content": {"input", "categories": {KEY: {"name", "children", "color"}}}}}}``. Answers carry keys, people see names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.kili.jobs import (
    ANY_ENTITY,
    CLASSIFICATION,
    DEPTH_LIMIT,
    ENTITIES_JOB,
    ENTITIES_TITLE,
    NAME_LIMIT,
    NER,
    RELATION,
    RELATIONS_JOB,
    RELATIONS_TITLE,
    TEXT_LIMIT,
    TRANSCRIPTION,
    categories_of,
    category_names,
    child_jobs,
    choose_ner_job,
    instruction,
    is_multiple,
    job_name,
    jobs_of,
    key_of,
)
from llmlabel.schema import Classification, FreeText, Label, LabelSchema, RelationLabel

_COLORS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
    "#3949ab",
    "#f4511e",
    "#00897b",
    "#c0ca33",
    "#6d4c41",
    "#5e35b1",
    "#039be5",
    "#43a047",
    "#fdd835",
    "#d81b60",
)


# -- schema → interface -----------------------------------------------------------------------------------------------


def interface_from_schema(
    schema: LabelSchema, *, job_names: Mapping[str, str] = {}, keys: Mapping[str, str] = {}
) -> dict[str, Any]:
    """Return the ``json_interface`` of a new project for a schema; the same schema gives the same keys and colours.

    Args:
        schema: What is labelled.
        job_names: Job keys by classification, text or attribute name; ``"entities"`` and ``"relations"`` name those.
        keys: Category keys by label name, where the upper snake case of two labels would be the same.

    Raises:
        ConfigurationError: Two names get one key, or a name gives no key; all such problems together.
    """
    writer = _Writer(dict(job_names), dict(keys))
    writer.write(schema)
    if writer.problems:
        raise ConfigurationError("the schema has no unambiguous Kili keys: " + "; ".join(writer.problems))
    return {"jobs": writer.jobs}


class _Writer:
    def __init__(self, job_names: dict[str, str], keys: dict[str, str]) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self._names = job_names
        self._keys = keys
        self._parts: dict[str, Classification] = {}  # child jobs, to share equal ones

    def write(self, schema: LabelSchema) -> None:
        # All top-level jobs take their keys before any child job does, so that attributes never rename them.
        entities = self._reserve(self._names.get("entities", ENTITIES_JOB)) if schema.entities else None
        relations = self._reserve(self._names.get("relations", RELATIONS_JOB)) if schema.relations else None
        parts: tuple[Classification | FreeText, ...] = (*schema.classifications, *schema.texts)
        tops = [(part, self._reserve(self._job_key(part.name))) for part in parts]
        if entities:
            title = schema.guidelines[:TEXT_LIMIT] or ENTITIES_TITLE
            self.jobs[entities].update(_job(NER, title, "radio", self._categories(schema.entities, "entity label")))
        if relations:
            categories = self._categories(schema.relations, "relation", children=False)
            every = [self._key(name) for name in schema.entity_names]
            for relation in schema.relations:
                ends = {"startEntities": relation.head, "endEntities": relation.tail}
                categories[self._key(relation.name)].update(
                    {end: [self._key(name) for name in names] or every for end, names in ends.items()}
                )
            self.jobs[relations].update(_job(RELATION, RELATIONS_TITLE, "radio", categories))
        for part, key in tops:
            if isinstance(part, Classification):
                self._classification(key, part, is_child=False)
            else:
                self.jobs[key].update(_job(TRANSCRIPTION, _title(part), "textField", None))

    def _job_key(self, name: str) -> str:
        return self._names.get(name) or key_of(name)

    def _key(self, name: str) -> str:
        return self._keys.get(name) or key_of(name)

    def _reserve(self, key: str) -> str:
        if not key:
            self.problems.append("a job's name has no letter or digit for a key; give job_names={name: key}")
        elif key in self.jobs:
            self.problems.append(f"two jobs would get the key {key!r}; give job_names={{name: key}}")
        self.jobs[key] = {}
        return key

    def _categories(self, labels: tuple[Label, ...], what: str, *, children: bool = True) -> dict[str, dict[str, Any]]:
        made: dict[str, dict[str, Any]] = {}
        for number, label in enumerate(labels):
            key = self._key(label.name)
            if not key:
                self.problems.append(f"{what} {label.name!r} has no letter or digit for a key; give keys={{name: key}}")
            elif key in made:
                self.problems.append(
                    f"{what}s {made[key]['name']!r} and {label.name!r} would both get the key {key!r}; "
                    "rename one or give keys={name: key}"
                )
            nested = [self._child(part, key) for part in label.attributes] if children else []
            made[key] = {"name": label.name, "children": nested, "color": _COLORS[number % len(_COLORS)]}
        return made

    def _child(self, part: Classification, owner: str) -> str:
        """Return the key of a child job; labels with an equal attribute share one job."""
        plain = self._job_key(part.name)
        for key in (plain, f"{owner}_{plain}"):
            if self._parts.get(key) == part:
                return key
            if key and key not in self.jobs:
                self._parts[key] = part
                self._classification(self._reserve(key), part, is_child=True)
                return key
        self.problems.append(
            f"attribute {part.name!r} of {owner!r} finds no free job key; give job_names={{name: key}}"
        )
        return plain

    def _classification(self, key: str, part: Classification, *, is_child: bool) -> None:
        kind = "checkbox" if part.multi_label else "radio"
        categories = self._categories(part.labels, f"label of {part.name!r}:")
        self.jobs[key].update({**_job(CLASSIFICATION, _title(part), kind, categories), "isChild": is_child})


def _job(task: str, title: str, kind: str, categories: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    content: dict[str, Any] = {"input": kind} if categories is None else {"categories": categories, "input": kind}
    return {"mlTask": task, "required": 0, "isChild": False, "instruction": title, "content": content}


def _title(part: Classification | FreeText) -> str:
    return f"{part.name}: {part.description}"[:TEXT_LIMIT] if part.description else part.name


# -- interface → schema -----------------------------------------------------------------------------------------------


def schema_from_interface(interface: Mapping[str, Any], ner_job: str | None = None) -> LabelSchema:
    """Return the schema of a project: labels carry the names people see, or the keys where names are ambiguous.

    Instructions become definitions (at most 2,000 characters of each). Jobs on images, video and the like are left out.

    Args:
        interface: The project's ``json_interface``.
        ner_job: Which named-entity job to read; needed where there are several.

    Raises:
        ConfigurationError: The interface cannot be read, has no job on texts, or leaves the choice of a job open.
    """
    jobs = jobs_of(interface)
    top = {key: job for key, job in jobs.items() if not job.get("isChild")}
    ner = choose_ner_job(jobs, ner_job)
    return LabelSchema(
        entities=_labels(jobs, jobs[ner]) if ner else (),
        relations=_relations(jobs, ner) if ner else (),
        classifications=tuple(
            _classification(jobs, key) for key, job in top.items() if job.get("mlTask") == CLASSIFICATION
        ),
        texts=tuple(
            FreeText(name=_bounded(job_name(key, job)), description=_definition(key, job))
            for key, job in top.items()
            if job.get("mlTask") == TRANSCRIPTION
        ),
        guidelines=_guidelines(jobs[ner]) if ner else "",
    )


def _bounded(name: str) -> str:
    """Names go into every prompt: one that is a text of its own is refused."""
    if len(name) > NAME_LIMIT:
        raise ConfigurationError(
            f"the project has a key of {len(name)} characters, {name[:20]!r}…: expected at most {NAME_LIMIT}; read it "
            "with a schema of your own"
        )
    return name


def _definition(key: str, job: Mapping[str, Any]) -> str:
    text, name = instruction(job), job_name(key, job)
    return text.removeprefix(name).removeprefix(":").strip() if text == name or text.startswith(f"{name}: ") else text


def _guidelines(job: Mapping[str, Any]) -> str:
    text = instruction(job)
    return "" if text == ENTITIES_TITLE else text


def _labels(jobs: Mapping[str, Mapping[str, Any]], job: Mapping[str, Any], depth: int = 0) -> tuple[Label, ...]:
    labels = []
    categories = categories_of(job)
    for key, name in category_names(job).items():
        _bounded(name)
        shown = str(categories[key].get("name") or key)[:TEXT_LIMIT]
        nested = child_jobs(jobs, categories[key]) if depth < DEPTH_LIMIT else []
        attributes = tuple(_classification(jobs, child, depth + 1) for child in nested)
        labels.append(Label(name=name, description="" if shown == name else shown, attributes=attributes))
    return tuple(labels)


def _classification(jobs: Mapping[str, Mapping[str, Any]], key: str, depth: int = 0) -> Classification:
    job = jobs[key]
    return Classification(
        name=_bounded(job_name(key, job)),
        labels=_labels(jobs, job, depth),
        multi_label=is_multiple(job),
        description=_definition(key, job),
    )


def _relations(jobs: Mapping[str, Mapping[str, Any]], ner: str) -> tuple[RelationLabel, ...]:
    entities, found = category_names(jobs[ner]), []
    for job in (job for job in jobs.values() if job.get("mlTask") == RELATION and not job.get("isChild")):
        categories = categories_of(job)
        for key, name in category_names(job).items():
            _bounded(name)
            head, tail = (_ends(categories[key].get(side), entities) for side in ("startEntities", "endEntities"))
            if head is not None and tail is not None:
                found.append(RelationLabel(name=name, head=head, tail=tail))
    return tuple(found)


def _ends(given: object, entities: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return which labels an end of a relation may have, empty for any; None if they are all of another job."""
    keys = [key for key in given if isinstance(key, str)] if isinstance(given, list | tuple) else []
    names = tuple(entities[key] for key in keys if key in entities)
    if not keys or len(names) == len(entities) or (ANY_ENTITY in keys and ANY_ENTITY not in entities):
        return ()
    return names or None
