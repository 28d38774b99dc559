"""Datasets of the real ``datasets`` package: features, formats, streaming."""

from __future__ import annotations

from typing import Any

import pytest

from llmlabel import ClassLabel, Document, LabeledDocument
from llmlabel.errors import SourceError
from llmlabel.sources import read_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # of its own dependencies
]


@pytest.fixture(scope="module")
def hub() -> Any:
    """The package; it is imported late, for it takes seconds."""
    return pytest.importorskip("datasets", reason="needs the datasets package")


@pytest.fixture(scope="module")
def rated(hub: Any) -> Any:
    """Two texts with a class, and with several."""
    features = hub.Features(
        {
            "id": hub.Value("string"),
            "text": hub.Value("string"),
            "tone": hub.ClassLabel(names=["bad", "good"]),
            "topics": hub.Sequence(hub.ClassLabel(names=["sport", "politics"])),
        }
    )
    rows = {"id": ["001", "NA"], "text": ["Fine.\r\n", "NA"], "tone": [1, -1], "topics": [[0, 1], [1]]}
    return hub.Dataset.from_dict(rows, features=features)


CLASSES = {"tone": "tone", "topics": "topics"}
EXPECTED = [
    LabeledDocument(
        document=Document(id="001", text="Fine.\r\n"),
        classes={
            "tone": (ClassLabel(label="good"),),
            "topics": (ClassLabel(label="sport"), ClassLabel(label="politics")),
        },
    ),
    LabeledDocument(document=Document(id="NA", text="NA"), classes={"topics": (ClassLabel(label="politics"),)}),
]


def test_class_numbers_of_a_dataset_become_names(rated: Any) -> None:
    """
    Single and in lists; -1 means not labelled; ids and texts stay text.
    """
    assert EXPECTED == list(read_dataset(rated, classes=CLASSES))


def test_a_streamed_dataset_gives_the_same(rated: Any) -> None:
    """
    An ``IterableDataset`` has no length and is read once.
    """
    assert EXPECTED == list(read_dataset(rated.to_iterable_dataset(), classes=CLASSES))


def test_the_format_of_a_dataset_does_not_matter(rated: Any) -> None:
    """
    With NumPy's numbers and arrays the documents are the same.
    """
    pytest.importorskip("numpy", reason="needs numpy")

    assert EXPECTED == list(read_dataset(rated.with_format("numpy"), classes=CLASSES))


def test_tag_numbers_of_a_dataset_become_spans(hub: Any) -> None:
    """
    Tokens with ``ClassLabel`` tags, as NER datasets on the hub have them.
    """
    tags = hub.ClassLabel(names=["O", "B-PER", "I-PER"])
    features = hub.Features({"tokens": hub.Sequence(hub.Value("string")), "ner_tags": hub.Sequence(tags)})
    rows = {"tokens": [["😀", "Ann", "Lee", "left"]], "ner_tags": [[0, 1, 2, 0]]}
    (labeled,) = read_dataset(
        hub.Dataset.from_dict(rows, features=features), tokens_column="tokens", tags_column="ner_tags"
    )

    assert isinstance(labeled, LabeledDocument)
    assert [(2, 9, "PER", "Ann Lee")] == [(e.start, e.end, e.label, e.text) for e in labeled.entities]


def test_all_splits_at_once_are_refused(hub: Any, rated: Any) -> None:
    """
    The error names the splits to choose from.
    """
    with pytest.raises(SourceError, match="choose from"):
        read_dataset(hub.DatasetDict({"train": rated, "test": rated}))
