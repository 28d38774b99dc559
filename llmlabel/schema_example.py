"""``Example``: a labelled text that shows a model what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from llmlabel.mentions import Mention, MentionRelation
from llmlabel.schema_parts import Part, at
from llmlabel.values import well_formed

if TYPE_CHECKING:
    from llmlabel.documents import LabeledDocument


class Example(Part):
    """A labelled text that shows the model what is wanted; ``entities`` are mentions in reading order.

    ``entities`` also takes ``{label: [surfaces]}`` and ``(surface, label)`` pairs.
    """

    text: str = Field(min_length=1)
    entities: tuple[Mention, ...] = ()
    relations: tuple[MentionRelation, ...] = ()
    classes: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}

    if TYPE_CHECKING:  # type checkers would allow the stored types only, not the short forms

        def __init__(
            self,
            *,
            text: str,
            entities: Mapping[str, Iterable[str] | str] | Iterable[Mention | tuple[str, str]] = (),
            relations: Iterable[MentionRelation] = (),
            classes: Mapping[str, Iterable[str] | str] = {},
            texts: Mapping[str, str] = {},
        ) -> None: ...

    _check_text = field_validator("text")(well_formed)

    @field_validator("entities", mode="before")
    @classmethod
    def _entities(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return [
                {"text": surface, "label": label}
                for label, surfaces in value.items()
                for surface in (surfaces if isinstance(surfaces, list | tuple) else (surfaces,))
            ]
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [
                {"text": item[0], "label": item[1]} if isinstance(item, list | tuple) and len(item) == 2 else item
                for item in value
            ]
        return value

    @field_validator("classes", mode="before")
    @classmethod
    def _classes(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: (chosen,) if isinstance(chosen, str) else chosen for name, chosen in value.items()}
        return value

    @model_validator(mode="after")
    def _stands(self) -> Self:
        self._spans()
        return self

    def _spans(self) -> tuple[tuple[int, int], ...]:
        """The place of each mention: the k-th time a surface is named is its k-th occurrence.

        Context (``before``, ``after``) may point into the previous occurrence: "aa" stands twice in "aaa".
        """
        last: dict[tuple[str, str], tuple[int, int]] = {}
        spans = []
        for number, mention in enumerate(self.entities):
            lead, trail = mention.before or "", mention.after or ""
            key = (mention.text, mention.label)
            start, end = last.get(key, (-1, 0))
            found = self.text.find(
                lead + mention.text + trail, max(0, (start + 1 if lead or trail else end) - len(lead))
            )
            if found < 0 or not mention.text:
                again = " once more" if key in last else ""
                raise at(("entities", number), f"{mention.text!r} does not stand{again} in the example's text")
            last[key] = (found + len(lead), found + len(lead) + len(mention.text))
            spans.append(last[key])
        return tuple(spans)

    def labeled(self, id: str = "example") -> LabeledDocument:
        """Return the example as a ``LabeledDocument`` with exact spans."""
        from llmlabel.documents import ClassLabel, Document, Entity, LabeledDocument, Provenance, Relation

        return LabeledDocument(
            document=Document(id=id, text=self.text),
            entities=tuple(
                Entity(
                    start=start,
                    end=end,
                    label=mention.label,
                    text=mention.text,
                    attributes={
                        name: tuple(ClassLabel(label=v) for v in values) for name, values in mention.attributes.items()
                    },
                    reason=mention.reason,
                )
                for mention, (start, end) in zip(self.entities, self._spans(), strict=True)
            ),
            relations=tuple(Relation(head=r.head, tail=r.tail, label=r.label) for r in self.relations),
            classes={name: tuple(ClassLabel(label=label) for label in chosen) for name, chosen in self.classes.items()},
            texts=self.texts,
            provenance=Provenance(kind="human"),
        )

    @classmethod
    def from_labeled(cls, labeled: LabeledDocument) -> Example:
        """Return a labelled document as an example; repeats are told apart by the text before them.

        Entities that stand twice (same place, same label) become one mention.
        """
        text = labeled.document.text
        spans = [(e.start, -e.end, e.label) for e in labeled.entities]
        ordered = sorted(set(spans))
        place = {old: ordered.index(span) for old, span in enumerate(spans)}
        mentions = []
        for entity in (labeled.entities[spans.index(span)] for span in ordered):
            unique = text.find(entity.text) == text.rfind(entity.text)
            mentions.append(
                Mention(
                    text=entity.text,
                    label=entity.label,
                    before=None if unique else text[: entity.start],
                    attributes={name: tuple(c.label for c in chosen) for name, chosen in entity.attributes.items()},
                )
            )
        return cls(
            text=text,
            entities=tuple(mentions),
            relations=tuple(
                MentionRelation(head=place[r.head], tail=place[r.tail], label=r.label) for r in labeled.relations
            ),
            classes={name: tuple(c.label for c in chosen) for name, chosen in labeled.classes.items()},
            texts=labeled.texts,
        )
