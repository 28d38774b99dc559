"""Prints where texts are cut, beside a well-kept splitter (semantic-text-splitter), in one run::

    python benchmarks/chunking/run.py --data ../shared/data/ner

The corpora have sentences and entities marked by people; their sentences are joined to one text without paragraphs, the
hardest case. Both sides count characters. ``wrapped`` is the English text broken into lines of 72 columns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmlabel.chunking import cut
from llmlabel.sources import read_conll
from llmlabel.types import LabeledDocument

LIMIT = 1_000  # characters of a piece
SENTENCES = 600
CONLL = {"English": ("uner_en_pud", " "), "English web": ("wnut17", " "), "Chinese": ("uner_zh_gsdsimp", "")}
JSONL = {"Japanese": ("ja_wiki", ""), "Thai": ("th_nested", " ")}

Cutter = Callable[[str], list[int]]


@dataclass
class Corpus:
    """One text, with the ends of its sentences and the spans of its entities."""

    name: str
    text: str
    ends: set[int]
    entities: list[tuple[int, int]]


def corpora(folder: Path) -> Iterator[Corpus]:
    """Yield the corpora that are there."""
    for name, (place, between) in CONLL.items():
        for path in sorted((folder / place).glob("*"))[:1]:
            documents = (one for one in read_conll(path) if isinstance(one, LabeledDocument))
            found = [(one.document.text, [(e.start, e.end) for e in one.entities]) for one in documents]
            yield joined(name, found[:SENTENCES], between)
            if name == "English":
                whole = joined("wrapped", found[:SENTENCES], between)
                yield Corpus("wrapped", wrapped(whole.text), whole.ends, whole.entities)
    for name, (place, between) in JSONL.items():
        for path in sorted((folder / place).glob("*.jsonl"))[:1]:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()[:SENTENCES]]
            yield joined(name, [(row["text"], [(s["start"], s["end"]) for s in row["spans"]]) for row in rows], between)


def joined(name: str, sentences: Iterable[tuple[str, list[tuple[int, int]]]], between: str) -> Corpus:
    """Return sentences as one text."""
    text, ends, entities = "", set(), []
    for sentence, spans in sentences:
        entities += [(start + len(text), end + len(text)) for start, end in spans]
        text += " ".join(sentence.split("\n")) + between
        ends.add(len(text))
    return Corpus(name, text, ends, entities)


def wrapped(text: str, width: int = 72) -> str:
    """Return the text with some spaces made line breaks, one to one, so that all offsets stay."""
    begin, out = 0, list(text)
    while (place := text.rfind(" ", begin, begin + width)) >= 0 and begin + width < len(text):
        out[place], begin = "\n", place + 1
    return "".join(out)


def ours(text: str) -> list[int]:
    """Return the places at which llmlabel cuts."""
    return [chunk.start for chunk in cut(text, LIMIT, count=len)][1:]


def peer() -> Cutter:
    """Return the other splitter."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter(LIMIT, trim=False)
    return lambda text: [start for start, _ in splitter.chunk_indices(text)][1:]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ner"))
    folder = parser.parse_args().data
    if not folder.is_dir():
        raise SystemExit(f"no corpora at {folder}: give their folder with --data")
    print(f"{'text':12} {'cutter':24} {'pieces':>6} {'at a sentence end':>18} {'inside an entity':>17} {'ms':>7}")
    for corpus in corpora(folder):
        for name, cutter in (("llmlabel", ours), ("semantic-text-splitter", peer())):
            started = time.process_time()
            cuts = cutter(corpus.text)
            spent = 1_000 * (time.process_time() - started)
            right = sum(place in corpus.ends for place in cuts) / max(1, len(cuts))
            inside = sum(any(start < place < end for start, end in corpus.entities) for place in cuts)
            print(f"{corpus.name:12} {name:24} {len(cuts) + 1:6} {right:18.1%} {inside:17} {spent:7.1f}")


if __name__ == "__main__":
    main()
