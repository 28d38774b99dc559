"""``KiliExporter`` with the real SDK against a strict local server: what arrives, what is left alone, what is told."""

from __future__ import annotations

import json
import logging
import os
import threading
import warnings

import pytest

pytest.importorskip("kili")

from llmlabel.errors import AuthenticationError, ConfigurationError, ExportError, JournalError
from llmlabel.exporters.kili import KiliExporter
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.platforms.kili.sdk import check_version, quiet
from llmlabel.schema import LabelSchema
from llmlabel.testing.batches import TRICKY_TEXTS, labeled
from llmlabel.types import Document, Prediction, Relation

ANN = [labeled(f"d{n}", f"Ann met Bob, time {n}", ("Ann", "Bob"), label="Person") for n in range(5)]
NASTY = [
    *(labeled(name, text, surfaces, label="Person") for name, text, surfaces in TRICKY_TEXTS),
    labeled("dot", ".", ()),
    labeled("slash", "/", ()),
    labeled("url", "https://t.co Ann", ("Ann",), label="Person"),
    labeled("smile", "😀😀 Ann", ("Ann",), label="Person"),
    labeled("returns", "one\r\nAnn\r", ("Ann",), label="Person"),
    labeled("long", "x" * 100_000 + " Ann", ("Ann",), label="Person"),
    labeled("a/b [c]", "Ann", ("Ann",), label="Person"),
]


def renamed(document, label="Place"):
    """The same document with another label on its first entity."""
    first = document.entities[0].model_copy(update={"label": label})
    return document.model_copy(update={"entities": (first, *document.entities[1:])})


# -- what arrives -----------------------------------------------------------------------------------------------------


def test_every_text_arrives_byte_for_byte(kili):
    """Texts that look like paths or links, hold emoji, CRLF or 100,000 characters are uploaded as they are."""
    kili.push(NASTY)

    assert {one.document.id: one.document.text for one in NASTY} == kili.texts()


