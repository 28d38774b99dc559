"""What all values have in common: frozen pydantic models, whose errors name the field and repeat no text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError


class Value(BaseModel):
    """Base of all values: frozen, no unknown fields; errors name the field and do not repeat what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", hide_input_in_errors=True)


class Shown(Value):
    """A value whose text is written for people: it is what a terminal shows, and a notebook that shows no HTML."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("..." if cycle else str(self))


def explain(error: ValidationError) -> str:
    """Return a validation error as one line per field: ``entities[1].name: …`` (values are not repeated)."""
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "; ".join(lines)


def well_formed(text: str) -> str:
    """Return ``text`` unchanged, or raise ``ValueError`` if it holds a lone surrogate (not encodable as UTF-8)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"lone surrogate U+{ord(text[error.start]):04X} at position {error.start}; decode the source as UTF-8, "
            "or replace it"
        ) from None
    return text


def clean(text: str) -> str:
    """Return ``text`` with surrogate pairs joined, and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# What models and endpoints say: it must reach the journal and files, whatever it is.
Cleaned = Annotated[str, AfterValidator(clean)]
