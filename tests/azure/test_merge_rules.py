"""Whatever people and models do in turns, what people did stands."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmlabel.platforms.azure_language.compare import Key, documents_of, keys_of
from llmlabel.platforms.azure_language.imported import Imported, ImportedDocument
from llmlabel.platforms.azure_language.labels_file import Project, project_file
from llmlabel.platforms.azure_language.merge import merge

NAMES = ("a.txt", "b.txt")
LENGTH = 12
NOTHING = ImportedDocument(id="")
Labels = dict[str, list[Key]]


@st.composite
def labelled(draw: st.DrawFn) -> Labels:
    """Labels of some documents; a document's do not overlap."""
    found: Labels = {}
    for name in draw(st.sets(st.sampled_from(NAMES))):
        cuts = sorted(draw(st.sets(st.integers(0, LENGTH), max_size=6)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        found[name] = [(draw(st.sampled_from(["A", "B"])), start, end - start) for start, end in pairs]
    return found


def file(labels: Labels) -> dict[str, Any]:
    """Return a labels file."""
    entries: list[Any] = [
        {
            "location": name,
            "language": "en-us",
            "unknown": name,
            "entities": [
                {
                    "regionOffset": 0,
                    "regionLength": LENGTH,
                    "labels": [{"category": label, "offset": start, "length": size} for label, start, size in keys],
                }
            ],
        }
        for name, keys in labels.items()
    ]
    return project_file(Project("p", "texts", "CustomEntityRecognition"), ["A", "B"], entries)


def labels_of(content: dict[str, Any]) -> dict[str, set[Key]]:
    """Return the labels of a project by document."""
    return {name: set(keys_of(entry)) for name, entry in documents_of(content).items()}


def edited(content: dict[str, Any], drop: set[int], add: Labels) -> dict[str, Any]:
    """Return the project as a person leaves it who takes some labels away and puts others where nothing stands."""
    after = copy.deepcopy(content)
    for name, entry in documents_of(after).items():
        region = entry["entities"][0]
        region["labels"] = [label for number, label in enumerate(region["labels"]) if number not in drop]
        for label, start, size in add.get(name, ()):
            if all(start + size <= k[1] or k[1] + k[2] <= start for k in keys_of(entry)):
                region["labels"].append({"category": label, "offset": start, "length": size})
    return after


@given(
    *(labelled(), labelled(), st.sets(st.integers(0, 3)), labelled(), st.none() | labelled()),
    st.sets(st.sampled_from(NAMES)),
)
def test_work_of_people_stands(
    before: Labels, first: Labels, drop: set[int], add: Labels, other: Labels | None, reviewed: set[str]
):
    """
    No label of a person is changed, covered or taken away, none that a person deleted comes back, and a round repeated
    changes nothing.
    """
    second = first if other is None else other
    ids = {name: name.removesuffix(".txt") for name in NAMES}
    nothing = Imported(endpoint="https://example.org", project="p")
    one = merge(file(before), file(first), nothing, ids, reviewed)
    manifest = nothing.model_copy(update={"documents": one.ours})
    theirs = edited(one.content, drop, add)
    two = merge(theirs, file(second), manifest, ids)
    ours = {name: item.unreviewed for name, item in manifest.documents.items()}
    gone = {name: set(item.labels) - labels_of(theirs).get(name, set()) for name, item in manifest.documents.items()}
    again = merge(two.content, file(second), manifest.model_copy(update={"documents": two.ours}), ids)

    for name, keys in labels_of(theirs).items():
        left = labels_of(two.content)[name]
        assert keys - ours.get(name, set()) <= left
        assert set() == gone.get(name, set()) & left
        assert not manifest.documents.get(name, NOTHING).reviewed or left == keys
        ordered = sorted((start, start + size) for _, start, size in left)
        assert all(one[1] <= next_one[0] for one, next_one in pairwise(ordered))
    assert not again.changes
    assert labels_of(two.content) == labels_of(again.content)
