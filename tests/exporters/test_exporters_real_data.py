"""Real gold labels and hand-made traps go out to both bundles and come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter, read_azure_bundle
from llmlabel.exporters.kili_bundle import KiliBundleExporter, read_kili_bundle
from llmlabel.offsets import slice_units
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, Entity, LabeledDocument


def traps(shared: Path) -> Iterator[LabeledDocument]:
    """Yield the hand-made texts with their spans."""
    for line in (shared / "data/handmade/unicode_edges.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if not item["text"].strip():
            continue  # neither platform takes a blank text
        spans = [Entity(start=s["start"], end=s["end"], label=s["label"], text=s["text"]) for s in item["spans"]]
        yield LabeledDocument(document=Document(id=item["id"], text=item["text"]), entities=tuple(spans))


def tweets(shared: Path) -> Iterator[LabeledDocument]:
    """Yield the WNUT17 development set, its tokens joined by spaces."""
    place = next(iter(sorted((shared / "data/ner/wnut17").glob("*dev*"))))
    blocks = place.read_text(encoding="utf-8").split("\n\n")
    for number, block in enumerate(block for block in blocks if block.strip()):
        rows = [line.split("\t") for line in block.splitlines() if line and not line.startswith("# ")]
        text, entities, open_ = "", [], None
        for token, tag, *_ in (row for row in rows if len(row) > 1):
            start = len(text) + bool(text)
            text += f" {token}" if text else token
            if tag.startswith("I-") and open_:
                open_ = (open_[0], len(text), open_[2])
            else:
                entities += [open_] if open_ else []
                open_ = (start, len(text), tag[2:]) if tag != "O" else None
        entities += [open_] if open_ else []
        spans = tuple(Entity(start=a, end=b, label=c, text=text[a:b]) for a, b, c in entities)
        yield LabeledDocument(document=Document(id=f"{number:04d}", text=text), entities=spans)


@pytest.fixture(scope="module", params=[traps, tweets], ids=["traps", "wnut17"])
def batch(request, shared) -> list[LabeledDocument]:
    return list(request.param(shared))


def schema_of(batch: list[LabeledDocument]) -> LabelSchema:
    return LabelSchema(entities=sorted({entity.label for one in batch for entity in one.entities}))


def spans_of(one: LabeledDocument) -> list[tuple[int, int, str, str]]:
    return [(entity.start, entity.end, entity.label, entity.text) for entity in one.entities]


def test_kili_spans_slice_back(tmp_path, batch):
    """
    Every offset in the files, cut in UTF-16 from the text's file, gives its content; all come back.
    """
    report = KiliBundleExporter(tmp_path / "k", schema=schema_of(batch)).export(batch)
    for path in (tmp_path / "k" / "labels").iterdir():
        text = (tmp_path / "k" / "assets" / f"{path.stem}.txt").read_bytes().decode()
        for note in json.loads(path.read_bytes())["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"]:
            assert note["content"] == slice_units(text, note["beginOffset"], note["endOffset"], "utf16")

    assert len(batch) == report.written
    assert {one.document.id: spans_of(one) for one in batch} == {
        document.id: spans_of(one) for document, one in read_kili_bundle(tmp_path / "k")
    }


def test_azure_spans_slice_back(tmp_path, batch, strict):
    """
    The same for Azure Language; the file passes the strict schema.
    """
    exporter = AzureLanguageBundleExporter(
        tmp_path / "a", schema=schema_of(batch), project="p", container="ccc", overlap="keep_longest"
    )
    report = exporter.export(batch)
    content = json.loads((tmp_path / "a" / "labels.json").read_bytes())
    assert [] == strict(content)
    found = {document.id: one for document, one in read_azure_bundle(tmp_path / "a")}
    held = {(item.document_id, item.label) for item in report.held_back}

    assert len(batch) == report.written
    for one in batch:
        missing = set(spans_of(one)) - set(spans_of(found[one.document.id]))
        assert {(one.document.id, label) for _, _, label, _ in missing} <= held
        assert set(spans_of(found[one.document.id])) <= set(spans_of(one))
