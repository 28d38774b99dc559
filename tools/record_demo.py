"""Makes the data of ``llmlabel demo`` from ``llmlabel/demo/cases.yaml``.

Run it after a change of the cases, the default prompt or the answer format: ``python tools/record_demo.py``. The
answers are those written in the cases; the requests are the pipeline's own, so that a replay is an ordinary run.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from llmlabel import (
    ClassLabel,
    Completion,
    Document,
    Entity,
    LabeledDocument,
    LabelSchema,
    Limits,
    Provenance,
    Relation,
    Usage,
)
from llmlabel.exporters.jsonl import JsonlExporter
from llmlabel.labelers.recording import RecordingLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.testing import ScriptedLabeler

HOME = Path(__file__).resolve().parents[1] / "llmlabel" / "demo"
FILES = ("documents.jsonl", "gold.jsonl", "demo.conll", "recording.jsonl")
MARK = re.compile(r"\[([A-Z]+) |\]")
TOKEN = re.compile(r"\w+|[^\w\s]")

Case = Mapping[str, Any]


def read_cases(path: Path) -> list[Case]:
    """Return the cases; every value is a string, also those that look like dates."""
    cases: list[Case] = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506  # strings only
    return cases


def gold(case: Case) -> LabeledDocument:
    """Return the author's labels: spans are where the marks stood, so they are exact."""
    text, spans = unmarked(case["text"])
    entities = [Entity(start=start, end=end, label=label, text=text[start:end]) for start, end, label in spans]
    return LabeledDocument(
        document=Document(id=case["id"], text=text, language=case["language"]),
        entities=tuple(entities),
        relations=tuple(
            Relation(head=head, tail=tail, label="WORKS_FOR") for head, tail in linked(case, [e.text for e in entities])
        ),
        classes={"kind": (ClassLabel(label=case["kind"]),)},
        provenance=Provenance(kind="human", author="demo"),
    )


def unmarked(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return a text without its marks, and the spans that they marked, outer before inner."""
    text, position = "", 0
    opened: list[tuple[int, str]] = []
    spans: list[tuple[int, int, str]] = []
    for mark in MARK.finditer(marked):
        text += marked[position : mark.start()]
        position = mark.end()
        if mark[1]:
            opened.append((len(text), mark[1]))
        else:
            start, label = opened.pop()
            spans.append((start, len(text), label))
    return text + marked[position:], sorted(spans, key=lambda span: (span[0], -span[1]))


def linked(part: Case, surfaces: Sequence[str]) -> list[tuple[int, int]]:
    """Return the numbers of the entities that ``employs`` names by their words."""
    return [(surfaces.index(person), surfaces.index(company)) for person, company in part.get("employs", ())]


def completion(answer: Case, model: str) -> Completion:
    """Return one answer as a labeler would; tokens are not counted, since no model spent any."""
    text = answer["raw"] if "raw" in answer else written(answer)
    return Completion(text=text, finish=answer.get("finish", "stop"), usage=Usage(requests=1), model=model)


def written(answer: Case) -> str:
    """Return an answer in the json format."""
    surfaces = [surface for surface, _ in answer["said"]]
    return json.dumps(
        {
            "entities": [{"id": n, "text": text, "label": label} for n, (text, label) in enumerate(answer["said"], 1)],
            "relations": [
                {"head": head + 1, "label": "WORKS_FOR", "tail": tail + 1} for head, tail in linked(answer, surfaces)
            ],
            "classes": {"kind": answer["kind"]},
        },
        ensure_ascii=False,
    )


def conll(labeled: LabeledDocument) -> str | None:
    """Return a document as CoNLL, one token a line; None for what the format has no place for."""
    text, spans = labeled.document.text, labeled.entities
    nested = any(
        one is not other and one.start < other.end and other.start < one.end for one in spans for other in spans
    )
    if nested or len(text.splitlines()) > 1:
        return None
    borders = {place for span in spans for place in (span.start, span.end)}
    rows = [f"# sent_id = {labeled.document.id}", f"# text = {text}"]
    for token in TOKEN.finditer(text):
        places = [token.start(), *sorted(p for p in borders if token.start() < p < token.end()), token.end()]
        for start, end in pairwise(places):
            inside = [span for span in spans if span.start <= start < span.end]
            tags = [f"{'B' if start == span.start else 'I'}-{span.label}" for span in inside]
            rows.append(f"{text[start:end]}\t{tags[0] if tags else 'O'}")
    return "\n".join(rows) + "\n"


def record(directory: Path) -> None:
    """Write the files into a folder that has none of them."""
    schema = LabelSchema.from_file(HOME / "schema.yaml")
    cases = read_cases(HOME / "cases.yaml")
    labeled = [gold(case) for case in cases]
    with (directory / "documents.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(item.document.model_dump_json(exclude_defaults=True) + "\n" for item in labeled)
    JsonlExporter(directory / "gold.jsonl").export(labeled)
    sentences = [sentence for sentence in map(conll, labeled) if sentence]
    (directory / "demo.conll").write_text("\n".join(sentences), encoding="utf-8", newline="\n")
    answers = {case["id"]: [completion(answer, "recorded") for answer in case["answers"]] for case in cases}
    scripted = ScriptedLabeler(schema, answers, model="recorded")
    recording = RecordingLabeler(scripted, directory / "recording.jsonl", store_prompts=False)
    # One request at a time, so that the lines stand in the order of the documents.
    with Pipeline(recording, limits=Limits(max_concurrency=1), progress=False) as pipeline:
        pipeline.run([item.document for item in labeled])
    for case in cases:
        asked = sum(prompt.document_ids == (case["id"],) for prompt in scripted.prompts)
        if asked != len(case["answers"]):
            raise SystemExit(f"{case['id']}: {len(case['answers'])} answers are written down, {asked} were asked for")


def main() -> None:
    """Write the files into the package."""
    with tempfile.TemporaryDirectory() as directory:
        record(Path(directory))
        for name in FILES:
            (HOME / name).write_bytes((Path(directory) / name).read_bytes())
    sys.stdout.write(f"written: {', '.join(FILES)}\n")


if __name__ == "__main__":
    main()
