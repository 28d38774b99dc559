"""The label schema: what it accepts, what it refuses, and its fingerprint."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from llmlabel import (
    Classification,
    ConfigurationError,
    Document,
    Entity,
    Example,
    FreeText,
    Label,
    LabeledDocument,
    LabelSchema,
    Mention,
    MentionRelation,
    RelationLabel,
)
from tests.strategies import entities_of, schemas, texts

FULL = """
from llmlabel import Classification, Example, Label, LabelSchema
print(LabelSchema(
    entities=[Label(name="PER", description="é", attributes=[Classification(name="sex", labels=["m", "f"])]), "ORG"],
    relations={"works": {"head": "PER", "tail": ["ORG"]}}, classifications={"tone": ["good", "bad"]}, texts=["sum"],
    guidelines="Read twice.", examples=[Example(text="Ann at Acme", entities={"PER": ["Ann"], "ORG": ["Acme"]},
    classes={"tone": "good"}, texts={"sum": "x"})]).fingerprint)
"""


def test_all_shapes_of_entities_are_equal():
    """
    A mapping, a list of names, of parts and of mappings say the same.
    """
    expected = LabelSchema(entities=[Label(name="PER", description="people"), Label(name="ORG")])

    assert expected == LabelSchema(entities={"PER": "people", "ORG": None})
    assert expected == LabelSchema(entities={"PER": {"description": "people"}, "ORG": ""})
    assert expected == LabelSchema(entities=[{"name": "PER", "description": "people"}, "ORG"])
    assert expected == LabelSchema(entities={"PER": Label(name="PER", description="people"), "ORG": Label(name="ORG")})


def test_all_shapes_of_classifications_are_equal():
    """
    Labels of a classification may be a list, a mapping, or stand beside its other fields.
    """
    expected = LabelSchema(
        classifications=[Classification(name="tone", labels=[Label(name="good", description="x"), "bad"])]
    )

    assert expected == LabelSchema(classifications={"tone": {"good": "x", "bad": ""}})
    assert expected == LabelSchema(classifications={"tone": {"labels": {"good": "x", "bad": None}}})
    assert expected == LabelSchema(classifications={"tone": [{"name": "good", "description": "x"}, "bad"]})


def test_a_relation_end_may_be_one_name():
    """
    ``head="PER"`` means the same as ``head=["PER"]``.
    """
    assert ("PER",) == LabelSchema(entities=["PER"], relations={"r": {"head": "PER"}}).relations[0].head


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({}, None, "nothing to label"),
        ({"entities": []}, None, "nothing to label"),
        ({"entities": ["PER", "PER"]}, "entities[1]", "stands twice"),
        ({"entities": [""]}, "entities[0].name", "empty or blank"),
        ({"entities": ["  "]}, "entities[0].name", "empty or blank"),
        ({"entities": [" PER"]}, "entities[0].name", "white space"),
        ({"entities": ["P\nER"]}, "entities[0].name", "control characters"),
        ({"entities": ["P\x00"]}, "entities[0].name", "control characters"),
        ({"entities": ["P\ud800"]}, "entities[0].name", "lone surrogate"),
        ({"entities": [False]}, "entities[0].name", "found False (bool)"),
        ({"entities": [1]}, "entities[0].name", "found 1 (int)"),
        ({"entities": [None]}, "entities[0].name", "expected a name"),
        ({"entities": {"PER": 5}}, "entities[0].description", "string"),
        ({"entities": "PER"}, "entities", "one string"),
        ({"entities": b"PER"}, "entities", "bytes"),
        ({"entities": 5}, "entities", "int"),
        ({"entities": {"PER", "ORG"}}, "entities", "order differs"),
        ({"entities": {"PER": Label(name="ORG")}}, "entities", "'ORG'"),
        ({"entities": {"PER": {"name": "ORG"}}}, "entities", "'ORG'"),
        ({"entities": {"PER": {"descripton": "x"}}}, "entities[0].descripton", "did you mean 'description'"),
        ({"entites": ["PER"]}, "entites", "did you mean 'entities'"),
        ({"entities": ["PER"], "guidelines": "\ud800"}, "guidelines", "lone surrogate"),
        ({"relations": ["r"], "texts": ["t"]}, None, "relations need entities"),
        ({"entities": ["PER"], "relations": {"r": {"head": "ORG"}}}, "relations[0]", "'ORG' is not in"),
        ({"entities": ["PER"], "relations": ["r", "r"]}, "relations[1]", "stands twice"),
        ({"classifications": {"tone": []}}, "classifications[0].labels", "at least 1"),
        ({"classifications": {"tone": ["a", "a"]}}, "classifications[0].labels[1]", "stands twice"),
        ({"classifications": ["tone"]}, "classifications[0].labels", "required"),
        ({"texts": ["a", "a"]}, "texts[1]", "stands twice"),
        ({"texts": ["a"], "classifications": {"a": ["x"]}}, "texts[0]", "classification too"),
        ({"entities": [Label(name="PER")], "examples": [{"text": ""}]}, "examples[0].text", "at least 1"),
        ({"entities": {"P": {"attributes": {"a": ["x", "x"]}}}}, "entities[0].attributes[0].labels[1]", "twice"),
    ],
)
def test_a_wrong_schema_names_its_field(arguments, field, message):
    """
    Each wrong argument raises ``ConfigurationError`` that says where and what.
    """
    with pytest.raises(ConfigurationError) as caught:
        LabelSchema(**arguments)

    assert field == caught.value.field
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({"text": "Ann", "entities": {"ORG": ["Ann"]}}, "entity label 'ORG' is not in the schema"),
        ({"text": "Ann", "entities": {"PER": ["Bob"]}}, "'Bob' does not stand in"),
        ({"text": "Ann", "entities": {"PER": ["Ann", "Ann"]}}, "does not stand once more"),
        ({"text": "Ann", "entities": {"PER": [""]}}, "does not stand"),
        ({"text": "Ann", "entities": {"PER": None}}, "entities[0].text"),
        ({"text": "Ann", "classes": {"tone": ["good", "bad"]}}, "takes one label, found 2"),
        ({"text": "Ann", "classes": {"tone": "great"}}, "'great' is not in the schema"),
        ({"text": "Ann", "classes": {"mood": "good"}}, "classification 'mood' is not in the schema"),
        ({"text": "Ann", "texts": {"sum": "x"}}, "text 'sum' is not in the schema"),
        ({"text": "Ann", "relations": [{"head": 0, "tail": 1, "label": "r"}]}, "an entity that is not there"),
        (
            {"text": "Ann", "entities": ["Ann"], "relations": [{"head": 0, "tail": 0, "label": "q"}]},
            "entities[0]",
        ),
        (
            {"text": "Ann", "entities": [("Ann", "PER")], "relations": [{"head": 0, "tail": 0, "label": "r"}]},
            "ends at 'PER', expected ['LOC']",
        ),
        (
            {"text": "Ann", "entities": [{"text": "Ann", "label": "PER", "attributes": {"sex": ["x"]}}]},
            "label of 'sex' 'x' is not in the schema",
        ),
        (
            {"text": "Ann", "entities": [{"text": "Ann", "label": "PER", "attributes": {"age": ["x"]}}]},
            "attribute 'age' is not in the schema",
        ),
    ],
)
def test_a_wrong_example_is_refused_before_any_request(example, message):
    """
    An example uses only labels of the schema and mentions of its own text.
    """
    with pytest.raises(ConfigurationError) as caught:
        LabelSchema(
            entities={"PER": {"attributes": {"sex": ["m", "f"]}}, "LOC": ""},
            relations={"r": {"tail": "LOC"}},
            classifications={"tone": ["good", "bad"]},
            examples=[example],
        )

    assert message in str(caught.value)
    assert str(caught.value.field).startswith("examples[0]")


def test_one_surface_needs_no_list():
    """
    ``{"PER": "Ann"}`` is one mention, not three letters.
    """
    assert ["Ann"] == [m.text for m in Example(text="Ann", entities={"PER": "Ann"}).entities]


def test_names_in_other_scripts_are_kept():
    """
    Joiners and wide spaces inside a name are part of it.
    """
    names = ("می‌شود", "会社　名", "क्‍ष")

    assert names == LabelSchema(entities=names).entity_names


def test_the_kth_mention_is_the_kth_occurrence():
    """
    A surface named twice stands at its first and second occurrence.
    """
    example = Example(text="Ann met Ann", entities={"PER": ["Ann", "Ann"]})

    assert [(0, 3), (8, 11)] == [(e.start, e.end) for e in example.labeled().entities]


@given(st.data())
def test_a_labelled_document_becomes_the_same_example(data):
    """
    Spans survive the way into an example and back; only doubles become one.
    """
    text = data.draw(st.one_of(texts.filter(bool), st.text("aA ", min_size=1, max_size=8)))
    entities = data.draw(entities_of(text))
    labeled = LabeledDocument(document=Document(id="x", text=text), entities=entities)

    back = Example.from_labeled(labeled).labeled()

    assert sorted({(e.start, e.end, e.label) for e in entities}) == sorted(
        (e.start, e.end, e.label) for e in back.entities
    )


def test_relations_follow_their_entities_into_an_example():
    """
    Entities are sorted by place, and relations still link the same two.
    """
    entities = (Entity(start=4, end=8, label="ORG", text="Acme"), Entity(start=0, end=3, label="PER", text="Ann"))
    labeled = LabeledDocument(
        document=Document(id="x", text="Ann Acme"), entities=entities, relations=[{"head": 1, "tail": 0, "label": "at"}]
    )

    relation = Example.from_labeled(labeled).relations[0]

    assert (0, 1) == (relation.head, relation.tail)


def test_lookup_by_name():
    """
    Parts are found by name; a name that is not there gives None.
    """
    schema = LabelSchema(entities=["PER"], relations=["r"], classifications={"tone": ["good"]})

    assert ("PER", "r", ("good",)) == (
        schema.entity("PER").name,
        schema.relation("r").name,
        schema.classification("tone").label_names,
    )
    assert [None, None, None] == [schema.entity("x"), schema.relation("x"), schema.classification("x")]


def test_a_schema_is_frozen():
    """
    No field of a schema can be set.
    """
    with pytest.raises(ValidationError, match="frozen"):
        LabelSchema(entities=["PER"]).guidelines = "x"


@given(schemas)
@settings(max_examples=15)
def test_a_schema_pickles(schema):
    """
    A schema, and its fingerprint, survive the way to a worker process.
    """
    again = pickle.loads(pickle.dumps(schema))

    assert schema == again
    assert schema.fingerprint == again.fingerprint


@given(schemas, st.data())
@settings(max_examples=25)
def test_any_change_changes_the_fingerprint(schema, data):
    """
    No field of any part can change without a new fingerprint.
    """
    changed = _change(schema, data)

    assert schema.fingerprint != changed.fingerprint


def _change(part, data):
    """The part with one randomly chosen field, at any depth, changed."""
    name = data.draw(st.sampled_from(sorted(type(part).model_fields)))
    value = getattr(part, name)
    if isinstance(value, str):
        new = value + "x"
    elif isinstance(value, bool):
        new = not value
    elif isinstance(value, dict):
        new = {**value, "added": "x" if name == "texts" else ("x",)}
    elif value is None or isinstance(value, int):
        new = (value or 0) + 1 if name in {"head", "tail", "hint"} else "x"
    elif value and isinstance(value[0], BaseModel):
        new = (_change(value[0], data), *value[1:])
    else:
        new = (*value, _fresh(part, name))
    return part.model_copy(update={name: new})


def _fresh(part, name):
    if isinstance(part, Example):
        return _FRESH_IN_EXAMPLE[name]
    if name == "examples" and isinstance(part, Label):
        return "added"
    if name in {"classifications", "attributes"}:
        return Classification(name="added", labels=["x"])
    makers = {"relations": RelationLabel, "texts": FreeText, "entities": Label, "labels": Label}
    return Example(text="added") if name == "examples" else makers[name](name="added") if name in makers else "added"


_FRESH_IN_EXAMPLE = {
    "entities": Mention(text="added", label="x"),
    "relations": MentionRelation(head=0, tail=0, label="x"),
}


def test_the_order_of_labels_counts():
    """
    Labels in another order give another prompt, so another fingerprint.
    """
    assert LabelSchema(entities=["A", "B"]).fingerprint != LabelSchema(entities=["B", "A"]).fingerprint


def test_the_fingerprint_is_the_same_in_every_process():
    """
    Hash randomisation does not reach the fingerprint.
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", FULL],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert 1 == len(found)


def test_an_example_can_be_checked_on_its_own():
    """
    ``check`` says where the example stands and what is wrong with it.
    """
    schema = LabelSchema(entities=["PER"])

    schema.check(Example(text="Ann", entities={"PER": "Ann"}))
    with pytest.raises(ConfigurationError, match="examples\\[2\\]: entity label 'ORG' is not in the schema"):
        schema.check(Example(text="Ann", entities={"ORG": "Ann"}), "examples[2]")
