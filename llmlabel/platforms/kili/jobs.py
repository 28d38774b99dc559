"""How to read the jobs of a Kili ``json_interface``, whoever wrote it: nothing in it is trusted to be there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from llmlabel.errors import ConfigurationError

NER, RELATION = "NAMED_ENTITIES_RECOGNITION", "NAMED_ENTITIES_RELATION"
CLASSIFICATION, TRANSCRIPTION = "CLASSIFICATION", "TRANSCRIPTION"
ENTITIES_JOB, RELATIONS_JOB = "NAMED_ENTITIES_RECOGNITION_JOB", "NAMED_ENTITIES_RELATION_JOB"
ENTITIES_TITLE, RELATIONS_TITLE = "Entities", "Relations"
ANY_ENTITY = "ANY"  # what Kili writes for an end of a relation that may be any entity
NAME_LIMIT, TEXT_LIMIT, DEPTH_LIMIT = 200, 2000, 5


def key_of(name: str) -> str:
    """Return the key of a name: upper snake case (``"Person name"`` → ``"PERSON_NAME"``), empty if nothing is left."""
    return re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_").upper()


def jobs_of(interface: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the jobs of an interface by key; ``ConfigurationError`` if it has none."""
    jobs = interface.get("jobs")
    if not isinstance(jobs, Mapping) or not all(isinstance(job, Mapping) for job in jobs.values()):
        raise ConfigurationError('json_interface: expected {"jobs": {KEY: {…}}}')
    return dict(jobs)


def choose_ner_job(jobs: Mapping[str, Mapping[str, Any]], ner_job: str | None) -> str | None:
    """Return the key of the named-entity job: the one asked for, the only one, or None if there is none.

    Raises:
        ConfigurationError: There are several and none was named, or the named one is not one of them.
    """
    found = [key for key, job in jobs.items() if job.get("mlTask") == NER and not job.get("isChild")]
    if ner_job is not None:
        if ner_job not in found:
            raise ConfigurationError(f"ner_job: expected one of {found}, found {ner_job!r}")
        return ner_job
    if len(found) > 1:
        raise ConfigurationError(f"the project has several named-entity jobs, {found}: name one with ner_job=…")
    return found[0] if found else None


def categories_of(job: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the categories of a job by key."""
    content = job.get("content")
    categories = content.get("categories") if isinstance(content, Mapping) else None
    if not isinstance(categories, Mapping):
        return {}
    return {str(key): value if isinstance(value, Mapping) else {} for key, value in categories.items()}


def is_multiple(job: Mapping[str, Any]) -> bool:
    """Return whether a classification job takes several categories."""
    content = job.get("content")
    return isinstance(content, Mapping) and content.get("input") in ("checkbox", "multipleDropdown")


def category_names(job: Mapping[str, Any]) -> dict[str, str]:
    """Return the label name of each category key: the display name, or the key in a job where names are ambiguous."""
    categories = categories_of(job)
    shown = {key: str(value.get("name") or key) for key, value in categories.items()}
    usable = all(len(name) <= NAME_LIMIT and name.isprintable() and name == name.strip() for name in shown.values())
    crossed = any(name in categories and name != key for key, name in shown.items())
    return shown if usable and not crossed and len(set(shown.values())) == len(shown) else {key: key for key in shown}


def job_name(key: str, job: Mapping[str, Any]) -> str:
    """Return a job's name: what its instruction starts with if the key was made from it, else the key."""
    words = instruction(job).split(": ")
    starts = (": ".join(words[:count]) for count in range(len(words), 0, -1))
    usable = (s for s in starts if key_of(s) == key and s.isprintable() and s == s.strip() and len(s) <= NAME_LIMIT)
    return next(usable, key)


def is_titled(job: Mapping[str, Any], name: str) -> bool:
    """Return whether a job's instruction is the name, or starts with it: ``name: definition``."""
    text = str(job.get("instruction") or "")
    return text == name or text.startswith(f"{name}: ")


def child_jobs(jobs: Mapping[str, Mapping[str, Any]], category: Mapping[str, Any]) -> list[str]:
    """Return the keys of the classification jobs nested under a category."""
    nested = category.get("children") or ()
    return [key for key in nested if isinstance(key, str) and jobs.get(key, {}).get("mlTask") == CLASSIFICATION]


def asks(interface: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an interface asks for, without colours and instructions: to tell whether two ask the same."""
    return {
        key: (
            job.get("mlTask"),
            bool(job.get("isChild")),
            is_multiple(job),
            {
                name: (
                    value.get("name") or name,
                    *(sorted(value.get(part) or ()) for part in ("children", "startEntities", "endEntities")),
                )
                for name, value in categories_of(job).items()
            },
        )
        for key, job in jobs_of(interface).items()
    }


def instruction(job: Mapping[str, Any]) -> str:
    """Return what a job tells people, at most 2,000 characters of it."""
    return str(job.get("instruction") or "")[:TEXT_LIMIT]
