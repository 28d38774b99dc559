"""What goes into an Azure Language bundle, what is held back, and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter, read_azure_bundle
from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.platforms.azure_language.limits import language_code
from llmlabel.schema import Classification, Label, LabelSchema, RelationLabel
from llmlabel.testing.batches import labeled
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Prediction, Provenance, Relation
from tests import strategies

NER = LabelSchema(entities=["Name", "Other"], relations=[RelationLabel(name="knows")])
TOPIC = Classification(name="topic", labels=(Label(name="sport"), Label(name="news")))
TAGS = Classification(name="tags", labels=(Label(name="a"), Label(name="b")), multi_label=True)


def exporter(directory: Path, schema: LabelSchema = NER, **options: object) -> AzureLanguageBundleExporter:
    return AzureLanguageBundleExporter(
        directory / "b", schema=schema, **{"project": "p", "container": "ccc", **options}
    )


def export(directory: Path, *batch: LabeledDocument, **options: object):
    return exporter(directory, **options).export(iter(batch))


def labels(directory: Path) -> dict:
    return json.loads((directory / "b" / "labels.json").read_bytes())


def documents(directory: Path) -> list[dict]:
    return labels(directory)["assets"]["documents"]


def spans(text: str, *places: tuple[int, int, str], confidence: float | None = None) -> Prediction:
    found = tuple(Entity(start=a, end=b, label=c, text=text[a:b], confidence=confidence) for a, b, c in places)
    return Prediction(document=Document(id="d", text=text), entities=found, outcome="labeled")


# -- layout and format ------------------------------------------------------------------------------------------------


def test_layout(tmp_path):
    """
    Texts at the root, as the container wants them, with labels, review and manifest beside.
    """
    failed = Prediction(document=Document(id="two", text="x"), outcome="failed")
    export(tmp_path, labeled("one", "Ann", ("Ann",)), failed)

    names = {path.name for path in (tmp_path / "b").iterdir()}
    assert {"one.txt", "two.txt", "labels.json", "review.jsonl", "manifest.json"} == names


def test_offsets_and_region_count_utf16(tmp_path):
    """
    An emoji and CRLF count two units each; the one region is the whole text.
    """
    export(tmp_path, labeled("d", "😀\r\nAnn", ("Ann",)))

    region = {"regionOffset": 0, "regionLength": 7, "labels": [{"category": "Name", "offset": 4, "length": 3}]}
    assert [{"location": "d.txt", "language": "en-us", "entities": [region]}] == documents(tmp_path)


def test_not_labelled_text_is_written_outside_of_documents(tmp_path):
    """
    The text of a failed document may be labelled by hand in the portal; it has no entry.
    """
    export(tmp_path, Prediction(document=Document(id="two", text="x\r"), outcome="failed"))

    assert ([], b"x\r") == (documents(tmp_path), (tmp_path / "b" / "two.txt").read_bytes())


def test_manifest_maps_ids_to_files(tmp_path):
    """
    Every document stands in the manifest with its file, its outcome, and whether it has labels.
    """
    skipped = Prediction(document=Document(id="../e", text=" "), outcome="skipped")
    export(tmp_path, labeled("one", "Ann", ()), skipped)
    found = json.loads((tmp_path / "b" / "manifest.json").read_bytes())["documents"]

    assert {"id": "one", "outcome": "labeled", "file": "one.txt", "labels": True} == found[0]
    assert {"id": "../e", "outcome": "skipped", "file": None, "labels": False} == found[1]


@st.composite
def grounded(draw):
    """Entities at any place of any text."""
    text = draw(strategies.texts.filter(lambda t: t.strip() and not t.startswith("\ufeff")))
    found = draw(strategies.entities_of(text, st.sampled_from(["Name", "Other"])))
    entities = tuple(e.model_copy(update={"attributes": {}}) for e in found)
    return LabeledDocument(document=Document(id=draw(strategies.ids), text=text), entities=entities)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(grounded(), max_size=4, unique_by=lambda one: one.document.id), st.sampled_from(["longest", "first"]))
def test_any_labels_give_a_valid_file_that_reads_back(tmp_path_factory, strict, batch, policy):
    """
    For any text and spans the file passes the strict schema, nothing overlaps, and what is in it slices back.
    """
    place = tmp_path_factory.mktemp("azure")
    report = export(place, *batch, overlap=f"keep_{policy}")
    assert [] == strict(labels(place))
    found = {document.id: one for document, one in read_azure_bundle(place / "b")}

    assert {one.document.id for one in batch} == set(found)
    assert sum(len(one.entities) for one in batch) == len(report.held_back) + sum(
        len(one.entities) for one in found.values()
    )
    for one in batch:
        places = sorted((e.start, e.end, e.label) for e in found[one.document.id].entities)
        assert set(places) <= {(e.start, e.end, e.label) for e in one.entities}
        assert all(a[1] <= b[0] for a, b in pairwise(places))


# -- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (NER, "CustomEntityRecognition"),
        (LabelSchema(classifications=[TOPIC]), "CustomSingleLabelClassification"),
        (LabelSchema(classifications=[TAGS]), "CustomMultiLabelClassification"),
    ],
)
def test_kind_follows_from_the_schema(tmp_path, schema, kind):
    """
    Entities or one classification leave no doubt about the project's kind.
    """
    export(tmp_path, schema=schema)

    assert (kind, kind) == (labels(tmp_path)["metadata"]["projectKind"], labels(tmp_path)["assets"]["projectKind"])


BOTH = LabelSchema(entities=["Name"], classifications=[TOPIC, TAGS])


def test_kind_must_be_given_where_the_schema_has_both(tmp_path):
    """
    A project holds one kind: entities and classifications together leave a choice to the user.
    """
    with pytest.raises(ConfigurationError, match="project_kind: expected one of"):
        exporter(tmp_path, BOTH)
    assert exporter(tmp_path, BOTH, project_kind="CustomEntityRecognition").labels == ("Name",)
    assert exporter(tmp_path, BOTH, classification="tags").project_kind == "CustomMultiLabelClassification"


@pytest.mark.parametrize(
    "options",
    [
        {"project_kind": "NER"},
        {"project_kind": "CustomSingleLabelClassification"},
        {"project_kind": "CustomSingleLabelClassification", "classification": "tags"},
        {"project_kind": "CustomMultiLabelClassification", "classification": "other"},
        {"overlap": "keep", "classification": "tags"},
        {"min_confidence": 1.1, "classification": "tags"},
        {"test_share": -1, "classification": "tags"},
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, options):
    """
    A kind, classification or number that does not fit is told before anything is exported.
    """
    with pytest.raises(ConfigurationError):
        exporter(tmp_path, BOTH, **options)


def test_classes_are_written(tmp_path):
    """
    One class for a single-label project, a list for a multi-label one.
    """
    single = labeled("d", "x", (), classes={"topic": (ClassLabel(label="news"),)})
    multi = labeled("d", "x", (), classes={"tags": (ClassLabel(label="b"), ClassLabel(label="a"))})
    export(tmp_path / "1", single, schema=LabelSchema(classifications=[TOPIC]))
    export(tmp_path / "2", multi, schema=LabelSchema(classifications=[TAGS]))

    assert {"category": "news"} == documents(tmp_path / "1")[0]["class"]
    assert [{"category": "b"}, {"category": "a"}] == documents(tmp_path / "2")[0]["classes"]


def test_document_without_a_class_is_held_back(tmp_path):
    """
    The file cannot say that no class applies, so such a document stays out of it.
    """
    report = export(tmp_path, labeled("d", "x", ()), schema=LabelSchema(classifications=[TAGS]))

    assert [("d", "no label of 'tags' was chosen, and a labels file cannot say so")] == [
        (item.document_id, item.reason) for item in report.held_back
    ]


# -- names, languages, limits -----------------------------------------------------------------------------------------


def test_all_names_are_checked_at_once(tmp_path):
    """
    Project, container, language and labels that Azure refuses are in one error, before any document is read.
    """
    schema = LabelSchema(entities=["fine", "a:b", "x" * 51, "é"])

    with pytest.raises(ConfigurationError) as caught:
        exporter(tmp_path, schema, project="a b", container="A--b", language="tlh")
    for part in ("project:", "container:", "language: 'tlh'", "'a:b'", "'" + "x" * 51, "'é'"):
        assert part in str(caught.value)


def test_more_labels_than_azure_takes(tmp_path):
    """
    200 labels are the most.
    """
    with pytest.raises(ConfigurationError, match="expected 1 to 200, found 201"):
        exporter(tmp_path, LabelSchema(entities=[f"L{n}" for n in range(201)]))


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en-us"), ("EN_us", "en-us"), ("en-GB", "en-us"), ("de-AT", "de"), ("pt", "pt-pt"), ("pt-BR", "pt-br"),
        ("zh", "zh-hans"), ("zh-CN", "zh-hans"), ("zh-Hant", None), ("zh-TW", None), ("no", "nb"), ("iw", "he"),
        ("tlh", None), ("", None),
    ],
)  # fmt: skip
def test_languages_are_mapped(tag, code):
    """
    Tags as other tools write them get Azure's code; what Azure does not have gets none.
    """
    assert code == language_code(tag)


def test_document_keeps_its_language(tmp_path):
    """
    Each document has its own language; several make the project multilingual.
    """
    found = [
        LabeledDocument(document=Document(id=tag or "x", text="Ann", language=tag)) for tag in ("de-AT", "en", None)
    ]
    export(tmp_path, *found)

    assert ["de", "en-us", "en-us"] == [entry["language"] for entry in documents(tmp_path)]
    assert labels(tmp_path)["metadata"]["multilingual"] is True


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (labeled("d", " \n", ()), "empty or blank"),
        (labeled("d", "😀" * 64_001, ()), "128002 UTF-16 units"),
        (labeled("d", "\ufeffAnn", ()), "byte order mark"),
        (labeled("d", "x" * 501, ("x" * 501,)), "longer than 500"),
        (spans("😀" * 251, (0, 251, "Name")), "longer than 500"),
        (LabeledDocument(document=Document(id="d", text="x", language="tlh")), "language 'tlh'"),
        (spans("Ann Lee", (0, 7, "Name"), (0, 3, "Other")), "overlap; choose"),
    ],
)
def test_what_azure_does_not_take_is_a_problem(tmp_path, one, message):
    """
    Limits are checked in UTF-16 units before anything is published; the message names the document.
    """
    with pytest.raises(ExportError, match="document 'd'") as caught:
        export(tmp_path, one)
    assert message in str(caught.value)
    assert [] == list(tmp_path.iterdir())


def test_limits_are_inclusive(tmp_path):
    """
    A text of 128,000 units and an entity of 500 are taken.
    """
    report = export(tmp_path, labeled("d", "x" * 500 + " " * 127_500, ("x" * 500,)))

    assert 1 == report.written


def test_problems_of_all_documents_are_told(tmp_path):
    """
    One error lists each document and each problem.
    """
    blank, long = labeled("blank", " ", ()), labeled("long", "x" * 501, ("x" * 501,))

    with pytest.raises(ExportError) as caught:
        export(tmp_path, blank, labeled("fine", "Ann", ("Ann",)), long)
    assert ["document 'blank'", "document 'long'"] == [problem.split(":")[0] for problem in caught.value.problems]


# -- what is held back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "kept"), [("keep_longest", [(2, 9)]), ("keep_first", [(0, 3), (4, 6)])])
def test_overlap_policy(tmp_path, policy, kept):
    """
    The longest stays, or the first in the text; the rest is held back with a reason, in the report and the review.
    """
    one = spans("abcdefghi", (2, 9, "Name"), (4, 6, "Other"), (0, 3, "Name"))
    report = export(tmp_path, one, overlap=policy)
    found = [(s["offset"], s["offset"] + s["length"]) for s in documents(tmp_path)[0]["entities"][0]["labels"]]

    assert kept == sorted(found)
    assert {f"overlaps another label ({policy})"} == {item.reason for item in report.held_back}
    assert [one] == list(read_jsonl(tmp_path / "b" / "review.jsonl"))


def test_repeated_labels_are_written_once(tmp_path):
    """
    The same label at the same place is one label, also where overlaps are refused.
    """
    report = export(tmp_path, spans("Ann", (0, 3, "Name"), (0, 3, "Name")))

    assert 1 == len(documents(tmp_path)[0]["entities"][0]["labels"])
    assert ["the same label stands there already"] == [item.reason for item in report.held_back]


@pytest.mark.parametrize(("confidence", "written"), [(0.9, 1), (0.5, 1), (0.4, 0), (None, 0)])
def test_documents_below_the_confidence_are_held_back_whole(tmp_path, confidence, written):
    """
    Half of a document's labels would teach that the rest are none: it stays out, its text is written.
    """
    one = spans("Ann Lee", (0, 3, "Name"), confidence=confidence)
    report = export(tmp_path, one, min_confidence=0.5)

    assert (written, 1 - written) == (report.written, len(report.held_back))
    assert (tmp_path / "b" / "d.txt").read_text() == "Ann Lee"
    assert 1 - written == len(list(read_jsonl(tmp_path / "b" / "review.jsonl")))


@pytest.mark.parametrize("made", [Provenance(kind="human"), Provenance(kind="model", reviewed=True)])
def test_labels_of_a_person_need_no_confidence(tmp_path, made):
    """
    What a person made or reviewed passes the gate.
    """
    one = spans("Ann", (0, 3, "Name")).model_copy(update={"provenance": made})

    assert 1 == export(tmp_path, one, min_confidence=0.5).written


def test_review_says_what_was_held_back_and_why(tmp_path):
    """
    Each line of the review file has the prediction and the reasons.
    """
    export(tmp_path, Prediction(document=Document(id="d", text="x"), outcome="refused"))
    line = json.loads((tmp_path / "b" / "review.jsonl").read_text().splitlines()[1])

    assert [{"reason": "not labelled: refused"}] == line["held_back"]


def test_what_the_format_has_no_place_for_is_noted(tmp_path):
    """
    Relations of a custom NER project are left out, and counted.
    """
    one = labeled("d", "Ann Lee", ("Ann", "Lee"), relations=(Relation(head=0, tail=1, label="knows"),))
    notes = export(tmp_path, one).notes

    assert "a labels file of this kind has no place for 1 relations; they were left out" in notes


# -- data sets --------------------------------------------------------------------------------------------------------


def test_split_is_by_id_and_seed(tmp_path):
    """
    The same ids are for testing in every run; another seed chooses others; the share is about right.
    """
    batch = [labeled(f"d{n}", "Ann", ("Ann",)) for n in range(200)]
    sets = []
    for number, seed in enumerate((1, 1, 2)):
        export(tmp_path / str(number), *batch, test_share=0.25, seed=seed)
        sets.append([entry["dataset"] for entry in documents(tmp_path / str(number))])

    assert sets[0] == sets[1] != sets[2]
    assert 30 <= sets[0].count("Test") <= 70


def test_data_set_of_a_document_is_kept(tmp_path):
    """
    What was read from a labels file goes back into the same set.
    """
    found = [
        LabeledDocument(document=Document(id=name, text="Ann", metadata={"dataset": name}))
        for name in ("Test", "other")
    ]
    export(tmp_path, *found)

    assert ["Test", None] == [entry.get("dataset") for entry in documents(tmp_path)]


def test_report_warns_of_thin_data(tmp_path):
    """
    Fewer than 10 documents or 50 labels, and labels missing in a set, are remarked on.
    """
    notes = " | ".join(export(tmp_path, labeled("d", "Ann", ("Ann",)), test_share=0.0).notes)

    assert "1 document(s) with labels; Azure Language trains from 10 on" in notes
    assert "fewer than the recommended 50 labels: Name 1, Other 0" in notes
    assert "not in both of the Train and Test sets: Name, Other" in notes
