"""What an evaluation shows of itself: every score with its interval, in every form, and nothing that runs."""

from __future__ import annotations

import csv
import io

import pytest

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, LabelSchema, Prediction, Relation, RunResult
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import (
    agreement,
    class_ratings,
    evaluate,
    intervals_of,
    krippendorff_alpha,
    paired_difference,
    token_ratings,
    token_table,
)
from llmlabel.evaluation.tables import csv_table

TEXT = "Ann met Bob in Rome."
ANN, BOB, ROME = (0, 3, "PER"), (8, 11, "PER"), (15, 19, "LOC")


def labeled(id, *spans, links=(), **classes):
    entities = tuple(Entity(start=s, end=e, label=label, text=TEXT[s:e]) for s, e, label in spans)
    chosen = {name: tuple(ClassLabel(label=x) for x in labels) for name, labels in classes.items()}
    relations = tuple(Relation(head=a, tail=b, label=label) for a, b, label in links)
    return LabeledDocument(document=Document(id=id, text=TEXT), entities=entities, relations=relations, classes=chosen)


def sides(size=12):
    """Gold and predicted documents, with errors of every sort in some of them."""
    gold = [labeled(str(n), ANN, BOB, ROME, links=[(0, 1, "met")], tone=["good"]) for n in range(size)]
    wrong = [ANN, (8, 11, "LOC"), (15, 20, "LOC")]
    guess = [
        labeled(
            str(n), *(wrong if n % 3 else [ANN, BOB, ROME]), links=[(0, 1, "met")], tone=["bad" if n % 4 else "good"]
        )
        for n in range(size)
    ]
    return gold, guess


def test_every_score_that_is_shown_has_its_interval():
    """
    Exact, macro, each label, boundaries, overlap, partial, characters, relations, classifications.
    """
    found = evaluate(*sides())

    expected = {"precision", "recall", "f1", "macro_f1", "boundaries", "overlap", "partial", "characters", "relations"}
    expected |= {"label PER", "label LOC", "relation met", "class tone accuracy", "class tone macro_f1"}
    assert expected | {"class tone: good", "class tone: bad"} == set(found.intervals)
    for name, _, _, value, low, high, *_ in found.rows():
        assert low <= value <= high, name


def test_the_interval_of_a_label_is_that_of_its_counts():
    """
    The same resamples as for all labels together.
    """
    gold, guess = sides()
    found = evaluate(gold, guess)
    rows = [(1, 0, 1) if n % 3 else (2, 0, 0) for n in range(len(gold))]

    assert intervals_of(rows)["f1"] == found.intervals["label PER"]


def test_rich_text_and_notebook_show_the_intervals():
    """
    In each form the table has the columns, and the notes stand below.
    """
    console = pytest.importorskip("rich.console").Console(width=120, record=True, file=io.StringIO())
    found = evaluate(*sides())
    console.print(found.to_rich())
    shown = [str(found), found._repr_html_(), console.export_text()]

    assert [True] * 3 == ["F1 low" in text and f"{found.intervals['f1'].low:.3f}" in text for text in shown]
    assert [True] * 3 == ["only 12 documents" in text for text in shown]
    assert "tone: accuracy 0.250 (" in str(found)


def test_several_labels_show_their_own_measures():
    """
    Subset accuracy, micro, sample F1 and Jaccard, where a document may have several labels.
    """
    found = evaluate([labeled("a", tags=["x", "y"]), labeled("b", tags=[])], [labeled("a", tags=["x"])])

    assert "tags: subset accuracy 0.000" in str(found)
    assert "micro F1 0.667, macro F1 0.500, sample F1 0.667, Jaccard 0.500, 1 of 2 without an answer" in str(found)


def test_a_foreign_class_is_told():
    """
    A label of a classification that the schema does not have is reported, as one of an entity is.
    """
    schema = LabelSchema(classifications={"tone": ["good"]})
    found = evaluate([labeled("a", tone=["good"])], [labeled("a", tone=["great"])], schema=schema)

    assert "tone: 1 label(s) that the schema does not have count as wrong" in found.notes


def test_an_interval_without_width_is_not_called_a_spread():
    """
    Three perfect documents say nothing of how bad the fourth may be.
    """
    gold = [labeled(str(n), ANN) for n in range(3)]

    assert ("only 3 documents: too few to tell small differences",) == evaluate(gold, gold).notes


