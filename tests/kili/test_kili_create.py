"""Making a project: the same call again, also after a lost answer, finds the one that was made."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("kili")

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.schema import LabelSchema
from tests.kili.conftest import SCHEMA


def create(kili, title, schema=SCHEMA, **options):
    return create_kili_project(
        title, schema=schema, api_key=kili.stub.api_key, api_endpoint=kili.stub.endpoint, **options
    )


@pytest.mark.parametrize("title", ["mine", "50% of a_b", "back\\slash \\", "Émile's"])
def test_the_same_call_again_gives_the_same_project(kili, title):
    """Nothing is created for a title and an ontology that are there, whatever the title means in a search."""
    first = create(kili, title)
    before = len(kili.stub.operations())

    assert first == create(kili, title)
    assert [] == kili.mutations(before)


def test_another_title_or_ontology_is_another_project(kili):
    """A project is taken only if both are the same, to the letter and the key."""
    others = (LabelSchema(entities=("Person",)), LabelSchema(entities=("PERSON", "Place")))
    made = [create(kili, "mine", schema) for schema in (SCHEMA, *others)]
    made += [create(kili, "Mine"), create(kili, "mine", reuse=False)]

    assert 5 == len(set(made))


def test_other_guidelines_do_not_make_another_project(kili):
    """What people are told may change while they work."""
    told = SCHEMA.model_copy(update={"guidelines": "Only full names."})

    assert create(kili, "mine") == create(kili, "mine", told)


def test_two_projects_alike_are_never_guessed_at(kili):
    """Where the title says too little, the error names both ids."""
    made = [create(kili, "mine", reuse=False) for _ in range(2)]
    with pytest.raises(ConfigurationError) as caught:
        create(kili, "mine")

    assert [True, True] == [name in str(caught.value) for name in made]


@pytest.mark.parametrize("rule", [{"status": 504}, {"drop": True}], ids=["504", "no answer"])
def test_a_lost_answer_makes_no_second_project(kili, rule):
    """The project whose answer was lost is found."""
    kili.stub.fail("createProject", apply=True, **rule)
    made = create(kili, "mine")

    assert [made] == [one["id"] for one in kili.stub.state.projects.values() if one["title"] == "mine"]


def test_a_project_that_was_not_made_is_an_error(kili):
    """Nothing was created, and the error says what to think of it."""
    kili.stub.fail("createProject", status=504)
    with pytest.raises(ExportError, match=r'project "mine".*may have been applied'):
        create(kili, "mine")


def test_ontology_of_a_new_project_is_the_schema(kili):
    """Keys, colours, ``isChild`` and ``required`` are all there."""
    made = kili.stub.state.projects[create(kili, "mine")]
    (job,) = json.loads(made["jsonInterface"])["jobs"].values()

    assert (False, 0, {"PERSON", "PLACE"}) == (job["isChild"], job["required"], set(job["content"]["categories"]))
    assert all(one["color"].startswith("#") for one in job["content"]["categories"].values())
