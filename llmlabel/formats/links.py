"""Relations of an answer: from how the model named the two ends to the mentions they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmlabel.formats.keys import HEAD, LABEL, RELATION, TAIL, TEXT, key_used
from llmlabel.types import MentionRelation, clean

if TYPE_CHECKING:
    from llmlabel.formats.draft import Draft

_NUMBER = re.compile(r"\D{0,3}(\d{1,6})")


def resolve_links(draft: Draft) -> Iterator[MentionRelation]:
    """Yield the relations whose ends are known; the others go into the ledger of the draft.

    An end is the ``id`` of an entity, its 1-based place in the list, or its surface. A surface that was listed several
    times under one label means the first of them; under several labels, the one that the schema allows at this end,
    if it is the only one.
    """
    index = _Index(draft)
    for link in draft.links:
        label_key = key_used(link, RELATION) if isinstance(link, dict) else None
        head_key = key_used(link, HEAD) if isinstance(link, dict) else None
        tail_key = key_used(link, TAIL) if isinstance(link, dict) else None
        if not isinstance(link, dict) or not (label_key and head_key and tail_key):
            draft.drop(link, "expected an object with head, label and tail", "relation")
            continue
        label = link[label_key]
        if not isinstance(label, str) or not label.strip():
            draft.drop(link, "it has no label", "relation")
            continue
        label = clean(label).strip()
        known = next((part for part in draft.schema.relations if part.name == label), None)
        head = index.find(link[head_key], known.head if known else ())
        tail = index.find(link[tail_key], known.tail if known else ())
        if head is None or tail is None:
            draft.drop(link, "an end is none of the entities, or could be several", "relation")
        else:
            yield MentionRelation(head=head, tail=tail, label=label)


class _Index:
    """Mentions of a draft by id, place and surface."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.places: dict[str, list[int]] = {}
        for number, mention in enumerate(draft.mentions if draft.links else ()):
            self.places.setdefault(mention.text, []).append(number)

    def find(self, said: Any, allowed: tuple[str, ...]) -> int | None:
        if isinstance(said, list) and len(said) == 1:
            said = said[0]
        if isinstance(said, dict):
            if said.get("id") is not None:
                return self.find(said["id"], allowed)
            text, label = key_used(said, TEXT), key_used(said, LABEL)
            labels = (said[label],) if label and isinstance(said[label], str) else allowed
            return self._surface(said[text], labels) if text else None
        if isinstance(said, int) and not isinstance(said, bool) and abs(said) < 1_000_000:
            said = str(said)
        if not isinstance(said, str):
            return None
        if said in self.draft.ids:
            return self.draft.ids[said]
        if said in self.places:
            return self._surface(said, allowed)
        number = _NUMBER.fullmatch(said.strip())
        numbered = self.draft.numbered
        if number and not self.draft.ids and 0 < int(number[1]) <= len(numbered):
            return numbered[int(number[1]) - 1]
        if number and number[1] in self.draft.ids:
            return self.draft.ids[number[1]]
        return None

    def _surface(self, text: object, allowed: tuple[str, ...]) -> int | None:
        places = self.places.get(clean(text), []) if isinstance(text, str) else []
        mentions = self.draft.mentions
        if len({mentions[place].label for place in places}) > 1:
            places = [place for place in places if mentions[place].label in allowed]
        return places[0] if len({mentions[place].label for place in places}) == 1 else None