@pytest.mark.parametrize("given", [RunResult(), "text", [Document(id="a", text="x")]], ids=["run", "text", "document"])
def test_what_is_not_labelled_documents_is_told(given):
    """
    A whole run, a text, a document: one clear error instead of a failing attribute.
    """
    with pytest.raises(ConfigurationError, match="predicted: expected labelled documents, found"):
        evaluate([labeled("a")], given)


def test_a_difference_that_cannot_be_told_says_what_it_would_take():
    """
    The number of documents grows with the square of the spread over the difference.
    """
    first = [(1, 0, 1)] * 100 + [(1, 0, 0)] * 100
    second = [(1, 0, 0)] * 95 + [(1, 0, 1)] * 105
    found = paired_difference(first, second)

    assert not found.real
    assert 200 < found.needed
    assert (
        f"200 documents are too few to tell it from chance; to tell one of this size takes about {found.needed:,}"
        in str(found)
    )


def test_a_real_difference_has_no_warning():
    """
    And needs no more documents.
    """
    found = paired_difference([(1, 0, 1)] * 200, [(2, 0, 0)] * 200)

    assert (True, None, None) == (found.real, found.needed, found.warning)
    assert "+0.333 (+0.333 to +0.333)" == str(found)


def test_the_token_table_is_a_rich_table_too():
    """
    O has its row, and no share in the mean.
    """
    console = pytest.importorskip("rich.console").Console(width=100, record=True, file=io.StringIO())
    console.print(token_table([labeled("a", ANN, ROME)], [labeled("a", ANN)]).to_rich())
    lines = {line.split()[0]: line.split()[1:] for line in console.export_text().splitlines() if line.split()}

    assert ["1.000", "1.000", "1.000", "1"] == lines["B-PER"]
    assert ["0.800", "1.000", "0.889", "4"] == lines["O"]
    assert ["but", "O", "1.000", "0.500", "0.667", "2"] == lines["all"]


def test_agreement_shows_itself_with_an_interval():
    """
    A table as text and in a notebook; a document on which one of the two failed is left out.
    """
    gold, guess = sides()
    failed = Prediction(document=gold[0].document, outcome="failed")
    found = agreement(gold, [failed, *guess[1:]])

    assert (11, 1, 0) == (found.documents, found.only_first, found.only_second)
    assert {"f1", "label PER", "label LOC", "class tone"} == set(found.intervals)
    assert found.intervals["class tone"].low <= found.classes["tone"] <= found.intervals["class tone"].high
    assert f"{found.intervals['f1'].low:.3f}" in str(found)
    assert "11 documents; 1 that only one of the two has" in found._repr_html_()


def test_alpha_takes_numbers_for_what_they_are():
    """
    On an interval scale 10 is ten, not the text between "1" and "2"; a word is no number.
    """
    pytest.importorskip("krippendorff")
    near = krippendorff_alpha([{"a": "1", "b": "10", "c": "2"}, {"a": "1", "b": "9", "c": "2"}], "interval")

    assert 0.99 == round(near, 2)
    with pytest.raises(ConfigurationError, match="level 'ordinal' wants numbers, found 'good'"):
        krippendorff_alpha([{"a": "good", "b": "1"}, {"a": "1", "b": "1"}], "ordinal")


def test_ratings_come_from_labelled_documents():
    """
    A classification by document; token tags by document and token.
    """
    pytest.importorskip("krippendorff")
    gold, guess = sides(4)

    assert {"0": "good", "1": "bad", "2": "bad", "3": "bad"} == class_ratings(guess, "tone")
    assert "B-PER" == token_ratings(gold[:1])["0 0"]
    assert 1.0 == krippendorff_alpha([token_ratings(gold), token_ratings(gold)])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(text):
    """
    A spreadsheet shows the text and runs nothing; numbers stay numbers.
    """
    found = list(csv.reader(io.StringIO(csv_table(["name", "n"], [(text, -0.5), ("plain", None)]), newline="")))

    assert [["name", "n"], [f"'{text}", "-0.5"], ["plain", ""]] == found


def test_an_evaluation_is_written_as_csv():
    """
    The same table, a foreign label defused.
    """
    found = evaluate([labeled("a", (0, 3, "=HYPERLINK(A1)"))], [labeled("a")])

    assert "'=HYPERLINK(A1),,0.0,0.0" in found.to_csv()
