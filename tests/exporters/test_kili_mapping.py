"""Label schemas and labels in Kili's terms, and back."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.platforms.kili.answers import json_response, labeled_from_json_response
from llmlabel.platforms.kili.interface import interface_from_schema, schema_from_interface
from llmlabel.platforms.kili.jobs import key_of
from llmlabel.platforms.kili.ontology import bind
from llmlabel.schema import Classification, FreeText, Label, LabelSchema, RelationLabel
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Relation
from tests import strategies


def question(name: str, *labels: str | Label, **more: object) -> Classification:
    parts = tuple(one if isinstance(one, Label) else Label(name=one) for one in labels)
    return Classification(name=name, labels=parts, **more)


MOOD = question("mood", "good", "bad")
FULL = LabelSchema(
    entities=(Label(name="Person", attributes=(MOOD, question("roles", "boss", "staff", multi_label=True))), "Org"),
    relations=(RelationLabel(name="works for", head=("Person",), tail=("Org",)), RelationLabel(name="knows")),
    classifications=(
        question("topic", Label(name="sport", attributes=(question("kind", "golf", "tennis"),)), "news"),
        question("tone", "warm", "cold", multi_label=True, description="How does it sound?"),
    ),
    texts=(FreeText(name="note", description="One line"),),
    guidelines="Label all of them.",
)
FOREIGN = {
    "jobs": {
        "JOB_0": {
            "mlTask": "NAMED_ENTITIES_RECOGNITION",
            "required": 1,
            "isChild": False,
            "instruction": "Find the people",
            "content": {
                "input": "radio",
                "categories": {
                    "PERSON": {"name": "Person", "children": ["JOB_2"], "color": "#fff"},
                    "ORG_X": {"name": "Organisation"},
                },
            },
        },
        "JOB_1": {
            "mlTask": "CLASSIFICATION",
            "isChild": False,
            "instruction": "What is it about?",
            "content": {"input": "multipleDropdown", "categories": {"A": {"name": "Same"}, "B": {"name": "Same"}}},
        },
        "JOB_2": {
            "mlTask": "CLASSIFICATION",
            "isChild": True,
            "content": {"input": "singleDropdown", "categories": {"Y": {"name": "Yes"}, "N": {"name": "No"}}},
        },
        "JOB_3": {"mlTask": "OBJECT_DETECTION", "isChild": False, "content": {"categories": {"CAR": {}}}},
        "NOTE": {"mlTask": "TRANSCRIPTION", "isChild": False, "instruction": "x" * 5000},
    }
}


# -- schema and interface ---------------------------------------------------------------------------------------------


def test_interface_and_back_is_the_schema():
    """
    All that an interface can hold of a schema comes back.
    """
    assert FULL == schema_from_interface(interface_from_schema(FULL))


def test_every_job_says_whether_it_is_a_child():
    """
    Kili's own parser needs isChild and required in each job; colours are set.
    """
    jobs = interface_from_schema(FULL)["jobs"]

    assert {"MOOD": True, "ROLES": True, "KIND": True} == {k: j["isChild"] for k, j in jobs.items() if j["isChild"]}
    assert {0} == {job["required"] for job in jobs.values()}
    colors = [c["color"] for job in jobs.values() for c in job["content"].get("categories", {}).values()]
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_relations_name_their_ends():
    """
    A relation lists the entity keys at its ends; no restriction means all of them.
    """
    categories = interface_from_schema(FULL)["jobs"]["NAMED_ENTITIES_RELATION_JOB"]["content"]["categories"]

    assert (["PERSON"], ["ORG"]) == (categories["WORKS_FOR"]["startEntities"], categories["WORKS_FOR"]["endEntities"])
    assert ["PERSON", "ORG"] == categories["KNOWS"]["startEntities"]


@pytest.mark.parametrize(
    ("name", "key"),
    [("Person name", "PERSON_NAME"), ("e-mail", "E_MAIL"), ("PER", "PER"), ("人名", "人名"), ("ﬁn", "FIN"), ("+", "")],
)
def test_keys_are_upper_snake_case(name, key):
    """
    Keys depend on the name alone.
    """
    assert key == key_of(name)


def test_labels_with_one_key_are_refused_together():
    """
    C++ and C# would both be C; every such pair is in the one error.
    """
    schema = LabelSchema(entities=["C++", "C#", "Person", "person", "!"])

    with pytest.raises(ConfigurationError) as caught:
        interface_from_schema(schema)
    for part in ("'C++' and 'C#'", "'Person' and 'person'", "'!' has no letter or digit"):
        assert part in str(caught.value)


def test_keys_can_be_given():
    """
    A key chosen by the user mends a collision, and the names bind to it.
    """
    schema = LabelSchema(entities=["C++", "C#"])
    interface = interface_from_schema(schema, keys={"C++": "CPP", "C#": "CSHARP"}, job_names={"entities": "JOB_0"})

    assert {"C++": "CPP", "C#": "CSHARP"} == bind(schema, interface).entities
    assert ["JOB_0"] == list(interface["jobs"])


def test_equal_attributes_share_one_child_job():
    """
    Two labels with the same attribute have one job; a different attribute of that name gets a job of its own.
    """
    other = question("mood", "fine")
    asked = {"A": MOOD, "B": MOOD, "C": other}
    schema = LabelSchema(entities=[Label(name=name, attributes=(part,)) for name, part in asked.items()])
    jobs = interface_from_schema(schema)["jobs"]
    categories = jobs["NAMED_ENTITIES_RECOGNITION_JOB"]["content"]["categories"]

    assert [["MOOD"], ["MOOD"], ["C_MOOD"]] == [categories[key]["children"] for key in "ABC"]


def test_attribute_named_as_a_classification_gets_a_job_of_its_own():
    """
    A child job never takes the place of a top-level job.
    """
    schema = LabelSchema(entities=[Label(name="A", attributes=(MOOD,))], classifications=[MOOD])
    ontology = bind(schema, interface_from_schema(schema))

    assert ("MOOD", "A_MOOD") == (ontology.classifications["mood"].job, ontology.attributes["A"]["mood"].job)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.schemas)
def test_any_schema_has_an_interface_or_a_reason(schema):
    """
    For any schema, either the clash of keys is told, or every name binds to the interface made from it.
    """
    try:
        interface = interface_from_schema(schema)
    except ConfigurationError:
        return
    for one in (schema, schema_from_interface(interface)):
        ontology = bind(one, interface)
        assert list(one.entity_names) == list(ontology.entities)
        assert all(ontology.entities.values())
        assert all(question.job for question in ontology.classifications.values())


def test_job_names_are_the_users(tmp_path):
    """
    Jobs may be named by the user; labels still find them.
    """
    jobs = {"entities": "JOB_0", "relations": "JOB_1", "topic": "JOB_2", "mood": "JOB_3", "note": "JOB_4"}
    ontology = bind(FULL, interface_from_schema(FULL, job_names=jobs))

    assert ("JOB_0", "JOB_4", "JOB_2", "JOB_3") == (
        ontology.ner_job,
        ontology.texts["note"],
        ontology.classifications["topic"].job,
        ontology.attributes["Person"]["mood"].job,
    )


def test_names_with_colons_find_their_jobs():
    """
    A colon in a name is not taken for the border between name and definition.
    """
    schema = LabelSchema(classifications=[question("a: b", "x", description="c: d"), question("a", "y")])

    assert schema == schema_from_interface(interface_from_schema(schema))


def test_foreign_interface_is_read_by_task():
    """
    Jobs are known by mlTask, child jobs become attributes, dropdowns count, image jobs are left out.
    """
    schema = schema_from_interface(FOREIGN)

    assert ("Person", "Organisation") == schema.entity_names
    assert [("JOB_2", False, ("Yes", "No"))] == [
        (a.name, a.multi_label, a.label_names) for a in schema.entities[0].attributes
    ]
    assert [("JOB_1", True)] == [(c.name, c.multi_label) for c in schema.classifications]
    assert ["NOTE"] == [text.name for text in schema.texts]


def test_instructions_are_definitions_and_capped():
    """
    What the project's author wrote for people is told to the model, within bounds.
    """
    schema = schema_from_interface(FOREIGN)

    assert ("Find the people", "What is it about?") == (schema.guidelines, schema.classifications[0].description)
    assert 2000 == len(schema.texts[0].description)


def test_ambiguous_display_names_fall_back_to_keys():
    """
    Where two categories have one name, labels are the keys, and the name is kept as description.
    """
    labels = schema_from_interface(FOREIGN).classifications[0].labels

    assert [("A", "Same"), ("B", "Same")] == [(label.name, label.description) for label in labels]


def test_schema_read_from_a_project_fits_it():
    """
    A schema that was read from an interface binds to it.
    """
    ontology = bind(schema_from_interface(FOREIGN), FOREIGN)

    assert ({"Person": "PERSON", "Organisation": "ORG_X"}, "JOB_0") == (ontology.entities, ontology.ner_job)


def test_labels_may_be_keys_or_display_names():
    """
    A schema of the user's own fits by either spelling.
    """
    schema = LabelSchema(entities=["PERSON", "Organisation"])

    assert {"PERSON": "PERSON", "Organisation": "ORG_X"} == bind(schema, FOREIGN).entities


def test_near_misses_are_explained():
    """
    A name in the wrong case is not taken; the error shows display name and key, for every label at once.
    """
    schema = LabelSchema(entities=["person", "Org_X", "Animal"], texts=["note"])

    with pytest.raises(ConfigurationError) as caught:
        bind(schema, FOREIGN)
    message = str(caught.value)
    assert (
        "'person' is not in job JOB_0; did you mean 'Person'? (that is the display name; the key is 'PERSON')"
        in message
    )
    assert "'Org_X' is not in job JOB_0; did you mean 'Organisation'?" in message
    assert "'Animal' is not in job JOB_0; it has ['PERSON', 'ORG_X']" in message
    assert "text 'note' is not in the project; did you mean 'NOTE'?" in message


def test_several_entity_jobs_must_be_named():
    """
    Nothing says which of two named-entity jobs is meant: the user does.
    """
    jobs = {**FOREIGN["jobs"], "JOB_9": {**FOREIGN["jobs"]["JOB_0"], "instruction": "Second"}}

    with pytest.raises(ConfigurationError, match=r"\['JOB_0', 'JOB_9'\]: name one with ner_job"):
        schema_from_interface({"jobs": jobs})
    assert "Second" == schema_from_interface({"jobs": jobs}, ner_job="JOB_9").guidelines


@pytest.mark.parametrize("interface", [{}, {"jobs": []}, {"jobs": {"A": 1}}, {"jobs": {}}])
def test_broken_interface_is_told(interface):
    """
    What is not an interface, or has nothing for texts, is a configuration error.
    """
    with pytest.raises(ConfigurationError):
        schema_from_interface(interface)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({}, ((), ())),
        ({"startEntities": ["ANY"], "endEntities": ["ANY"]}, ((), ())),
        ({"startEntities": ["PERSON"]}, (("Person",), ())),
        ({"startEntities": ["PERSON", "ORG_X"], "endEntities": ["ORG_X", "GONE"]}, ((), ("Organisation",))),
        ({"startEntities": ["ELSEWHERE"], "endEntities": ["PERSON"]}, None),
    ],
)
def test_ends_of_relations_are_read(ends, expected):
    """
    No list, all labels and Kili's ``ANY`` set no limit; a relation between entities of another job is left out.
    """
    relation = {"mlTask": "NAMED_ENTITIES_RELATION", "content": {"categories": {"R": {"name": "r", **ends}}}}
    schema = schema_from_interface({"jobs": {**FOREIGN["jobs"], "RELATIONS": relation}})

    assert [expected] * (expected is not None) == [(one.head, one.tail) for one in schema.relations if one.name == "r"]


@pytest.mark.parametrize("where", ["label", "classification", "text"])
def test_names_of_any_length_do_not_go_into_prompts(where):
    """
    A key of five thousand characters is refused with what it is; a long display name gives way to its key.
    """
    long = "K" * 5000
    content = {"input": "radio", "categories": {long if where == "label" else "A": {"name": "a"}}}
    task = {"label": "NAMED_ENTITIES_RECOGNITION", "classification": "CLASSIFICATION", "text": "TRANSCRIPTION"}[where]
    interface = {"jobs": {"J" if where == "label" else long: {"mlTask": task, "content": content}}}
    if where == "label":
        content["categories"]["B"] = {"name": long}

    with pytest.raises(ConfigurationError, match="a key of 5000 characters"):
        schema_from_interface(interface)


def test_child_jobs_in_a_circle_end():
    """
    A job that lists itself as its child is read to a bounded depth.
    """
    job = {"mlTask": "CLASSIFICATION", "content": {"input": "radio", "categories": {"A": {"children": ["J"]}}}}
    schema = schema_from_interface({"jobs": {"J": job}})

    assert ["J"] == [part.name for part in schema.classifications]


# -- answers ----------------------------------------------------------------------------------------------------------

percent = st.none() | st.integers(0, 100).map(lambda number: number / 100)


@st.composite
def chosen(draw, *parts):
    """Answers to some of the questions, nested ones included where their parent is chosen."""
    answers = {}
    for part in parts:
        if draw(st.booleans()):
            size = len(part.labels) if part.multi_label else 1
            names = draw(st.lists(st.sampled_from(part.label_names), max_size=size, unique=True))
            answers[part.name] = tuple(ClassLabel(label=name, confidence=draw(percent)) for name in names)
            nested = [a for label in part.labels if label.name in names for a in label.attributes]
            answers |= draw(chosen(*nested)) if nested else {}
    return answers


@st.composite
def labeled_documents(draw):
    """Labels that use every job of the full schema."""
    text = draw(strategies.texts)
    entities = []
    for _ in range(draw(st.integers(0, 5)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        label = draw(st.sampled_from(FULL.entities))
        attributes = draw(chosen(*label.attributes))
        entities.append(
            Entity(
                start=start,
                end=end,
                label=label.name,
                text=text[start:end],
                confidence=draw(percent),
                attributes=attributes,
            )
        )
    ends = st.integers(0, len(entities) - 1)
    relation = st.builds(
        Relation, head=ends, tail=ends, label=st.sampled_from(["works for", "knows"]), confidence=percent
    )
    return LabeledDocument(
        document=Document(id=draw(strategies.ids), text=text),
        entities=tuple(entities),
        relations=tuple(draw(st.lists(relation, max_size=3))) if entities else (),
        classes=draw(chosen(*FULL.classifications)),
        texts=draw(st.dictionaries(st.just("note"), strategies.texts)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(labeled_documents(), st.sampled_from(["utf16", "codepoint"]))
def test_answer_and_back_is_the_identity(one, unit):
    """
    Spans, attributes, relations, nested classes and texts come back equal, through JSON, in either unit.
    """
    ontology = bind(FULL, interface_from_schema(FULL))
    answer = json.loads(json.dumps(json_response(one, ontology, unit)))

    assert one == labeled_from_json_response(answer, one.document, ontology, unit)


def simple(text: str, *surfaces: str) -> LabeledDocument:
    entities = tuple(Entity(start=text.index(s), end=text.index(s) + len(s), label="Person", text=s) for s in surfaces)
    return LabeledDocument(document=Document(id="d", text=text), entities=entities)


ONTOLOGY = bind(FULL, interface_from_schema(FULL))
NER = "NAMED_ENTITIES_RECOGNITION_JOB"


def test_offsets_are_utf16_by_default():
    """
    A character above U+FFFF counts two, as in a browser.
    """
    answer = json_response(simple("😀 Ann", "Ann"), ONTOLOGY)[NER]["annotations"][0]

    assert (3, 6, "Ann") == (answer["beginOffset"], answer["endOffset"], answer["content"])


def test_document_without_entities_has_an_empty_list():
    """
    "Looked and saw none" is an answer of its own.
    """
    assert {"annotations": []} == json_response(simple("none"), ONTOLOGY)[NER]


def test_mids_are_stable_and_distinct():
    """
    The same labels give the same ids in every process; equal spans are told apart.
    """
    one = simple("Ann", "Ann", "Ann")
    mids = [[a["mid"] for a in json_response(one, ONTOLOGY)[NER]["annotations"]] for _ in range(2)]

    assert mids[0] == mids[1] == ["bc6f27b8c2081842c8d1", "41d4b21e3b7a3dffe135"]


def test_categories_have_no_other_keys():
    """
    Kili's parser takes name, confidence and children in a category, nothing else.
    """
    entity = simple("Ann", "Ann").entities[0].model_copy(update={"confidence": 0.126, "reason": "a name"})
    one = LabeledDocument(document=Document(id="d", text="Ann"), entities=(entity,))

    assert [{"name": "PERSON", "confidence": 13}] == json_response(one, ONTOLOGY)[NER]["annotations"][0]["categories"]


def test_wrong_unit_is_recognised():
    """
    Offsets in the other unit are not moved in silence: the error says which unit fits.
    """
    one = simple("😀 Ann", "Ann")

    with pytest.raises(SourceError, match="it does in codepoint: pass offset_unit='codepoint'"):
        labeled_from_json_response(json_response(one, ONTOLOGY, "codepoint"), one.document, ONTOLOGY)


def test_all_that_is_wrong_with_an_answer_is_told_at_once():
    """
    A span outside the text, unknown categories and a relation to nowhere are in one error; no text is quoted.
    """
    bad = [
        {"beginOffset": 90, "content": "Secret", "categories": [{"name": "PERSON"}]},
        {"beginOffset": 0, "content": "Ann", "categories": [{"name": "person"}]},
        {"beginOffset": 0, "content": "Bob", "categories": [{"name": "PERSON"}]},
        {"content": "Ann", "categories": [{"name": "PERSON"}]},
    ]
    link = {"categories": [{"name": "KNOWS"}], "startEntities": [{"mid": "x"}], "endEntities": [{"mid": "y"}]}
    answer = {NER: {"annotations": bad}, "NAMED_ENTITIES_RELATION_JOB": {"annotations": [link]}}

    with pytest.raises(SourceError) as caught:
        labeled_from_json_response(answer, Document(id="d", text="Ann"), ONTOLOGY)
    for part in ("[0]: position 90", "[1]: category 'person'", "[2]: its content", "[3]: expected", "an end is not"):
        assert part in str(caught.value)
    assert "Secret" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(strategies.json_values, st.sampled_from(["annotations", "categories", "children", None]))
def test_no_answer_breaks_the_reader(value, key):
    """
    Whatever JSON stands where an answer belongs, reading gives labels or a source error.
    """
    deep = {"annotations": [{"beginOffset": 0, "content": "A", "categories": [{"name": "PERSON"}], "children": value}]}
    for job in (NER, "NAMED_ENTITIES_RELATION_JOB", "TOPIC", "NOTE"):
        for answer in (value if key is None else {key: value}, deep):
            try:
                labeled_from_json_response({job: answer}, Document(id="d", text="A"), ONTOLOGY)
            except SourceError as error:
                assert "document 'd'" in str(error)  # noqa: PT017 - both ends are right


@settings(max_examples=60, deadline=None)
@given(strategies.json_values, st.sampled_from(["content", "categories", "instruction", "isChild"]))
def test_no_interface_breaks_the_reader(value, key):
    """
    Whatever JSON stands in an interface, reading gives a schema or a configuration error.
    """
    content = {"input": "radio", "categories": {"A": value}}
    for task in ("NAMED_ENTITIES_RECOGNITION", "CLASSIFICATION", "NAMED_ENTITIES_RELATION", "TRANSCRIPTION"):
        job = {"mlTask": task, "content": content, key: value}
        with suppress(ConfigurationError):
            assert schema_from_interface({"jobs": {"J": job}})


def test_answer_of_the_web_application_is_read():
    """
    Keys that only the application writes, other jobs, and nested answers beside the categories are understood.
    """
    answer = {
        "ANNOTATION_NAMES_JOB": {"x": "y"},
        NER: {
            "annotations": [
                {
                    "beginId": "main/[0]",
                    "endId": "main/[0]",
                    "beginOffset": 0,
                    "endOffset": 3,
                    "content": "Ann",
                    "mid": "m1",
                    "categories": [{"name": "PERSON", "confidence": 100}],
                    "children": {},
                }
            ]
        },
        "TOPIC": {"categories": [{"name": "SPORT"}], "children": {"KIND": {"categories": [{"name": "GOLF"}]}}},
    }
    found = labeled_from_json_response(answer, Document(id="d", text="Ann"), ONTOLOGY)

    assert [(0, 3, "Person", 1.0)] == [(e.start, e.end, e.label, e.confidence) for e in found.entities]
    assert {"topic": ("sport",), "kind": ("golf",)} == {k: tuple(c.label for c in v) for k, v in found.classes.items()}
