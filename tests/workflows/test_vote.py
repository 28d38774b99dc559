"""Several pipelines over the same documents, voted on."""

from __future__ import annotations

import json

import pytest

from llmlabel import Document, JsonlExporter, LabelSchema, Pipeline
from llmlabel.errors import ConfigurationError, ServiceError
from llmlabel.testing.scripted import ScriptedLabeler
from llmlabel.workflows import vote_of

SCHEMA = LabelSchema(entities=["PER"])
DOCUMENT = Document(id="a", text="Ann met Bob.")


def model(*names, name="m", **more):
    answer = json.dumps({"entities": [{"text": one, "label": "PER"} for one in names]})
    return Pipeline(ScriptedLabeler(SCHEMA, lambda _: answer, model=name), progress=False, **more)


def test_models_are_asked_and_voted_on():
    """
    What two of three have stays, with its share; usage adds up, and all models are named.
    """
    models = [model("Ann", "Bob", name="x"), model("Ann", name="y"), model("Ann", "Bob", name="z")]
    [found] = vote_of([DOCUMENT], models)

    assert [("Ann", 1.0), ("Bob", 2 / 3)] == [(e.text, e.confidence) for e in found.entities]
    assert (3, "x + y + z") == (found.usage.requests, found.model)


def test_a_model_that_fails_does_not_vote():
    """
    The others decide.
    """
    down = Pipeline(ScriptedLabeler(SCHEMA, lambda _: ServiceError("down")), progress=False)
    [found] = vote_of([DOCUMENT], [model("Ann"), down])

    assert [("Ann", 1.0)] == [(e.text, e.confidence) for e in found.entities]


def test_wrong_arguments_are_told_before_anything_is_asked(tmp_path):
    """
    One pipeline is no vote, an exporter would publish a single one, a threshold has bounds.
    """
    asked = model("Ann")
    with pytest.raises(ConfigurationError, match="two or more"):
        vote_of([DOCUMENT], [asked])
    with pytest.raises(ConfigurationError, match="exporters"):
        vote_of([DOCUMENT], [asked, model(exporters=JsonlExporter(tmp_path / "x.jsonl"))])
    with pytest.raises(ConfigurationError, match="threshold"):
        vote_of([DOCUMENT], [asked, asked], threshold=2)

    assert [] == asked.labeler.prompts