def test_every_answer_is_readable_by_kilis_own_parser(kili):
    """``labels(output_format="parsed_label")`` of the SDK reads each prediction, with our spans in UTF-16."""
    from kili.client import Kili as Sdk

    kili.push(NASTY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdk = Sdk(
            api_key=kili.stub.api_key,
            api_endpoint=kili.stub.endpoint,
            disable_tqdm=True,
            graphql_client_params={"enable_schema_caching": False},
        )
        fields = ["jsonResponse", "labelOf.externalId", "modelName"]
        parsed = sdk.labels(kili.project, type_in=["PREDICTION"], fields=fields, output_format="parsed_label")
    found = {
        label["labelOf"]["externalId"]: [
            (a.begin_offset, a.content) for a in label.jobs["NAMED_ENTITIES_RECOGNITION_JOB"].annotations
        ]
        for label in parsed
    }

    assert [(5, "Ann")] == found["smile"]
    assert {one.document.id: [e.text for e in one.entities] for one in NASTY} == {
        name: [content for _, content in spans] for name, spans in found.items()
    }


def test_code_points_can_be_chosen(kili):
    """With ``offset_unit="codepoint"`` an emoji before a span counts one."""
    kili.push(NASTY, offset_unit="codepoint")
    answer = json.loads(kili.labels()["smile"][0])

    assert 3 == answer["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"][0]["beginOffset"]


RETURNS = [
    labeled("pairs", "one\r\ntwo\r\nAnn met Bob\r\n", ("Ann", "Bob"), label="Person"),
    labeled("alone", "😀\rAnn", ("Ann",), label="Person"),
]


def test_line_ends_can_count_one_character(kili):
    """With ``newlines="lf"`` texts arrive with line feeds, and offsets count them; a second push sends nothing."""
    kili.push(RETURNS, newlines="lf")
    before = len(kili.stub.operations())
    report = kili.push(RETURNS, newlines="lf")
    answers = {name: json.loads(answer[0])["NAMED_ENTITIES_RECOGNITION_JOB"] for name, answer in kili.labels().items()}

    assert {"pairs": "one\ntwo\nAnn met Bob\n", "alone": "😀\nAnn"} == kili.texts()
    assert {"pairs": [8, 16], "alone": [3]} == {
        name: [one["beginOffset"] for one in answer["annotations"]] for name, answer in answers.items()
    }
    assert ([], 2) == (kili.mutations(before), report.written)
    assert any("2 document(s) hold carriage returns, written as line feeds" in note for note in report.notes)


def test_assets_with_other_line_ends_take_predictions_if_asked(kili):
    """An asset that differs in its line ends only is a conflict that names the option, and with it none."""
    kili.push(RETURNS, model_name="old")
    plain = [one.model_copy(update={"document": one.document, "entities": ()}) for one in RETURNS]
    feeds = [
        one.model_copy(
            update={"document": one.document.model_copy(update={"text": one.document.text.replace("\r\n", "\n")})}
        )
        for one in plain[:1]
    ]
    refused = kili.push(feeds)
    taken = kili.push(feeds, newlines="lf")

    assert "newlines='lf'" in refused.documents[0].reason
    assert ("existing", "sent") == (taken.documents[0].asset, taken.documents[0].label)
    assert RETURNS[0].document.text == kili.texts()["pairs"]


def test_report_names_every_document(kili):
    """Each document has its line, and the totals add up."""
    failed = Prediction(document=Document(id="failed", text="Ann"), outcome="failed")
    report = kili.push([*ANN, failed])

    assert {"assets created": 6, "labels none": 1, "labels sent": 5} == report.totals
    assert (5, ("failed",)) == (report.written, tuple(one.document_id for one in report.held_back))
    assert ["failed"] == [name for name in kili.texts() if name not in kili.labels()]


def test_model_name_defaults_to_model_and_fingerprint(kili):
    """The name tells the model and what shaped its answers."""
    made = [one.model_copy(update={"model": "gpt", "fingerprint": "f00"}) for one in ANN]

    assert "gpt@f00" == kili.push(made, model_name=None).model_name


# -- the same again ---------------------------------------------------------------------------------------------------


def test_second_run_changes_nothing(kili):
    """A second run, without any file of the first, sends no mutation."""
    kili.push(NASTY)
    before = len(kili.stub.operations())
    report = kili.push(NASTY)

    assert [] == kili.mutations(before)
    assert {"assets existing": len(NASTY), "labels unchanged": len(NASTY)} == report.totals


@pytest.mark.parametrize("change", ["order", "empty jobs", "more keys"])
def test_a_server_that_writes_answers_its_own_way_is_understood(kili, change):
    """Other order, jobs without an answer left out, and keys of the application's own are no difference."""
    schema = LabelSchema(entities=("Person", "Place"), relations=("knows",), texts=("note",))
    project = kili.stub.state.projects[kili.project]
    project["jsonInterface"] = json.dumps(interface_from_schema(schema))
    knows = (Relation(head=0, tail=1, label="knows"),)
    batch = [labeled("a", "Ann met Bob", ("Ann", "Bob"), label="Person", relations=knows), labeled("b", "Nobody", ())]
    kili.push(batch, schema=schema)
    for label in kili.stub.state.labels.values():
        answer = json.loads(label["jsonResponse"])
        if change == "empty jobs":
            answer = {job: said for job, said in answer.items() if said["annotations"]}
        for said in answer.values():
            if change == "order":
                said["annotations"].reverse()
            if change == "more keys":
                said["annotations"] = [{**one, "beginId": "main/[0]", "isKey": True} for one in said["annotations"]]
        label["jsonResponse"] = json.dumps(answer)
    before = len(kili.stub.operations())
    report = kili.push(batch, schema=schema)

    assert ([], {"assets existing": 2, "labels unchanged": 2}) == (kili.mutations(before), report.totals)


def test_one_changed_label_is_one_prediction_sent(kili):
    """Only the document that differs is sent, and its old prediction is gone."""
    kili.push(ANN)
    before = len(kili.stub.state.journal)
    report = kili.push([renamed(ANN[0]), *ANN[1:]])
    sent = [
        e["variables"]["data"]["labelsData"]
        for e in kili.stub.state.journal[before:]
        if e.get("operation") == "appendManyLabels"
    ]

    assert [1] == [len(labels) for labels in sent]
    assert "replaced" == report.documents[0].label
    assert [1] * 5 == [len(answers) for answers in kili.labels().values()]


def test_duplicate_predictions_of_ours_become_one(kili):
    """Two predictions under our model name, from a run that did not overwrite, are replaced by one."""
    kili.push(ANN)
    kili.add_label("d0", "PREDICTION", "m", kili.labels()["d0"][0])
    kili.push(ANN)

    assert 1 == len(kili.labels()["d0"])


def test_other_models_are_left_alone(kili):
    """A prediction of another model name stays."""
    kili.push(ANN, model_name="other")
    theirs = kili.labels("other")
    kili.push([renamed(one) for one in ANN])

    assert theirs == kili.labels("other")


def test_dry_run_writes_nothing_and_shows_the_plan(kili):
    """A dry run tells what a run would do, and only reads."""
    kili.push(ANN[:2])
    before = len(kili.stub.operations())
    report = kili.push([renamed(ANN[0]), *ANN[1:]], dry_run=True)

    assert [] == kili.mutations(before)
    assert ["replaced", "unchanged", "sent", "sent", "sent"] == [one.label for one in report.documents]
    assert (0, True) == (report.written, report.dry_run)


# -- human work -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["DEFAULT", "REVIEW", "AUTOSAVE"])
def test_work_of_people_is_skipped(kili, kind):
    """An asset that a person has labelled, reviewed or begun gets no prediction, and the label stays."""
    kili.push(ANN[:1], model_name="old")
    mine = kili.add_label("d0", kind, answer='{"by": "a person"}')
    report = kili.push(ANN)

    assert "skipped" == report.documents[0].label
    assert "d0" not in kili.labels()
    assert '{"by": "a person"}' == kili.stub.state.labels[mine]["jsonResponse"]


def test_hundred_human_labels_survive_byte_for_byte(kili):
    """In a project where people work, their labels are the same bytes after a push over all of it."""
    documents = [labeled(f"d{n}", f"Ann {n}", ("Ann",), label="Person") for n in range(150)]
    kili.push(documents, model_name="first")
    people = [kili.add_label(f"d{n}", "DEFAULT", answer=f'{{"n":{n} }}') for n in range(100)]
    before = {name: dict(kili.stub.state.labels[name]) for name in people}
    report = kili.push([renamed(one) for one in documents])

    assert before == {name: kili.stub.state.labels[name] for name in people}
    assert {"labels sent": 50, "labels skipped": 100, "assets existing": 150} == report.totals


def test_a_person_who_begins_meanwhile_wins(kili):
    """A label that appears between plan and sending is seen in time."""
    kili.push(ANN, model_name="first")
    exporter = kili.exporter(tell=lambda _: None)
    plan = exporter._plan

    def plan_and_begin(*arguments):
        items = plan(*arguments)
        kili.add_label("d3", "AUTOSAVE")
        return items

    exporter._plan = plan_and_begin
    report = exporter.export(ANN)

    assert "skipped" == report.documents[3].label
    assert ["d0", "d1", "d2", "d4"] == sorted(kili.labels())


def test_steps_of_a_workflow_are_respected(kili):
    """In a project with workflow steps, an asset in progress is skipped, and the report says what to look at."""
    kili.stub.state.projects[kili.project]["workflowVersion"] = "V2"
    kili.push(ANN[:2], model_name="old")
    next(iter(kili.stub.state.assets.values()))["stepStatus"] = "IN_PROGRESS"
    report = kili.push(ANN[:2])

    assert ["skipped", "sent"] == [one.label for one in report.documents]
    assert "V2" in " ".join(report.notes)


def test_labelled_assets_get_predictions_if_asked(kili):
    """With ``labeled="send"`` an asset with a human label gets a prediction beside it."""
    kili.push(ANN[:1], model_name="old")
    mine = kili.add_label("d0")
    kili.push(ANN[:1], labeled="send")

    assert 1 == len(kili.labels()["d0"])
    assert mine in kili.stub.state.labels


# -- assets that are not what we think --------------------------------------------------------------------------------


def test_missing_assets_can_be_skipped(kili):
    """With ``missing="skip"`` a document that is no asset is reported, and nothing is created."""
    kili.push(ANN[:2])
    report = kili.push(ANN, missing="skip")

    assert ["unchanged", "unchanged", "skipped", "skipped", "skipped"] == [one.label for one in report.documents]
    assert 2 == len(kili.texts())


def test_missing_assets_can_refuse_the_batch(kili):
    """With ``missing="error"`` all missing documents are named and nothing is written."""
    kili.push(ANN[:2])
    before = len(kili.stub.operations())
    with pytest.raises(ExportError) as caught:
        kili.push([renamed(ANN[0]), *ANN[1:]], missing="error")

    assert ["d2", "d3", "d4"] == [name for name in ("d0", "d1", "d2", "d3", "d4") if name in str(caught.value)]
    assert [] == kili.mutations(before)


def test_an_asset_with_another_text_is_reported(kili):
    """Where the text in Kili differs, spans would lie: nothing is sent."""
    kili.push(ANN[:1], model_name="old")
    changed = labeled("d0", "Now Ann met Bob", ("Ann",), label="Person")
    report = kili.push([changed])

    assert ("conflict", "failed") == (report.documents[0].asset, report.documents[0].label)
    assert {} == kili.labels()


def test_two_assets_with_one_id_are_never_guessed_at(kili):
    """The SDK would take the last one silently; we report the document."""
    kili.push(ANN[:2], model_name="old")
    assets = kili.stub.state.assets
    twin = next(one for one in assets.values() if one["externalId"] == "d0")
    assets["twin"] = {**twin, "id": "twin"}
    report = kili.push(ANN[:2])

    assert ["failed", "sent"] == [one.label for one in report.documents]
    assert ["d1"] == sorted(kili.labels())


def test_rich_text_is_refused(kili):
    """Offsets of rich text count per node: such an asset gets no spans."""
    kili.push(ANN[:1], model_name="old")
    next(iter(kili.stub.state.assets.values()))["jsonContent"] = "http://example.invalid/rich"
    report = kili.push(ANN[:1])

    assert ("conflict", "failed") == (report.documents[0].asset, report.documents[0].label)


# -- preflight --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PDF", "IMAGE"])
def test_spans_need_a_project_of_texts(kili, kind):
    """A PDF or image project is refused with the reason."""
    kili.stub.state.projects[kili.project]["inputType"] = kind
    with pytest.raises(ExportError, match=f"the project holds {kind}"):
        kili.push(ANN)


def test_unknown_labels_are_explained(kili):
    """A schema that names a label in another case is told what the project has."""
    with pytest.raises(ConfigurationError, match="the key is 'PERSON'"):
        kili.push([], schema=LabelSchema(entities=["person"]))


def test_keys_are_taken_for_names(kili):
    """A schema may use the project's keys instead of its display names."""
    document = labeled("k", "Ann", ("Ann",), label="PERSON")
    kili.push([document], schema=LabelSchema(entities=["PERSON"]))

    assert '"PERSON"' in kili.labels()["k"][0]


def test_licence_is_checked_before_anything_is_written(kili):
    """Without the right to upload, the batch is refused and nothing is created."""
    kili.stub.state.options["upload_local_data"] = False
    before = len(kili.stub.operations())
    with pytest.raises(ExportError, match="licence"):
        kili.push(ANN)

    assert [] == kili.mutations(before)


def test_two_entity_jobs_need_a_name(kili):
    """Where a project has two named-entity jobs the user names one."""
    project = kili.stub.state.projects[kili.project]
    interface = json.loads(project["jsonInterface"])
    interface["jobs"]["SECOND"] = interface["jobs"]["NAMED_ENTITIES_RECOGNITION_JOB"]
    project["jsonInterface"] = json.dumps(interface)
    with pytest.raises(ConfigurationError, match="ner_job"):
        kili.push(ANN)
    kili.push(ANN[:1], ner_job="SECOND")

    assert ["SECOND"] == list(json.loads(kili.labels()["d0"][0]))


def test_unknown_project_is_explained(kili):
    """A wrong project id is told as such."""
    kili.project = "nothing"
    with pytest.raises(ConfigurationError, match="no project 'nothing'"):
        kili.push(ANN)


def test_empty_texts_are_refused_before_anything_is_sent(kili):
    """Kili refuses a whole upload for one empty text: we refuse it, by its id."""
    with pytest.raises(ExportError, match="'empty': the text is empty"):
        kili.push([*ANN, labeled("empty", "", ())])

    assert {} == kili.texts()


# -- what a run leaves behind -----------------------------------------------------------------------------------------


def test_previous_predictions_of_ours_are_retired(kili, tmp_path):
    """Only predictions that our journal lists are deleted; the report counts them by model name."""
    journal = tmp_path / "kili.jsonl"
    kili.push(ANN, model_name="v1", journal=journal)
    kili.push(ANN, model_name="theirs")
    plan = kili.push(ANN, model_name="v2", journal=journal, retire_previous=True, dry_run=True)
    report = kili.push(ANN, model_name="v2", journal=journal, retire_previous=True)

    assert {"v1": 5} == plan.retired == report.retired
    assert (0, 5, 5) == tuple(len(kili.labels(name)) for name in ("v1", "theirs", "v2"))


def test_retiring_needs_a_journal(kili):
    """Without the list of what is ours nothing may be deleted."""
    with pytest.raises(ConfigurationError, match="journal"):
        kili.exporter(retire_previous=True)


def test_foreign_file_is_no_journal(kili, tmp_path):
    """A file that is something else is left alone."""
    other = tmp_path / "notes.txt"
    other.write_text("my notes\n")
    with pytest.raises(JournalError, match=r"notes\.txt"):
        kili.push(ANN, journal=other)

    assert "my notes\n" == other.read_text()


def test_journal_cut_off_by_a_kill_is_continued(kili, tmp_path):
    """A line that was being written at a kill is dropped, and the file goes on."""
    journal = tmp_path / "kili.jsonl"
    kili.push(ANN[:1], model_name="v1", journal=journal)
    with journal.open("ab") as file:
        file.write(b'{"host": "127')
    kili.push(ANN[:2], model_name="v2", journal=journal)
    report = kili.push(ANN[:2], model_name="v3", journal=journal, retire_previous=True)

    assert {"v1": 1, "v2": 2} == report.retired


def test_host_program_is_left_as_it_was(kili):
    """Root handlers and warning filters are the same before and after a push that uploads assets."""
    before = list(logging.getLogger().handlers), list(warnings.filters)
    kili.push(ANN)

    assert before == (list(logging.getLogger().handlers), list(warnings.filters))


def test_filters_that_the_host_sets_meanwhile_stay(kili):
    """While a push waits in its thread, the host's own warning filters come and go as if it were alone."""
    waits, goes_on = threading.Event(), threading.Event()
    before = list(warnings.filters)

    def push():
        with quiet():
            waits.set()
            goes_on.wait(10)

    pushing = threading.Thread(target=push)
    pushing.start()
    waits.wait(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BytesWarning)
        own = warnings.filters[0]
        goes_on.set()
        pushing.join()

        assert [own, *before] == list(warnings.filters)
    assert before == list(warnings.filters)


def test_config_file_and_environment_change_nothing(kili, tmp_path, monkeypatch):
    """A ``kili-sdk-config.json`` in the working directory and ``KILI_*`` variables have no say."""
    (tmp_path / "kili-sdk-config.json").write_text('{"api_endpoint": "http://127.0.0.1:9/", "verify_ssl": false}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KILI_API_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("KILI_VERIFY", "false")

    assert 5 == kili.push(ANN).written


def test_home_that_cannot_be_written_works(kili, monkeypatch):
    """The SDK's schema cache is not in the home folder."""
    monkeypatch.setenv("HOME", os.devnull)

    assert 5 == kili.push(ANN).written


def test_key_shows_nowhere(kili, caplog):
    """Neither report nor repr nor the error for a wrong key holds any of it."""
    caplog.set_level(logging.DEBUG)
    report = kili.push(ANN)
    wrong = kili.exporter(api_key="wrong-key-1234567890")
    with pytest.raises(AuthenticationError) as caught:
        wrong.export(ANN)
    told = [
        report.model_dump_json(),
        str(report),
        repr(wrong),
        repr(vars(wrong)),
        str(caught.value),
        repr(caught.value),
    ]

    assert [] == [text for text in told if kili.stub.api_key in text or "7890" in text]
    assert not [r for r in caplog.records if r.name.startswith("llmlabel") and "key-" in r.getMessage()]


def test_signatures_of_addresses_are_not_logged(kili, caplog):
    """Whoever has a signed address can read or replace a text: libraries that log addresses log it without."""
    caplog.set_level(logging.DEBUG)
    kili.push(ANN)
    kili.push(ANN)
    told = [r.getMessage() for r in caplog.records if r.name in ("httpx", "urllib3.connectionpool")]

    assert [] == [line for line in told if "sig=stub" in line]
    assert {"httpx", "urllib3.connectionpool"} == {r.name for r in caplog.records if "sig=[hidden]" in r.getMessage()}
    assert [] == logging.getLogger("httpx").filters


def test_no_key_is_explained(monkeypatch):
    """Nobody is asked for a key; the message names the variable."""
    monkeypatch.delenv("KILI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="KILI_API_KEY"):
        KiliExporter("p", schema=LabelSchema(entities=["A"]))


def test_key_is_not_sent_unencrypted_to_another_machine():
    """An http endpoint is for local servers only."""
    with pytest.raises(ConfigurationError, match="https"):
        KiliExporter(
            "p", schema=LabelSchema(entities=["A"]), api_key="k", api_endpoint="http://example.invalid/graphql"
        )


@pytest.mark.parametrize("version", ["2.130.1", "26.2.3", "27.0.0"])
def test_other_versions_of_kili_are_refused(version):
    """pip may choose a version that is years old: we refuse it with what to install."""
    with pytest.raises(ImportError, match=r"pip install \"llmlabel\[kili\]\""):
        check_version(version)
