"""Texts and people's labels out of a project on a local server, with the real SDK."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("kili")

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.evaluation.corrections import corrections
from llmlabel.platforms.kili.answers import json_response
from llmlabel.sources.kili import KiliSource, changed_texts
from llmlabel.testing.batches import TRICKY_TEXTS, labeled
from llmlabel.types import Document, LabeledDocument, Rejected

BATCH = [labeled(name, text, surfaces, label="Person") for name, text, surfaces in TRICKY_TEXTS]


def source(kili, **options):
    return KiliSource(kili.project, api_key=kili.stub.api_key, api_endpoint=kili.stub.endpoint, **options)


def correct(kili, labelled, **options):
    """Let a person label a document on the server."""
    answer = json.dumps(json_response(labelled, source(kili, schema=kili.schema).ontology))
    return kili.add_label(labelled.document.id, options.pop("kind", "DEFAULT"), answer=answer, **options)


def test_schema_of_a_project_is_read(kili):
    """Labels carry the names that people see, and what is read is accepted by the project."""
    assert ("Person", "Place") == source(kili).schema.entity_names


def test_texts_come_back_under_their_ids(kili):
    """Every text is the same to the last character."""
    kili.push(BATCH)

    assert {one.document.id: one.document.text for one in BATCH} == {
        one.id: one.text for one in source(kili).documents() if isinstance(one, Document)
    }


def test_texts_of_one_status_can_be_chosen(kili):
    """Only texts with the wanted status are asked for."""
    kili.push(BATCH)
    with pytest.raises(ConfigurationError, match="statuses"):
        list(source(kili).documents(statuses=["DONE"]))
    list(source(kili).documents(statuses=["TODO"]))
    asked = [e["variables"]["where"] for e in kili.stub.state.journal if e.get("operation") == "assets"]

    assert ["TODO"] == asked[-1]["statusIn"]


def test_a_text_that_is_not_downloaded_is_an_error(kili):
    """One failure is tried again; a text that does not come ends the reading, with its id."""
    kili.push(BATCH[:2])
    kili.stub.fail("GET", status=500)
    assert 2 == len(list(source(kili).documents()))

    kili.stub.fail("GET", times=100, status=500)
    with pytest.raises(SourceError, match="cannot be downloaded"):
        list(source(kili).documents())


def test_twins_and_rich_texts_are_rejected_with_a_reason(kili):
    """What cannot be a document comes as ``Rejected``, and the others go on."""
    kili.push(BATCH[:2])
    assets = kili.stub.state.assets
    first, second = list(assets.values())
    assets["twin"] = {**first, "id": "twin"}
    second["jsonContent"] = "http://example.invalid/rich"
    found = list(source(kili).documents())

    assert [Document, Rejected, Rejected] == [type(one) for one in found]


def test_predictions_for_texts_of_the_project_fit_without_a_new_asset(kili):
    """A project that holds texts already is labelled in place."""
    kili.push(BATCH, model_name="seed")
    found = [one for one in source(kili).documents() if isinstance(one, Document)]
    report = kili.push([LabeledDocument(document=one) for one in found], missing="error")

    assert {"assets existing": len(BATCH), "labels sent": len(BATCH)} == report.totals


def test_changed_texts_are_found(kili):
    """A text that is another one now, or gone, is named."""
    kili.push(BATCH[:2])
    documents = [one.document for one in BATCH[:3]]
    altered = documents[0].model_copy(update={"text": "another"})

    assert [altered.id, documents[2].id] == changed_texts(source(kili), [altered, *documents[1:]])


def test_line_ends_can_be_read_as_one_character(kili):
    """With ``newlines="lf"`` texts come with line feeds, labels count so, and predictions on CRLF are compared."""
    returns = labeled("crlf", "one\r\nAnn met Bob", ("Ann", "Bob"), label="Person")
    kili.push([returns])
    theirs = labeled("crlf", "one\nAnn met Bob", ("Ann",), label="Person")
    correct(kili, theirs)
    reading = source(kili, newlines="lf")

    assert ["one\nAnn met Bob"] == [one.text for one in reading.documents()]
    assert {"accepted": 1, "deleted": 1} == corrections([returns], reading.labels()).totals
    assert [] == changed_texts(reading, [returns.document])
    assert [Rejected] == [type(one) for one in source(kili).labels()]


def test_human_labels_come_back_with_author_and_time(kili):
    """A person's label is a ``LabeledDocument`` that says who made it, when, and of which type."""
    kili.push(BATCH)
    label = correct(kili, BATCH[1], kind="REVIEW")
    (found,) = source(kili).labels()

    assert [(e.start, e.end, e.text) for e in BATCH[1].entities] == [(e.start, e.end, e.text) for e in found.entities]
    assert ("human", "tester@example.invalid", 2026, True) == (
        found.provenance.kind,
        found.provenance.author,
        found.provenance.created_at.year,
        found.provenance.reviewed,
    )
    assert {"label": label, "type": "REVIEW", "model_name": None, "group": "ordinary"} == found.document.metadata[
        "kili"
    ]


def test_labels_of_models_are_read_apart(kili):
    """Predictions are not among the labels of people; asked for, they carry the model's name."""
    kili.push(BATCH, model_name="gpt@1")

    assert [] == list(source(kili).labels())
    assert {"gpt@1"} == {one.provenance.author for one in source(kili).labels("model")}


def test_labels_of_several_people_and_on_honeypots_are_told_apart(kili):
    """Votes of a consensus and tests of labelers are groups of their own; a review is an ordinary label."""
    kili.push(BATCH[:3])
    for author in ("a@x", "b@x"):
        correct(kili, BATCH[0], author=author)
    correct(kili, BATCH[0], author="chief@x", kind="REVIEW")
    correct(kili, BATCH[1], author="a@x")
    correct(kili, BATCH[2], author="b@x")
    list(kili.stub.state.assets.values())[2]["isHoneypot"] = True
    found = {
        group: sorted((one.document.id, one.provenance.author) for one in source(kili).labels(group=group))
        for group in ("ordinary", "consensus", "honeypot")
    }
    first, second, third = (one.document.id for one in BATCH[:3])

    assert {
        "ordinary": sorted([(first, "chief@x"), (second, "a@x")]),
        "consensus": [(first, "a@x"), (first, "b@x")],
        "honeypot": [(third, "b@x")],
    } == found
    assert 5 == len(list(source(kili).labels()))


def test_a_label_that_does_not_fit_its_text_is_rejected(kili):
    """One bad answer does not hide the others."""
    kili.push(BATCH[:2])
    correct(kili, BATCH[0])
    bad = {"beginOffset": 999, "content": "x", "categories": [{"name": "PERSON"}]}
    kili.add_label(BATCH[1].document.id, answer=json.dumps({"NAMED_ENTITIES_RECOGNITION_JOB": {"annotations": [bad]}}))

    assert [LabeledDocument, Rejected] == [type(one) for one in source(kili).labels()]


def test_corrections_are_told(kili):
    """What a person changed in our predictions comes back as such."""
    kili.push(BATCH)
    ours = BATCH[0]
    theirs = ours.model_copy(
        update={"entities": (ours.entities[0], ours.entities[1].model_copy(update={"label": "Place"}))}
    )
    correct(kili, theirs)

    assert {"accepted": 1, "relabelled": 1} == corrections(BATCH, source(kili).labels()).totals


def test_project_of_images_is_refused(kili):
    """Only projects of texts can be read."""
    kili.stub.state.projects[kili.project]["inputType"] = "IMAGE"
    with pytest.raises(SourceError, match="IMAGE"):
        list(source(kili).documents())
