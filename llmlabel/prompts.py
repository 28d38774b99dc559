"""From documents, schema, examples and an answer format to a ``Prompt``. Pure: nothing is sent here.

The static part (identity, goal, definitions, rules, answer format, demonstrations) comes first and is the same for all
documents of a run, so that providers can cache it; the document comes last, inside a fence. Texts are joined, never
formatted: braces and percent signs in wording or documents mean themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from llmlabel.definitions import CONTEXT, DATA, GOAL, IDENTITY, definitions, rules
from llmlabel.errors import ConfigurationError
from llmlabel.fences import fence_for, fenced
from llmlabel.formats import answer_format
from llmlabel.formats.base import AnswerFormat, Request
from llmlabel.schema import Classification, Example, FreeText, Label, LabelSchema, RelationLabel
from llmlabel.values import Value, explain

if TYPE_CHECKING:
    from llmlabel.documents import Document, LabeledDocument
    from llmlabel.exchange import Message, Prompt

    _Static = tuple[tuple[Message, ...], Mapping[str, Any] | None]
    _Key = tuple[tuple[object, ...], LabelSchema, tuple[Example, ...], bool]


class PromptTemplate(Value):
    """How to ask; the defaults make a strong prompt of a schema that holds nothing but label names.

    Args:
        identity: Who the model is; the default is an expert annotator, an empty string leaves it out.
        goal: What the labels are for; likewise.
        constraints: Rules of your own, after the built-in ones.
        builtin_rules: Whether to give the rules on verbatim copies, occurrences, inventions and empty answers.
        demonstrations: Where examples go: as ``"turns"`` of the conversation, or into the ``"system"`` message.
        answer_format: ``"json"``, ``"by_label"``, ``"inline"``, or an ``AnswerFormat`` of your own.
        reasons: Whether to ask why each entity, and each classification, has its label.
        max_output_tokens: Limit of one answer; None leaves it to the provider.

    Raises:
        ConfigurationError: A field is unknown or of the wrong type, or no answer format has the name.
    """

    identity: str = IDENTITY
    goal: str = GOAL
    constraints: tuple[str, ...] = ()
    builtin_rules: bool = True
    demonstrations: Literal["turns", "system"] = "turns"
    answer_format: str | AnswerFormat = "json"
    reasons: bool = False
    max_output_tokens: int | None = Field(default=None, ge=1)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise ConfigurationError(f"PromptTemplate: {explain(error)}") from None

    @field_validator("constraints", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("answer_format")
    @classmethod
    def _known(cls, value: str | AnswerFormat) -> str | AnswerFormat:
        if isinstance(value, str):
            answer_format(value)
        return value

    @property
    def format(self) -> AnswerFormat:
        """The answer format itself, also when it was named."""
        return answer_format(self.answer_format) if isinstance(self.answer_format, str) else self.answer_format

    @property
    def fingerprint(self) -> str:
        """A hash of everything that shapes a prompt: the fields, the wording of this version, and the format's own."""
        kind = f"{type(self.format).__module__}.{type(self.format).__qualname__}"
        fields = self.model_dump(mode="json", exclude={"answer_format"})
        state = re.sub(r" at 0x[0-9a-f]+", "", repr(sorted(getattr(self.format, "__dict__", {}).items())))
        content = json.dumps([kind, state, fields, self._probe(1), self._probe(2)], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def prompt(
        self,
        schema: LabelSchema,
        documents: Sequence[Document],
        *,
        examples: Sequence[Example] = (),
        before: str = "",
        after: str = "",
        sample: int = 0,
    ) -> Prompt:
        """Return the request for the documents (several: packed); ``before``/``after`` is context not to label.

        Several documents are numbered from 1: their ids, which may hold anything, are not sent.

        Raises:
            ConfigurationError: There is no document, or the format cannot show an example or pack documents.
        """
        if not documents:
            raise ConfigurationError("a prompt needs at least one document")
        from llmlabel.exchange import Message, Prompt

        first, answer_schema = self._static(schema, tuple(examples), packed=len(documents) > 1)
        last = Message(role="user", content=self._asked(documents, before, after))
        return Prompt(
            messages=(*first, last),
            answer_schema=answer_schema,
            max_output_tokens=self.max_output_tokens,
            sample=sample,
            document_ids=tuple(document.id for document in documents),
        )

    @cached_property
    def _memory(self) -> list[tuple[_Key, _Static]]:
        return []

    def _static(self, schema: LabelSchema, examples: tuple[Example, ...], *, packed: bool) -> _Static:
        """Return the part that is the same for all documents; the last two are kept, a run asks for few others."""
        fields = tuple(getattr(self, name) for name in type(self).model_fields)  # a copy of the model shares its memory
        for (known, known_schema, shown, known_packed), static in tuple(self._memory):
            if (
                known_schema is schema
                and known_packed == packed
                and known == fields
                and len(shown) == len(examples)
                and all(mine is theirs for mine, theirs in zip(shown, examples, strict=True))
            ):
                return static
        static = self._written(schema, examples, packed)
        self._memory[:] = [((fields, schema, examples, packed), static), *self._memory[:1]]
        return static

    def _written(self, schema: LabelSchema, examples: tuple[Example, ...], packed: bool) -> _Static:
        from llmlabel.exchange import Message

        request = self.format.ask(schema, packed=packed, reasons=self.reasons)
        shown = self._demonstrations(schema, [example.labeled() for example in examples], packed)
        system = self._system(schema, request)
        turns: list[Message] = []
        if self.demonstrations == "system":
            system += "".join(f"\n\n## Example\n\n{asked}\n\nAnswer:\n{answer}" for asked, answer in shown)
        else:
            for asked, answer in shown:
                turns += [Message(role="user", content=asked), Message(role="assistant", content=answer)]
        return (Message(role="system", content=system), *turns), request.answer_schema

    def _probe(self, documents: int) -> object:
        schema, example, texts = _probe_parts()
        refused: list[object] = []
        for examples in ((example,), ()):  # a format may refuse examples, some tasks, or packing
            try:
                prompt = self.prompt(schema, texts[:documents], examples=examples, before="a", after="b")
            except ConfigurationError as error:
                refused.append(str(error))
            else:
                content = prompt.model_dump(mode="json")
                return [*refused, content] if refused else content
        return refused

    def _system(self, schema: LabelSchema, request: Request) -> str:
        own = [*(rules(schema) if self.builtin_rules else ()), *self.constraints]
        numbered = "\n".join(f"{number}. {rule}" for number, rule in enumerate(own, 1))
        parts = [
            self.identity.strip(),
            self.goal.strip(),
            *definitions(schema),
            f"## Rules\n\n{numbered}" if own else "",
            f"## Documents\n\n{DATA}\n{CONTEXT}",
            f"## Answer\n\n{request.instructions}",
        ]
        return "\n\n".join(part for part in parts if part)

    def _demonstrations(
        self, schema: LabelSchema, examples: Sequence[LabeledDocument], packed: bool
    ) -> list[tuple[str, str]]:
        groups = [list(examples)] if packed and examples else [[example] for example in examples]
        return [
            (self._asked([item.document for item in group], "", ""), self.format.show(group, schema, packed=packed))
            for group in groups
        ]

    def _asked(self, documents: Sequence[Document], before: str, after: str) -> str:
        texts = [document.text for document in documents]
        everything = [*texts, before, after]
        parts = [
            f"Text {side} the document (context, do not label):\n"
            + fenced(text, fence_for(everything, number), "context")
            for number, (side, text) in enumerate((("before", before), ("after", after)), 1)
            if text
        ]
        for number, document in enumerate(documents, 1):
            note = self.format.note(document)
            title = f"Document {number}:" if len(documents) > 1 else "Document:"
            data = fenced(document.text, fence_for(everything, number + 2))
            parts.append(f"{title} {note}\n{data}" if note else f"{title}\n{data}")
        return "\n\n".join([*parts, "All between the tags was data. Now answer in the required form."])


@cache
def _probe_parts() -> tuple[LabelSchema, Example, tuple[Document, Document]]:
    """What the fingerprint looks at: a schema with every kind of task, an example, two documents."""
    from llmlabel.documents import Document

    schema = LabelSchema(
        entities=[
            Label(name="A", attributes=(Classification(name="B", labels=["C", "D"]),)),
            Label(name="E|[", description="F"),
        ],
        relations=[RelationLabel(name="G", head=("A",))],
        classifications=[
            Classification(name="H", labels=["I"]),
            Classification(name="J", labels=["K"], multi_label=True),
        ],
        texts=[FreeText(name="L")],
    )
    example = Example(text="a b", entities=(("a", "A"), ("b", "E|[")))
    return schema, example, (Document(id="1", text="c"), Document(id="2", text="[d]"))
