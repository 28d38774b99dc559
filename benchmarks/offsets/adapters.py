"""The resolvers that are compared, each as one function from a text and its mentions to spans.

A peer that is not installed is left out; its import stays inside its factory.
"""

from __future__ import annotations

from collections.abc import Callable

Span = tuple[int, int]
Resolve = Callable[[str, list[list[str]]], list[Span | None]]


def llmlabel() -> Resolve:
    """Return ``AlignedResolver`` with its defaults."""
    from llmlabel import AlignedResolver, Mention

    resolver = AlignedResolver()

    def resolve(text: str, mentions: list[list[str]]) -> list[Span | None]:
        placements = resolver.resolve(text, [Mention(text=surface, label=label) for label, surface in mentions])
        return [(p.start, p.end) if p.placed else None for p in placements]

    return resolve


def naive_find() -> Resolve:
    """Return ``str.find``: always the first occurrence."""

    def resolve(text: str, mentions: list[list[str]]) -> list[Span | None]:
        starts = [text.find(surface) if surface else -1 for _, surface in mentions]
        return [(s, s + len(m)) if s >= 0 else None for s, (_, m) in zip(starts, mentions, strict=True)]

    return resolve


def naive_cursor() -> Resolve:
    """Return ``str.find`` with a cursor for each string: the k-th mention stands at the k-th occurrence."""

    def resolve(text: str, mentions: list[list[str]]) -> list[Span | None]:
        cursor: dict[tuple[str, str], int] = {}
        found: list[Span | None] = []
        for label, surface in mentions:
            start = text.find(surface, cursor.get((label, surface), 0)) if surface else -1
            if start >= 0:
                cursor[label, surface] = start + len(surface)
            found.append((start, start + len(surface)) if start >= 0 else None)
        return found

    return resolve


def rapidfuzz_partial() -> Resolve:
    """Return the usual recipe: ``find`` with a cursor, else RapidFuzz ``partial_ratio_alignment`` of at least 85."""
    from rapidfuzz.fuzz import partial_ratio_alignment

    def resolve(text: str, mentions: list[list[str]]) -> list[Span | None]:
        found = naive_cursor()(text, mentions)
        for number, (_, surface) in enumerate(mentions):
            if found[number] is None:
                match = partial_ratio_alignment(surface, text, score_cutoff=85)
                if match and match.dest_end > match.dest_start:
                    found[number] = (match.dest_start, match.dest_end)
        return found

    return resolve


def langextract() -> Resolve:
    """Return langextract's ``WordAligner`` with its Unicode tokenizer, on the whole text."""
    from langextract import resolver
    from langextract.core import data, tokenizer

    words, aligner = tokenizer.UnicodeTokenizer(), resolver.WordAligner()

    def resolve(text: str, mentions: list[list[str]]) -> list[Span | None]:
        said = [data.Extraction(extraction_class=label, extraction_text=surface) for label, surface in mentions]
        aligner.align_extractions([said], text, tokenizer_impl=words)
        return [(one.char_interval.start_pos, one.char_interval.end_pos) if one.char_interval else None for one in said]

    return resolve


FACTORIES: dict[str, Callable[[], Resolve]] = {
    "llmlabel": llmlabel,
    "naive_cursor": naive_cursor,
    "naive_find": naive_find,
    "rapidfuzz_partial": rapidfuzz_partial,
    "langextract": langextract,
}
