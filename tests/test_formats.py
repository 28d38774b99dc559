"""The three answer formats: what they ask for, what they show, and what they read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmlabel.errors import CompletionError, ConfigurationError
from llmlabel.formats import answer_format
from llmlabel.formats.alignment import align
from llmlabel.formats.markers import DEFAULT, mark, markers_for, tags_for, unmark
from llmlabel.schema import Classification, Example, Label, LabelSchema, RelationLabel
from llmlabel.types import (
    ClassLabel,
    Completion,
    Document,
    Entity,
    LabeledDocument,
    MentionRelation,
    ParsedAnswer,
    Relation,
)
from tests.strategies import entities_of, names, texts

FORMATS = ["json", "by_label", "inline"]
PEOPLE = LabelSchema(entities=["PER", "ORG"])
FULL = LabelSchema(
    entities=[
        Label(
            name="PER",
            attributes=(
                Classification(name="role", labels=["boss", "other"]),
                Classification(name="tags", labels=["x", "y"], multi_label=True),
            ),
        ),
        "ORG",
    ],
    relations=[RelationLabel(name="works_for", head=("PER",), tail=("ORG",))],
    classifications=[
        Classification(name="topic", labels=["A", "B"]),
        Classification(name="flags", labels=["f", "g"], multi_label=True),
    ],
    texts=["summary"],
)
ANN = Document(id="a", text="Ann works for Acme. Ann left.")
SHOWN = Example(
    text=ANN.text,
    entities=(
        {"text": "Ann", "label": "PER", "attributes": {"role": ("boss",), "tags": ("x", "y")}},
        ("Acme", "ORG"),
        ("Ann", "PER"),
    ),
    relations=(MentionRelation(head=0, tail=1, label="works_for"),),
    classes={"topic": "A", "flags": ("f", "g")},
    texts={"summary": "Ann worked."},
)


def parse(
    name: str, text: str, schema: LabelSchema = PEOPLE, finish: Any = "stop", document: Document = ANN
) -> ParsedAnswer:
    found = answer_format(name).parse(Completion(text=text, finish=finish), [document], schema)
    assert list(found) == [document.id]
    return found[document.id]


def said(answer: ParsedAnswer) -> list[tuple[str, str]]:
    return [(mention.text, mention.label) for mention in answer.mentions]


# -- asking -----------------------------------------------------------------------------------------------------------


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    yield schema
    for child in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from objects(child)
    if "items" in schema:
        yield from objects(schema["items"])


@pytest.mark.parametrize("reasons", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("schema", [PEOPLE, FULL, LabelSchema(classifications={"topic": ["A", "B"]})])
@pytest.mark.parametrize("name", FORMATS)
def test_answer_schema_is_in_the_strict_subset(name: str, schema: LabelSchema, packed: bool, reasons: bool):
    """
    Every object is closed and requires all its properties; no keyword outside the subset is used.
    """
    found = answer_format(name).ask(schema, packed=packed, reasons=reasons).answer_schema
    if found is None:
        assert (name, schema, packed, reasons) == ("inline", PEOPLE, False, False)
        return

    assert found["type"] == "object"
    for part in objects(found):
        assert part.keys() <= {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert list(part["properties"]) == part["required"]
        assert all(isinstance(value, str) for value in part.get("enum", ()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_shown_answer_fits_the_answer_schema(name: str, packed: bool):
    """
    A demonstration is valid under the schema that the answer is held to.
    """
    format_ = answer_format(name)
    request = format_.ask(FULL, packed=packed)
    shown = format_.show([SHOWN.labeled()] * (2 if packed else 1), FULL, packed=packed)
    assert request.answer_schema is not None
    answer = json.loads(shown)
    if name == "inline":  # only some entities have details
        assert [1, 3] == [detail["id"] for detail in (answer["documents"][0] if packed else answer)["details"]]

    jsonschema.validate(answer, dict(request.answer_schema))


def test_enums_beyond_the_limit_become_strings():
    """
    With more than 1,000 labels the schema stays usable: the label is a plain string.
    """
    found = answer_format("json").ask(LabelSchema(entities=[f"L{n}" for n in range(1_001)])).answer_schema
    assert found is not None

    assert {"type": "string"} == found["properties"]["entities"]["items"]["properties"]["label"]


def test_schema_with_too_many_properties_is_left_out():
    """
    ``by_label`` with more labels than a strict schema may have properties asks without a schema.
    """
    many = LabelSchema(entities=[f"L{n}" for n in range(5_001)])

    assert answer_format("by_label").ask(many).answer_schema is None


def test_unknown_format_names_the_known_ones():
    """
    A wrong name is a configuration error that says what there is.
    """
    with pytest.raises(ConfigurationError, match=r"by_label.*inline.*json"):
        answer_format("yaml")


# -- reading back what is shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_all_tasks_come_back(name: str):
    """
    Entities with attributes, relations, classes and texts are read as they were shown.
    """
    answer = parse(name, answer_format(name).show([SHOWN.labeled()], FULL), FULL)

    assert sorted([("Ann", "PER"), ("Acme", "ORG"), ("Ann", "PER")]) == sorted(said(answer))
    assert {"role": ("boss",), "tags": ("x", "y")} == answer.mentions[0].attributes
    (relation,) = answer.relations
    assert ("Ann", "Acme", "works_for") == (
        answer.mentions[relation.head].text,
        answer.mentions[relation.tail].text,
        relation.label,
    )
    assert {
        "topic": (ClassLabel(label="A"),),
        "flags": (ClassLabel(label="f"), ClassLabel(label="g")),
    } == answer.classes
    assert {"summary": "Ann worked."} == answer.texts
    assert () == answer.problems
    assert (True, False) == (answer.complete, answer.repaired)


@st.composite
def labeled_by(draw: st.DrawFn) -> tuple[LabelSchema, LabeledDocument]:
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    document = Document(id="d", text=draw(texts))
    found = draw(entities_of(document.text, st.sampled_from(labels)))
    entities = tuple(Entity(start=e.start, end=e.end, label=e.label, text=e.text) for e in found if e.text.strip())
    relations: tuple[Relation, ...] = ()
    related = draw(st.booleans())
    if entities and related:
        index = st.integers(0, len(entities) - 1)
        relations = tuple(draw(st.lists(st.builds(Relation, head=index, tail=index, label=st.just("R")), max_size=2)))
    schema = LabelSchema(entities=labels, relations=["R"] if related else [])
    return schema, LabeledDocument(document=document, entities=entities, relations=relations)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@given(case=labeled_by())
@settings(max_examples=40, deadline=None)
def test_whatever_is_shown_is_read_back(name: str, packed: bool, case: tuple[LabelSchema, LabeledDocument]):
    """
    Any text and any printable label name survive showing and reading, alone and packed.
    """
    schema, labeled = case
    format_ = answer_format(name)
    try:
        shown = format_.show([labeled] * (2 if packed else 1), schema, packed=packed)
    except ConfigurationError:
        assert name == "inline"
        return
    documents = [labeled.document, Document(id="2", text=labeled.document.text)] if packed else [labeled.document]
    answers = format_.parse(Completion(text=shown), documents, schema)
    expected = sorted((e.text, e.label) for e in labeled.entities)

    assert [document.id for document in documents] == list(answers)
    for answer in answers.values():
        assert expected == sorted(said(answer))
        assert name == "by_label" or () == answer.problems  # a surface with two labels is ambiguous as an end
        assert len(labeled.relations) == len(answer.relations) + len(answer.problems)
        if name == "inline":
            order = sorted(labeled.entities, key=lambda e: (e.start, -e.end))
            assert [e.start for e in order] == [mention.hint for mention in answer.mentions]


# -- tolerance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["json", "by_label"])
@pytest.mark.parametrize(
    "text",
    [
        '{"entities": [{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]}',
        '[{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]',
        '[[{"text": "Ann", "label": "PER"}], [{"text": "Acme", "label": "ORG"}], null]',
        '{"PER": ["Ann"], "ORG": ["Acme"]}',
        '{"PER": "Ann", "ORG": "Acme"}',
        '{"PER": [["Ann"]], "ORG": [{"text": "Acme"}]}',
        '{"entities": {"PER": ["Ann"], "ORG": ["Acme"]}}',
        '{"entities": [["Ann", "PER"], ["Acme", "ORG"]]}',
        '{"entities": [{"PER": "Ann"}, {"ORG": "Acme"}]}',
        '{"entities": {"Ann": "PER", "Acme": "ORG"}}',
        '{"entities": [{"Text": "Ann", "Label": "PER"}, {"quote_string": "Acme", "labels": ["ORG"]}]}',
        '{"entities": [{"entity": "Ann", "type": "PER"}, {"entity": "ORG", "text": "Acme"}]}',
        '{"result": {"entities": [{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]}}',
        '{"documents": [{"id": "1", "entities": {"PER": ["Ann"], "ORG": ["Acme"]}}]}',
        "```json\n{'PER': ['Ann',], 'ORG': ['Acme']}\n```",
        '{"reasoning": "I see two.", "entities": [{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]}',
        '{"text": "Ann", "label": "PER"}\n{"text": "Acme", "label": "ORG"}',
        '{"entities": [{"text": "Ann", "label": "PER", "text": "Acme", "label": "ORG"}]}',
        '{"entities": [{"text": "Ann", "label": "PER"}], "entities": [{"text": "Acme", "label": "ORG"}]}',
    ],
)
def test_usual_shapes_are_read(name: str, text: str):
    """
    The shapes that models give in place of the one asked for mean the same.
    """
    answer = parse(name, text)

    assert [("Ann", "PER"), ("Acme", "ORG")] == said(answer)
    assert () == answer.problems


@pytest.mark.parametrize("name", ["json", "by_label"])
@pytest.mark.parametrize("text", ["{}", "[]", '{"entities": []}', '{"entities": null}', '{"PER": [], "ORG": null}'])
def test_nothing_found_is_an_answer(name: str, text: str):
    """
    An empty object or list says that there is nothing to label.
    """
    assert ParsedAnswer() == parse(name, text)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "I'm sorry, I cannot help with that.",
        "I cannot label [this] text {at all}.",
        '["Ann"]',
        '{"entities": ["Ann", "Acme"]}',
        '{"error": "no"}',
        "null",
        "42",
    ],
)
def test_unreadable_answers_are_errors_that_say_what_was_expected(name: str, text: str):
    """
    Prose, refusals and items without labels are not taken for "nothing found".
    """
    with pytest.raises(CompletionError, match="expected"):
        parse(name, text)


def test_labels_stay_as_the_model_said_them():
    """
    Unknown, re-cased and near-miss labels are the pipeline's to judge.
    """
    answer = parse("json", '[{"text": "Ann", "label": "per"}, {"text": "Acme", "label": "Organisation"}]')

    assert [("Ann", "per"), ("Acme", "Organisation")] == said(answer)


def test_items_that_cannot_be_read_are_counted():
    """
    Each item is a mention or a problem with a reason.
    """
    items = [
        {"text": "Ann", "label": "PER"},
        {"text": "", "label": "PER"},
        {"text": "Acme"},
        {"label": "ORG"},
        "Acme",
        {"text": ["Ann", "Acme"], "label": "PER"},
    ]
    answer = parse("json", json.dumps({"entities": items, "weather": "fine"}))

    assert [("Ann", "PER"), ("Ann", "PER"), ("Acme", "PER")] == said(answer)
    assert 5 == len(answer.problems)
    assert all(problem.reason for problem in answer.problems)


@given(
    st.lists(
        st.fixed_dictionaries({}, optional={"text": st.none() | texts, "label": st.none() | names}) | st.none() | texts,
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_mentions_and_problems_add_up(items: list[Any]):
    """
    Every non-null item of the list is in the answer or in its problems.
    """
    text = json.dumps({"entities": [*items, {"text": "Ann", "label": "PER"}]})
    answer = parse("json", text)
    given_items = [item for item in items if item is not None and item != ""]
    assume("" not in items)

    assert len(given_items) + 1 == len(answer.mentions) + len(answer.problems)


def test_surrogates_numbers_and_nan_do_no_harm():
    """
    Lone surrogates are replaced, pairs joined; numbers and NaN are kept as they were written.
    """
    pair = r'{"text": "\ud83d\ude00 \ud800", "label": "A"}'
    text = f'[{pair}, {{"text": 1.50, "label": "B"}}, {{"text": NaN, "label": "C"}}]'

    assert [("😀 \ufffd", "A"), ("1.50", "B"), ("NaN", "C")] == said(parse("json", text))


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_cut_answer_keeps_complete_items_and_counts_the_cut_one(finish: str):
    """
    The item in which the answer ends is in the problems, once, and the answer is incomplete.
    """
    text = '{"entities": [{"text": "Ann", "label": "PER"}, {"text": "Acme", "lab'
    answer = parse("json", text, finish=finish)

    assert [("Ann", "PER")] == said(answer)
    assert 1 == len(answer.problems)
    assert "Acme" in answer.problems[0].value
    assert not answer.complete


def test_cut_table_keeps_its_complete_surfaces():
    """
    In ``by_label`` the surface in which the answer ends is a problem.
    """
    answer = parse("by_label", '{"PER": ["Ann", "Bob"], "ORG": ["Ac', finish="length")

    assert [("Ann", "PER"), ("Bob", "PER")] == said(answer)
    assert ['"Ac'] == [problem.value for problem in answer.problems]


# -- relations, classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "relation",
    [
        {"head": 1, "label": "works_for", "tail": 2},
        {"head": "1", "label": "works_for", "tail": "2"},
        {"head": "Ann", "label": "works_for", "tail": "Acme"},
        {"subject": "Ann", "predicate": "works_for", "object": "Acme"},
        {"head": {"text": "Ann", "label": "PER"}, "type": "works_for", "tail": {"text": "Acme"}},
        [1, "works_for", 2],
    ],
)
@pytest.mark.parametrize("ids", [True, False])
def test_ends_of_relations_are_found(relation: object, ids: bool):
    """
    Ends by number, surface or object mean the same mentions.
    """
    items: list[dict[str, Any]] = [{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]
    if ids:
        items = [{"id": number, **item} for number, item in enumerate(items, 1)]
    answer = parse("json", json.dumps({"entities": items, "relations": [relation]}), FULL)

    assert (MentionRelation(head=0, tail=1, label="works_for"),) == answer.relations


@pytest.mark.parametrize("end", [0, 7, "Bob", None, "Ann or Acme"])
def test_relation_without_its_end_is_a_problem(end: object):
    """
    A relation that points nowhere is not guessed at.
    """
    items = [{"id": 1, "text": "Ann", "label": "PER"}, {"id": 2, "text": "Acme", "label": "ORG"}]
    relation = {"head": 1, "label": "works_for", "tail": end}
    answer = parse("json", json.dumps({"entities": items, "relations": [relation]}), FULL)

    assert () == answer.relations
    assert ["relation"] == [problem.kind for problem in answer.problems]


def test_numbers_count_items_that_were_not_read():
    """
    Relations by place stay right when an item of the list could not be taken.
    """
    items = [{"text": "x"}, {"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}]
    text = json.dumps({"entities": items, "relations": [{"head": 2, "label": "works_for", "tail": 3}]})

    assert (MentionRelation(head=0, tail=1, label="works_for"),) == parse("json", text, FULL).relations


@pytest.mark.parametrize(
    "text",
    [
        '{"classes": {"topic": "A"}}',
        '{"topic": "A"}',
        '{"classes": {"topic": ["A"]}}',
        '{"classes": "A"}',
        '{"classification": "A"}',
        '{"label": "A"}',
        '{"classes": {"topic": {"label": "A", "confidence": 0.9}}}',
        '{"classes": [{"name": "topic", "label": "A"}]}',
        '{"classes": {"topic": {"A": true, "B": false}}}',
    ],
)
def test_usual_shapes_of_a_class_are_read(text: str):
    """
    One classification, however it is put.
    """
    schema = LabelSchema(classifications={"topic": ["A", "B"]})

    assert {"topic": (ClassLabel(label="A"),)} == parse("json", text, schema).classes


@pytest.mark.parametrize("label", ["entities", "relations", "classes", "texts", "documents", "text", "label", "id"])
@pytest.mark.parametrize("name", FORMATS)
def test_labels_may_be_called_like_keys(name: str, label: str):
    """
    A label named as a part of the answer is not mistaken for it.
    """
    schema = LabelSchema(
        entities=[label, "other"], relations=["relations"], classifications={"classes": ["entities"]}, texts=["texts"]
    )
    shown = Example(
        text="a b",
        entities=(("a", label), ("b", "other")),
        relations=(MentionRelation(head=0, tail=1, label="relations"),),
        classes={"classes": "entities"},
        texts={"texts": "t"},
    ).labeled("d")
    answer = parse(name, answer_format(name).show([shown], schema), schema, document=shown.document)

    assert [("a", label), ("b", "other")] == said(answer)
    assert (1, {"classes": (ClassLabel(label="entities"),)}, {"texts": "t"}, ()) == (
        len(answer.relations),
        answer.classes,
        answer.texts,
        answer.problems,
    )
    bare = LabelSchema(entities=[label, "other"])
    again = parse(name, answer_format(name).show([shown], bare), bare, document=shown.document)
    assert [("a", label), ("b", "other")] == said(again)


# -- several documents ------------------------------------------------------------------------------------------------

PAIR = [Document(id="2", text="Ann"), Document(id="1", text="Acme")]


def packed(text: str) -> dict[str, list[tuple[str, str]]]:
    answers = answer_format("json").parse(Completion(text=text), PAIR, PEOPLE)
    return {key: said(answer) for key, answer in answers.items()}


@pytest.mark.parametrize(
    "text",
    [
        '{"documents": [{"id": "1", "entities": {"PER": ["Ann"]}}, {"id": "2", "entities": {"ORG": ["Acme"]}}]}',
        '{"documents": [{"id": 2, "entities": {"ORG": ["Acme"]}}, {"id": "Document 1", "entities": {"PER": ["Ann"]}}]}',
        '{"docs": [{"id": "1", "PER": ["Ann"]}, {"id": "2", "ORG": ["Acme"]}]}',
        '[{"id": "1", "PER": ["Ann"]}, {"id": "2", "ORG": ["Acme"]}]',
        '{"1": {"PER": ["Ann"]}, "2": {"ORG": ["Acme"]}}',
        '{"documents": {"1": {"PER": ["Ann"]}, "2": {"ORG": ["Acme"]}}}',
        '{"documents": [{"PER": ["Ann"]}, {"ORG": ["Acme"]}]}',
    ],
)
def test_numbers_mean_places_never_ids(text: str):
    """
    Sections are told apart by the number of the document in the request, whatever the ids are.
    """
    assert {"2": [("Ann", "PER")], "1": [("Acme", "ORG")]} == packed(text)


def test_missing_unknown_and_doubled_numbers_are_not_guessed():
    """
    A missing document is absent; sections with an unknown or contradictory number come under no document's id.
    """
    text = '[{"id": "1", "PER": ["Ann"]}, {"id": "1", "ORG": ["Acme"]}, {"id": "7", "PER": ["Bob"]}]'
    found = packed(text)

    assert not {"1", "2"} & found.keys()
    assert sorted([[("Ann", "PER")], [("Acme", "ORG")], [("Bob", "PER")]]) == sorted(found.values())


def test_cut_packed_answer_is_incomplete_where_it_was_cut():
    """
    Documents before the cut are complete.
    """
    text = '{"documents": [{"id": "1", "entities": [{"text": "Ann", "label": "PER"}]}, {"id": "2", "entities": [{"te'
    answers = answer_format("json").parse(Completion(text=text, finish="length"), PAIR, PEOPLE)

    assert [("2", True), ("1", False)] == [(key, answer.complete) for key, answer in answers.items()]


def test_packed_answer_without_any_number_is_an_error():
    """
    Labels that could belong to either document are not shared out.
    """
    with pytest.raises(CompletionError, match="id"):
        packed('{"entities": [{"text": "Ann", "label": "PER"}]}')


# -- inline -----------------------------------------------------------------------------------------------------------

DRIFT = Document(id="a", text="Ann\r\nmet  Bob. Then Ann left; Ann was  “happy” in Paris.")


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("[[Ann|PER]]\r\nmet  [[Bob|PER]]. Then [[Ann|PER]] left; [[Ann|PER]] was  “happy” in Paris.", [0, 10, 20, 30]),
        ('[[Ann|PER]] met [[Bob|PER]]. Then Ann left; [[Ann|PER]] was "happy" in Paris.', [0, 10, 30]),
        ("Here it is:\n```\nAnn\nmet Bob. Then Ann left; [[Ann|PER]] was “happy” in Paris.\n```", [30]),
        (
            "<document-0badcafe>\nAnn met Bob. Then [[Ann|PER]] left; Ann was “happy” in Paris.\n</document-0badcafe>",
            [20],
        ),
        ('{"marked": "Ann\\r\\nmet  Bob. Then [[Ann|PER]] left; Ann was  “happy” in Paris."}', [20]),
        ("<think>Ann is one.</think>Ann met Bob. Then [[Ann|PER]] left; Ann was “happy” in Paris.", [20]),
        ("Ann\r\nmet  Bobby. Then [[Ann|PER]] left; Ann was really  “happy” in Paris.", [20]),
    ],
)
def test_hints_are_places_in_the_document(text: str, hints: list[int]):
    """
    Repeats are told apart even where the model changed white space, quotes or words.
    """
    assert hints == [mention.hint for mention in parse("inline", text, document=DRIFT).mentions]


def test_doubtful_places_give_no_hint():
    """
    Where the model left out one of several repeats, nobody knows which.
    """
    document = Document(id="a", text="Ann, Ann, Ann, Ann, Ann, Ann, Ann, Ann and Bob")
    answer = parse("inline", "Ann, Ann, Ann, [[Ann|PER]], Ann, Ann and [[Bob|PER]]", document=document)

    assert [None, document.text.index("Bob")] == [mention.hint for mention in answer.mentions]


@given(texts.filter(str.strip), st.data())
@settings(max_examples=40, deadline=None)
def test_hints_of_changed_copies_are_never_wrong(text: str, data: st.DataObject):
    """
    With white space and words around them changed, hints still point at the words that were marked.
    """
    words = [f"w{number}" for number in range(30)]
    place = data.draw(st.integers(0, 29))
    source = " ".join(words)
    changed = data.draw(st.sets(st.integers(0, 29)))
    copy = "  ".join(
        f"[[{word}|PER]]" if n == place else word + ("x" if n in changed else "") for n, word in enumerate(words)
    )
    (mention,) = parse("inline", copy, document=Document(id="d", text=source)).mentions

    assert mention.hint in (None, source.index(words[place] + " ") if place < 29 else len(source) - 3)


def test_copy_that_stops_early_is_incomplete():
    """
    A copy of the first half says nothing about the second.
    """
    text = "Ann met Bob. " * 20
    answer = parse("inline", "[[Ann|PER]] met Bob. " * 3, document=Document(id="d", text=text))

    assert (3, False) == (len(answer.mentions), answer.complete)


def test_cut_marked_string_keeps_its_entities():
    """
    Entities of a marked text that is cut inside JSON are salvaged.
    """
    answer = parse("inline", '{"marked": "[[Ann|PER|1]] works for [[Ac', FULL, finish="length")

    assert [("Ann", "PER")] == said(answer)
    assert (0, False, 1) == (answer.mentions[0].hint, answer.complete, len(answer.problems))


def test_halves_of_markers_are_problems():
    """
    Markers without a label or without their other half are in the ledger.
    """
    answer = parse("inline", "Ann]] works for [[Acme]]. [[Ann|PER]] left.")

    assert [("Ann", "PER")] == said(answer)
    assert 2 == len(answer.problems)


def test_crossing_entities_cannot_be_shown_inline():
    """
    Markers nest; an example with crossing entities is refused before any request.
    """
    labeled = LabeledDocument(
        document=Document(id="d", text="abc"),
        entities=(Entity(start=0, end=2, label="PER", text="ab"), Entity(start=1, end=3, label="ORG", text="bc")),
    )
    with pytest.raises(ConfigurationError, match="cross"):
        answer_format("inline").show([labeled], PEOPLE)


def test_each_item_of_a_replaced_part_is_told():
    """
    A model that answers twice means the last answer; what the first one held is in the ledger, item by item.
    """
    first = {"entities": [{"text": "Ann", "label": "PER"}, {"text": "Acme", "label": "ORG"}, 7]}
    answer = parse("json", f"{json.dumps(first)} No: {json.dumps({'entities': first['entities'][:1]})}")

    assert [("Ann", "PER")] == said(answer)
    assert 3 == len(answer.problems)


@given(st.text("[]{}<>⟦⟧|12a ", max_size=12))
def test_markers_stand_in_no_text(text: str):
    """
    Marking and unmarking any text gives the text back, with the place of each character.
    """
    markers = markers_for(text)
    spans = [(n, n + 1, "T") for n in range(len(text))]
    plain, found, stray, unclosed = unmark(mark(text, spans, markers), text, numbered=False)

    assert (text, spans, [], []) == (plain, [(m.start, m.end, m.tag) for m in found], stray, unclosed)


def test_note_is_needed_only_where_brackets_stand_in_the_text():
    """
    The static prompt names the usual markers; a document with brackets of its own gets others.
    """
    inline = answer_format("inline")

    assert DEFAULT == markers_for("plain")
    assert "" == inline.note(Document(id="d", text="plain"))
    assert "{{" in inline.note(Document(id="d", text="a [b]"))


@given(st.lists(names, unique=True, max_size=6))
def test_tags_are_distinct_and_safe(labels: list[str]):
    """
    Each label has a tag of its own without any character of a marker.
    """
    tags = tags_for(labels)

    assert len(set(tags.values())) == len(labels)
    assert not any(character in tag for tag in tags.values() for character in "|[]{}<>⟦⟧")


@given(texts, texts)
@settings(deadline=None)
def test_aligned_pieces_are_equal(copy: str, source: str):
    """
    Blocks of an alignment are in order; without the certainty of a folded match they are equal characters.
    """
    alignment = align(copy, source)
    ends = [(0, 0), *((b.copy + b.length, b.source + b.length) for b in alignment.blocks)]

    assert all(b.copy >= e[0] and b.source >= e[1] for b, e in zip(alignment.blocks, ends, strict=False))
    if not alignment.certain:
        for block in alignment.blocks:
            part = copy[block.copy : block.copy + block.length]
            assert part == source[block.source : block.source + block.length]


# -- whatever comes ---------------------------------------------------------------------------------------------------

PIECES = [
    *("{", "}", "[", "]", ",", ":", "'", "1", "null", "[[", "]]", "|PER", "```json\n", "<think>", "</think>"),
    *(
        '{"entities": ',
        '{"PER": ',
        '"Ann"',
        '{"text": "Ann", "label": "PER"}',
        '"id"',
        '"documents": ',
        '"relations": ',
    ),
    *('{"head": 1, "tail": "Ann", "label": "works_for"}', '"classes": ', '"topic"', "Ann works for Acme.", "9" * 5_000),
]
FRAGMENTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("schema", [PEOPLE, FULL])
@pytest.mark.parametrize("name", FORMATS)
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | FRAGMENTS, finish=st.sampled_from(["stop", "length"]))
@settings(max_examples=30, deadline=None)
def test_no_answer_raises_anything_but_completion_error(
    name: str, schema: LabelSchema, count: int, text: str, finish: Any
):
    """
    Whatever a model writes, in every format, is read or refused with one error type.
    """
    documents = [ANN, DRIFT.model_copy(update={"id": "b"})][:count]
    found: dict[str, ParsedAnswer] = {}
    with contextlib.suppress(CompletionError):
        found = answer_format(name).parse(Completion(text=text, finish=finish), documents, schema)

    assert all(isinstance(answer, ParsedAnswer) for answer in found.values())


@pytest.mark.parametrize("name", FORMATS)
def test_recorded_answers_of_real_models_are_read(name: str, shared: Any):
    """
    Answers recorded from six models are read, or refused where they hold no labels; nothing else is raised.
    """
    schema = LabelSchema(
        entities=["Organization", "Product", "Version"],
        classifications=[Classification(name="classification", labels=["Bug report", "Feature request", "Other"])],
    )
    read = 0
    for path in sorted((shared / "data" / "recorded").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            for choice in json.loads(line)["response"].get("choices", ()):
                message = choice["message"]
                calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
                for text in [message.get("content") or "", *calls]:
                    try:
                        answer = parse(name, text, schema)
                    except CompletionError:
                        continue
                    read += bool(answer.mentions or answer.classes)

    assert read >= 10
