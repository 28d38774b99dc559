"""What comes in becomes a document, or a rejected input with its reason."""

from __future__ import annotations

import pytest

from llmlabel.errors import ConfigurationError
from llmlabel.pipeline.inputs import Inputs, document_from
from llmlabel.types import Document, LabeledDocument, Rejected


def test_texts_get_ids_by_their_position():
    """
    A plain text is named by its 1-based position.
    """
    assert Document(id="doc-000003", text="x") == document_from("x", 2)


def test_unknown_fields_of_a_mapping_become_metadata():
    """
    A record keeps what llmlabel does not know.
    """
    document = document_from({"id": 7, "text": "x", "author": "A"}, 0)

    assert Document(id="7", text="x", metadata={"author": "A"}) == document


def test_a_labeled_document_is_its_document():
    """
    Gold documents can be fed as they are.
    """
    document = Document(id="a", text="x")

    assert document is document_from(LabeledDocument(document=document), 0)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (3, "expected a Document, a str, or a mapping with 'text'; found int"),
        ({"id": "a"}, "text: Field required"),
        ("\ud800", "lone surrogate U\\+D800 at position 0"),
        ({"id": "", "text": "x"}, "id: "),
        ({"id": "a", "text": 5}, "text: "),
    ],
)
def test_what_is_no_document_is_rejected_with_the_reason(item, reason):
    """
    The reason says what was expected, without the text.
    """
    found = document_from(item, 4)

    assert isinstance(found, Rejected)
    assert 4 == found.index
    with pytest.raises(ValueError, match=reason):
        raise ValueError(found.reason)


def test_the_second_use_of_an_id_is_rejected():
    """
    Ids name documents; a second one would overwrite the first at every platform.
    """
    inputs = Inputs()
    taken = list(inputs.read([Document(id="a", text="x"), Document(id="a", text="y"), "z"]))

    assert [(0, "a"), (2, "doc-000003")] == [(index, document.id) for index, document in taken]
    assert [(1, "a")] == [(item.index, item.id) for item in inputs.rejected]


@pytest.mark.parametrize("items", ["one text", Document(id="a", text="x"), {"text": "x"}, 5])
def test_one_document_is_not_an_iterable_of_documents(items):
    """
    A forgotten pair of brackets is told, not labelled letter by letter.
    """
    with pytest.raises(ConfigurationError, match="iterable of documents"):
        Inputs().read(items)


@pytest.mark.parametrize("metadata", ["abc", [1], 7])
def test_metadata_that_is_no_mapping_rejects_its_record_only(metadata):
    """
    A record with wrong metadata is a rejected input, not the end of the run.
    """
    inputs = Inputs()

    taken = list(inputs.read([{"id": "a", "text": "x", "metadata": metadata}, "y"]))

    assert ["y"] == [document.text for _, document in taken]
    assert ["a"] == [item.id for item in inputs.rejected]
    assert "metadata" in inputs.rejected[0].reason


def test_an_id_that_comes_again_is_found_however_long_ago_it_came():
    """
    Among 30,000 inputs each repeated id is rejected, and no other.
    """
    inputs = Inputs()
    names = [f"d{number}" for number in range(30_000)]
    taken = [inputs.take({"id": name, "text": "x"}) for name in [*names, *names[::97]]]

    assert 30_000 == sum(item is not None for item in taken)
    assert names[::97] == [rejected.id for rejected in inputs.rejected]
