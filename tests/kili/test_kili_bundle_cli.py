"""A bundle goes through Kili's own command line and label parser, unmodified, against a local server.

Needs ``llmlabel[kili]`` in an environment of its own (kili pins old versions of other packages).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kili")

from llmlabel.exporters.kili_bundle import KiliBundleExporter, read_kili_bundle
from llmlabel.platforms.kili.answers import labeled_from_json_response
from llmlabel.schema import Classification, FreeText, Label, LabelSchema, RelationLabel
from llmlabel.testing.batches import NASTY_IDS, TRICKY_TEXTS, labeled
from llmlabel.types import ClassLabel, Document, Prediction, Relation
from tests.servers.kili_stub import KiliStub

pytestmark = pytest.mark.filterwarnings("default")

SCHEMA = LabelSchema(
    entities=(
        Label(name="Name", attributes=(Classification(name="mood", labels=(Label(name="good"), Label(name="bad"))),)),
        Label(name="Other place"),
    ),
    relations=(RelationLabel(name="knows", head=("Name",)),),
    classifications=(
        Classification(
            name="topic",
            labels=(
                Label(
                    name="sport",
                    attributes=(
                        Classification(
                            name="kind", labels=(Label(name="golf"), Label(name="tennis")), multi_label=True
                        ),
                    ),
                ),
                Label(name="news"),
            ),
        ),
        Classification(name="tone", labels=(Label(name="warm"), Label(name="cold")), multi_label=True),
    ),
    texts=(FreeText(name="note", description="Say it in one line"),),
)


def batch() -> list[Prediction]:
    """Documents that use every job of the schema, nasty ids and texts, one failure and one empty answer."""
    rich = labeled(
        "rich",
        "😀 Ann knows Bob\r\n",
        ("Ann", "Bob"),
        relations=(Relation(head=0, tail=1, label="knows", confidence=0.9),),
        classes={
            "topic": (ClassLabel(label="sport", confidence=0.25),),
            "kind": (ClassLabel(label="golf"), ClassLabel(label="tennis", confidence=1)),
            "tone": (ClassLabel(label="warm"), ClassLabel(label="cold")),
        },
        texts={"note": "/etc/hosts"},
    )
    sure = rich.entities[0].model_copy(
        update={"confidence": 0.875, "attributes": {"mood": (ClassLabel(label="good", confidence=0.5),)}}
    )
    tricky = [labeled(name, text, surfaces) for name, text, surfaces in TRICKY_TEXTS]
    odd = [labeled(name, text, ()) for name, text in (("dot", "."), ("link", "https://t.co x"), ("nothing", "none"))]
    nasty = [labeled(name, "Ann", ("Ann",)) for name in NASTY_IDS]
    failed = Prediction(document=Document(id="failed", text="Ann"), outcome="failed")
    return [rich.model_copy(update={"entities": (sure, rich.entities[1])}), *tricky, *odd, *nasty, failed]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kili") / "bundle"
    KiliBundleExporter(directory, schema=SCHEMA, model_name="m", confidence="all").export(batch())
    return directory


def kili(stub: KiliStub, home: Path, *arguments: str) -> None:
    """Run the stock command line; its home and schema cache are temporary."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KILI_")}
    secret = ("--api-key", stub.api_key, "--endpoint", stub.endpoint)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("kili")), "project", *arguments, *secret],
        cwd=home,
        env={**clean, "HOME": str(home), "KILI_DISABLE_TQDM": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def pushed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> KiliStub:
    """A server that took the bundle through ``kili project import`` and ``kili project label``, the latter twice."""
    home = tmp_path_factory.mktemp("home")
    with KiliStub(validate_json_response=True) as stub:
        interface = (bundle / "ontology.json").read_text(encoding="utf-8")
        project = {"title": "t", "inputType": "TEXT", "jsonInterface": interface}
        project_id = stub.state.root()["createProject"](None, project)["id"]
        kili(stub, home, "import", str(bundle / "assets"), "--project-id", project_id)
        label = ("label", str(bundle / "labels"), "--project-id", project_id, "--prediction", "--model-name", "m")
        kili(stub, home, *label)
        kili(stub, home, *label, "--overwrite")
        yield stub


def test_stock_command_line_imports_every_text_unchanged(bundle, pushed):
    """What arrived at the server are the bytes of the documents, under the names of the manifest."""
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    names = {item["id"]: Path(item["asset"]).stem for item in manifest["documents"]}
    arrived = {asset["externalId"]: pushed.state.text_of(asset) for asset in pushed.state.assets.values()}

    assert {names[one.document.id]: one.document.text for one in batch()} == arrived


def test_stock_command_line_imports_every_answer(bundle, pushed):
    """Read back from the server, the labels equal what was exported; the failed document has none."""
    exporter = KiliBundleExporter(bundle, schema=SCHEMA)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    ids = {Path(item["asset"]).stem: item["id"] for item in manifest["documents"]}
    originals = {one.document.id: one for one in batch()}
    arrived = {}
    for label in pushed.state.labels.values():
        document = originals[ids[pushed.state.assets[label["assetId"]]["externalId"]]].document
        arrived[document.id] = labeled_from_json_response(
            json.loads(label["jsonResponse"]), document, exporter.ontology
        )
    expected = {name: one for name, one in originals.items() if one.outcome == "labeled"}

    assert sorted(expected) == sorted(arrived)
    for name, one in expected.items():
        assert [(e.start, e.end, e.label, e.attributes) for e in one.entities] == [
            (e.start, e.end, e.label, e.attributes) for e in arrived[name].entities
        ]
        assert (one.relations, one.classes, one.texts) == (
            arrived[name].relations,
            arrived[name].classes,
            arrived[name].texts,
        )


def test_predictions_stand_once_after_a_second_push(pushed):
    """With ``--overwrite`` a second push replaces the predictions."""
    labels = list(pushed.state.labels.values())

    assert len(labels) == len({label["assetId"] for label in labels})
    assert {"PREDICTION"} == {label["labelType"] for label in labels}


def test_kili_parses_every_answer(bundle):
    """``ParsedLabel`` knows each job and category, and gives back what was written."""
    from kili.utils.labels.parsing import ParsedLabel

    interface = json.loads((bundle / "ontology.json").read_bytes())
    for path in sorted((bundle / "labels").glob("*.json")):
        answer = json.loads(path.read_bytes())
        parsed = ParsedLabel({"jsonResponse": answer}, interface, "TEXT")
        for name, job in answer.items():
            found = parsed.to_dict()["jsonResponse"][name]
            assert len(job.get("annotations", ())) == len(found.get("annotations", ())), path.name
            assert job.get("categories") == found.get("categories"), path.name


def test_parsed_label_reads_offsets_and_attributes(bundle):
    """Kili's own reader finds the UTF-16 offset, the confidence and the attribute where we put them."""
    from kili.utils.labels.parsing import ParsedLabel

    interface = json.loads((bundle / "ontology.json").read_bytes())
    answer = json.loads((bundle / "labels" / "rich.json").read_bytes())
    jobs = ParsedLabel({"jsonResponse": answer}, interface, "TEXT").jobs
    first = jobs["NAMED_ENTITIES_RECOGNITION_JOB"].annotations[0]

    assert (3, 6, "Ann") == (first.begin_offset, first.end_offset, first.content)
    assert ("NAME", 88) == (first.category.name, first.category.confidence)
    assert "GOOD" == first.children["MOOD"].category.name
    assert ["GOLF", "TENNIS"] == [c.name for c in jobs["TOPIC"].category.children["KIND"].categories]
    assert "/etc/hosts" == jobs["NOTE"].text


def test_bundle_reads_back_equal(bundle):
    """What the files hold, read by us, equals what went in, but for what Kili has no place for."""
    found = {document.id: one for document, one in read_kili_bundle(bundle)}

    assert {one.document.id: one.outcome == "labeled" for one in batch()} == {
        name: one is not None for name, one in found.items()
    }
