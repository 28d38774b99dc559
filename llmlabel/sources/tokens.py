"""Tokens as a text, with the place of each token in exactly that text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from llmlabel.sources.tags import Scheme, spans_of_tags
from llmlabel.types import Document, Entity, LabeledDocument

Detokenizer = Literal["auto", "space", "none"] | Callable[[Sequence[str]], str]


def detokenize(
    tokens: Sequence[str], how: Detokenizer = "auto", text: str | None = None
) -> tuple[str, list[tuple[int, int]]]:
    """Return a text and the span of each token in it.

    Args:
        tokens: Non-empty or empty; an empty token takes no place.
        how: ``space`` joins by one space, ``none`` by nothing (one character per token, scripts without spaces), a
            callable makes the text itself. ``auto`` takes ``text`` if given, ``none`` where single spaces are tokens
            of their own, else ``space``.
        text: The text before it was tokenised; tokens are looked up in it, in order.

    Raises:
        ValueError: A token does not stand in the given text after the token before it.
    """
    if callable(how):
        return align(tokens, how(tokens))
    if how == "auto" and text is not None:
        return align(tokens, text)
    joiner = "" if how == "none" or (how == "auto" and " " in tokens) else " "
    spans, position, parts = [], 0, []
    for token in tokens:
        lead = joiner if position and token else ""
        position += len(lead)
        spans.append((position, position + len(token)))
        position += len(token)
        parts += [lead, token]
    return "".join(parts), spans


def align(tokens: Sequence[str], text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text and where each token stands, each after the one before it."""
    spans, position = [], 0
    for number, token in enumerate(tokens, start=1):
        start = text.find(token, position)
        # Only white space may lie between two tokens; anything else means that the text is not that of the tokens.
        if start < 0 or text[position:start].strip():
            raise ValueError(f"token {number} does not stand in the text after token {number - 1}")
        position = start + len(token)
        spans.append((start, position))
    return text, spans


def labeled_tokens(
    tokens: Sequence[str],
    tags: Sequence[str],
    *,
    id: str,
    scheme: Scheme = "auto",
    how: Detokenizer = "auto",
    text: str | None = None,
) -> LabeledDocument:
    """Return tagged tokens as a document with exact spans.

    Raises:
        ValueError: The tags break the scheme, or the tokens do not stand in the text.
    """
    if len(tokens) != len(tags):
        raise ValueError(f"expected as many tags as tokens, found {len(tags)} tags for {len(tokens)} tokens")
    whole, places = detokenize(tokens, how, text)
    entities = []
    for first, last, label in spans_of_tags(tags, scheme):
        start, end = places[first][0], places[last - 1][1]
        if start == end:
            raise ValueError(f"token {first + 1} is tagged {label!r} and empty")
        entities.append(Entity(start=start, end=end, label=label, text=whole[start:end]))
    return LabeledDocument(document=Document(id=id, text=whole), entities=tuple(entities))
