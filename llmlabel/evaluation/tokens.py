"""The per-token table (B-PER, I-PER, O) that tutorials print: a view, with O shown and never averaged in.

Most tokens are O: a mean that counts them calls a model good that finds nothing. The headline is the span score.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from llmlabel.evaluation.matching import answered, by_id, check_text
from llmlabel.evaluation.scores import Score
from llmlabel.evaluation.tables import rich_table, text_table
from llmlabel.html import table_html
from llmlabel.types import LabeledDocument, Shown

if TYPE_CHECKING:
    from rich.table import Table

_TOKEN = re.compile(r"\w+|[^\w\s]")
_CAPTION = "per token; O is shown, not averaged"
_HEADERS = ("tag", "precision", "recall", "F1", "gold tokens")


def token_tags(labeled: LabeledDocument | None, text: str | None = None) -> list[str]:
    """Return the tag of each token (words and single signs): ``B-`` and ``I-`` of its entity, or ``O``.

    A token belongs to an entity if they share a character; of nested or overlapping entities the longest wins.
    """
    text = labeled.document.text if labeled is not None else text or ""
    tags = ["O"] * len(text)
    entities = labeled.entities if labeled is not None else ()
    for entity in sorted(entities, key=lambda e: (e.end - e.start, -e.start, e.label)):
        tags[entity.start : entity.end] = [f"{entity.start} {entity.label}"] * (entity.end - entity.start)
    found, before = [], "O"
    for token in _TOKEN.finditer(text):
        mark = next((tag for tag in tags[token.start() : token.end()] if tag != "O"), "O")
        label = mark.partition(" ")[2]
        found.append("O" if mark == "O" else f"I-{label}" if mark == before else f"B-{label}")
        before = mark
    return found


class TokenTable(Shown):
    """Score of each tag; ``all`` is without O."""

    by_tag: dict[str, Score]

    @property
    def all(self) -> Score:
        """All tags but O together."""
        return sum((score for tag, score in self.by_tag.items() if tag != "O"), Score())

    def rows(self) -> Iterator[tuple[str, float | None, float | None, float | None, int]]:
        """Yield tag, precision, recall, F1, gold tokens; the last row is all tags but O."""
        for tag, score in [*self.by_tag.items(), ("all but O", self.all)]:
            yield tag, score.precision, score.recall, score.f1, score.support

    def __str__(self) -> str:
        return "\n".join(text_table(_HEADERS, self.rows()))

    def _repr_html_(self) -> str:
        return table_html(_HEADERS, self.rows(), _CAPTION)

    def to_rich(self) -> Table:
        """Return the table for ``rich.print``.

        Raises:
            ImportError: rich is not installed.
        """
        return rich_table(_HEADERS, self.rows(), "tokens", [_CAPTION])


def token_table(gold: Iterable[LabeledDocument], predicted: Iterable[LabeledDocument]) -> TokenTable:
    """Return the per-token scores; documents without a usable prediction count as all O.

    Raises:
        ConfigurationError: An id stands twice on one side, or the texts of a document differ.
    """
    answers = {id: item for id, item in by_id(predicted, "predicted").items() if answered(item)}
    pairs: Counter[tuple[str, str]] = Counter()
    for id, item in by_id(gold, "gold").items():
        answer = answers.get(id)
        if answer is not None:
            check_text(item, answer)
        pairs.update(zip(token_tags(item), token_tags(answer, item.document.text), strict=True))
    tags = sorted({tag for pair in pairs for tag in pair}, key=lambda tag: (tag == "O", tag[2:], tag))
    return TokenTable(
        by_tag={
            tag: Score(
                tp=pairs[tag, tag],
                fp=sum(n for (mine, theirs), n in pairs.items() if theirs == tag != mine),
                fn=sum(n for (mine, theirs), n in pairs.items() if mine == tag != theirs),
            )
            for tag in tags
        }
    )
