"""What a model says of a text, before anything has been placed in it."""

from __future__ import annotations

from pydantic import Field

from llmlabel.values import Value


class Mention(Value):
    """What the model said: a surface and a label.

    ``before``/``after`` is context the model gave; ``hint`` is the code point at which an answer format saw the
    mention (inline answers), to be checked, never an offset claimed by a model.
    """

    text: str
    label: str
    before: str | None = None
    after: str | None = None
    hint: int | None = None
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    reason: str | None = None

    def __hash__(self) -> int:
        return hash((self.text, self.label, self.before, self.after, self.hint))


class MentionRelation(Value):
    """A relation the model stated, between two mentions of the same answer (indices)."""

    head: int = Field(ge=0)
    tail: int = Field(ge=0)
    label: str
