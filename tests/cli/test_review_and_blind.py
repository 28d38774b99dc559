"""``llmlabel review`` without a subcommand, its order, and the blind split of ``llmlabel export``."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmlabel import RunResult
from llmlabel.exporters.azure_bundle import read_azure_bundle
from llmlabel.exporters.kili_bundle import read_kili_bundle
from llmlabel.review import Decision
from llmlabel.review.decisions import text_hash
from tests.cli.conftest import ANSWERS


@pytest.fixture
def run_file(cli, folder) -> Path:
    """A saved run over the folder's documents."""
    recording = folder.record(ANSWERS)
    cli("label", folder.documents, "-s", folder.schema, "--labeler", "replay", "-o", f"recording={recording}",
        "--out", str(folder.out))  # fmt: skip
    return folder.out / "run.jsonl"


def test_a_file_alone_gives_the_page(cli, run_file):
    """
    Beside the file, or where --out says.
    """
    done = cli("review", str(run_file))
    named = cli("review", str(run_file), "--out", str(run_file.with_name("page.html")))

    assert (0, 0) == (done.code, named.code), done.err + named.err
    assert "Nobody is here." in run_file.with_name("run.review.html").read_text(encoding="utf-8")
    assert run_file.with_name("page.html").read_bytes() == run_file.with_name("run.review.html").read_bytes()


def test_the_page_of_a_bundle_is_beside_it(cli, run_file, folder):
    """
    A bundle with another file in it could not be written again.
    """
    out = run_file.with_name("v1.2")
    export = ("export", str(run_file), "-s", folder.schema, "--to", "azure-bundle", "--out", str(out),
              "--export-option", "azure-bundle.only_reviewed=yes")  # fmt: skip
    first = cli(*export)
    page = cli("review", str(out / "azure-bundle" / "review.jsonl"))
    again = cli(*export)

    assert (0, first.err) == (page.code, again.err), page.err
    assert ["azure-bundle", "azure-bundle.review.html"] == sorted(path.name for path in out.iterdir())


def test_the_page_can_start_where_a_look_gains_most(cli, run_file):
    """
    The document without labels comes last: nothing in it is doubtful.
    """
    cli("review", str(run_file), "--order", "gain", "--out", str(run_file.with_name("page.html")))
    page = run_file.with_name("page.html").read_text(encoding="utf-8")

    assert page.index("Ann met Bo") < page.index("Cy went") < page.index("Nobody is here.")


def test_blind_documents_are_exported_without_predictions(cli, folder, run_file):
    """
    All of them at 1; they are no failure.
    """
    out = str(folder.path / "blind")
    done = cli("export", str(run_file), "-s", folder.schema, "--to", "kili-bundle", "--out", out, "--blind", "1")

    assert 0 == done.code, done.err
    assert "3 document(s) are in the blind split" in done.out
    assert [None] * 3 == [labels for _, labels in read_kili_bundle(folder.path / "blind" / "kili-bundle")]
    assert {"labeled": 3} == RunResult.load(run_file).outcomes


def test_a_run_can_publish_the_split_itself(cli, folder):
    """
    The bundle has no predictions for the split; the saved run has them all.
    """
    recording = folder.record(ANSWERS)
    done = cli("label", folder.documents, "-s", folder.schema, "--labeler", "replay", "-o", f"recording={recording}",
        "--to", "kili-bundle", "--out", str(folder.out), "--blind", "1")  # fmt: skip

    assert 0 == done.code, done.err
    assert [None] * 3 == [labels for _, labels in read_kili_bundle(folder.out / "kili-bundle")]
    assert 5 == sum(len(item.entities) for item in RunResult.load(folder.out / "run.jsonl").predictions)


def test_what_a_person_reviewed_reaches_both_bundles(cli, folder, run_file):
    """
    With only_reviewed, the document that was done goes in without the rejected label; the others have no labels.
    """
    document = RunResult.load(run_file).predictions[0].document
    hashed = text_hash(document.text)
    said = [
        Decision(document="a", text=hashed, action="reject", entity=(0, 3, "PERSON")),
        Decision(document="a", text=hashed, action="done"),
    ]
    decisions, reviewed, out = (folder.path / name for name in ("decisions.jsonl", "reviewed.jsonl", "reviewed"))
    decisions.write_text("".join(f"{item.model_dump_json()}\n" for item in said), encoding="utf-8")
    cli("review", "apply", str(run_file), str(decisions), "--out", str(reviewed))
    only = [f"{name}.only_reviewed=yes" for name in ("kili-bundle", "azure-bundle")]
    done = cli("export", str(reviewed), "-s", folder.schema, "--to", "kili-bundle,azure-bundle", "--out", str(out),
        "--export-option", only[0], "--export-option", only[1])  # fmt: skip

    assert 1 == done.code, done.err  # two documents were held back, and are listed
    assert 4 == done.err.count("no person has reviewed it")
    for read, name in ((read_kili_bundle, "kili-bundle"), (read_azure_bundle, "azure-bundle")):
        found = {document.id: labels for document, labels in read(out / name)}
        assert (None, None) == (found["b"], found["c"])
        assert ["Bo", "Rome"] == [entity.text for entity in found["a"].entities]
