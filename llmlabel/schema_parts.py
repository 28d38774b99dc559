"""The pieces of a label schema: labels, classifications, relations, free texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from llmlabel.errors import ConfigurationError
from llmlabel.values import Value, well_formed

Location = tuple[str | int, ...]
Problem = tuple[Location, str]


def render_location(location: Location) -> str:
    """Return ``("entities", 1, "name")`` as ``entities[1].name``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _problems(error: ValidationError, fields: Iterable[str]) -> list[Problem]:
    """Every problem with its whole location; those of nested parts are told at their own place."""
    found: list[Problem] = []
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, ConfigurationError) and cause.problems:
            found += [((*item["loc"], *location), message) for location, message in cause.problems]
        elif item["type"] == "extra_forbidden":
            found.append((item["loc"], unknown(str(item["loc"][-1]), fields if len(item["loc"]) == 1 else ())))
        else:
            found.append((item["loc"], item["msg"].removeprefix("Value error, ")))
    return found


def unknown(name: str, known: Iterable[str]) -> str:
    """Return what to say of a field that does not exist, with the nearest one that does."""
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(names)}" if names else ""
    return f"there is no field {name!r}{hint}"


class Part(Value):
    """A piece of a schema: wrong arguments raise ``ConfigurationError`` and name the field."""

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = _problems(error, type(self).model_fields)
            lines = [f"{render_location(where)}: {what}" if where else what for where, what in problems]
            raise ConfigurationError(
                f"{type(self).__name__}: {'; '.join(lines)}",
                field=render_location(problems[0][0]) or None,
                problems=problems,
            ) from None

    @field_validator("*")
    @classmethod
    def _encodable(cls, value: object) -> object:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str):
                well_formed(item)
        return value


def check_name(value: object) -> str:
    """Return a name unchanged; ``ValueError`` if it is not a string, is blank, or holds control characters."""
    if not isinstance(value, str):
        raise ValueError(
            f"expected a name, found {value!r} ({type(value).__name__}); "
            "in YAML, put quotes around names such as No, on, 1 or a date"
        )
    if not value.strip():
        raise ValueError("the name is empty or blank")
    # Format characters stay allowed: Persian and Indic names are written with zero-width (non-)joiners.
    if value != value.strip() or any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in value):
        raise ValueError(f"the name {value!r} has white space around it or control characters inside")
    return well_formed(value)


def _item(name: object, rest: object, key: str) -> object:
    """One entry of a ``{name: …}`` mapping as a part, or as the arguments of one."""
    if isinstance(rest, Value):
        if getattr(rest, "name", None) != name:
            raise ValueError(f"the key is {name!r}, the part under it is named {getattr(rest, 'name', None)!r}")
        return rest
    if isinstance(rest, Mapping):
        if key == "labels" and rest and not rest.keys() & Classification.model_fields.keys():
            return {"name": name, "labels": rest}  # {"sentiment": {"good": "…", "bad": "…"}}
        if "name" in rest and rest["name"] != name:
            raise ValueError(f"the key is {name!r}, the name inside is {rest['name']!r}")
        return {**rest, "name": name}
    return {"name": name, key: "" if rest is None and key == "description" else rest}


def named(value: object, key: str = "description") -> list[object]:
    """Return ``{name: description}``, a list of names, or of parts, as a list of mappings and parts."""
    if isinstance(value, str):
        raise ValueError(f"expected a list of names or a mapping of names to {key}, found one string")
    if isinstance(value, set | frozenset):
        raise ValueError("expected a list of names, found a set: its order differs from process to process")
    if isinstance(value, Mapping):
        return [_item(name, rest, key) for name, rest in value.items()]
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise ValueError(f"expected a list of names or a mapping, found {type(value).__name__}")
    return [item if isinstance(item, Mapping | Value) else {"name": item} for item in value]


def at(location: Location, message: str) -> ConfigurationError:
    """Return the error for one place of a schema."""
    return ConfigurationError(
        f"{render_location(location)}: {message}", field=render_location(location), problems=[(location, message)]
    )


def distinct(what: str, names: Iterable[str], field: str) -> None:
    """Raise ``ConfigurationError`` if a name stands twice."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise at((field, number), f"{what} {name!r} stands twice; names must differ")
        seen.add(name)


class Label(Part):
    """One label: its name as it is exported, what it means, and surfaces that carry it.

    ``attributes`` are classifications asked for each entity (or chosen class) with this label.
    """

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()
    attributes: tuple[Classification, ...] = ()

    _check_name = field_validator("name", mode="before")(check_name)

    @field_validator("attributes", mode="before")
    @classmethod
    def _attributes(cls, value: object) -> object:
        return named(value, "labels")

    @model_validator(mode="after")
    def _unique(self) -> Self:
        distinct("attribute", (part.name for part in self.attributes), "attributes")
        return self


class Classification(Part):
    """A question with a closed set of labels, about a document or (as an attribute) about an entity."""

    name: str
    labels: tuple[Label, ...] = Field(min_length=1)
    multi_label: bool = False
    description: str = ""

    if TYPE_CHECKING:  # type checkers would allow the stored types only, not the short forms

        def __init__(
            self,
            *,
            name: str,
            labels: Mapping[str, object] | Iterable[str | Label],
            multi_label: bool = False,
            description: str = "",
        ) -> None: ...

    _check_name = field_validator("name", mode="before")(check_name)

    @field_validator("labels", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        return named(value)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        distinct(f"label of {self.name!r}:", (label.name for label in self.labels), "labels")
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels, in schema order."""
        return tuple(label.name for label in self.labels)


# A label and a classification name each other; completed at its first use, a model would not be thread-safe.
Label.model_rebuild()


class RelationLabel(Label):
    """A directed relation; ``head`` and ``tail`` limit the entity labels at its ends (empty: any)."""

    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    @field_validator("head", "tail", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class FreeText(Part):
    """A question that is answered in free text (a summary, a translation, a note)."""

    name: str
    description: str = ""

    _check_name = field_validator("name", mode="before")(check_name)
