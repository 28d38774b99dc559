"""Values: frozen, validated, exact in JSON and pickle, and the laws that hold for them."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmlabel.types import (
    NO_USAGE,
    Asking,
    ClassLabel,
    Completion,
    Document,
    Entity,
    Failure,
    LabeledDocument,
    Limits,
    Placement,
    Rejected,
    Relation,
    TokenLogprob,
    Usage,
    explain,
)
from tests.strategies import labeled_documents, prompts, texts, usages, values

ANN = {"start": 0, "end": 3, "label": "PER", "text": "Ann"}
DOCUMENT = Document(id="a", text="Ann met Bob.")


@given(values)
def test_every_value_reads_back_from_json(value):
    """
    Writing a value as JSON and reading it gives an equal value.
    """
    assert value == type(value).model_validate_json(value.model_dump_json())


@given(values)
def test_every_value_pickles(value):
    """
    A value survives the way to a worker process.
    """
    assert value == pickle.loads(pickle.dumps(value))


@given(values)
def test_every_value_is_frozen(value):
    """
    No field of a value can be set.
    """
    name = next(iter(type(value).model_fields))

    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, getattr(value, name))


@given(values)
def test_unknown_fields_are_refused(value):
    """
    A misspelt field is an error, not silence.
    """
    with pytest.raises(ValidationError, match="nosuch"):
        type(value).model_validate({**value.model_dump(), "nosuch": 1})


@given(labeled_documents)
def test_entities_are_slices_of_the_text(labeled):
    """
    Every entity that exists stands where it says.
    """
    assert [e.text for e in labeled.entities] == [labeled.document.text[e.start : e.end] for e in labeled.entities]


@given(labeled_documents.filter(lambda d: d.entities), st.integers(-3, 3).filter(bool))
def test_a_shifted_entity_is_refused(labeled, shift):
    """
    An entity whose text is not the slice at its offsets cannot be in a document.
    """
    entity = labeled.entities[0]
    start, end = entity.start + shift, entity.end + shift
    text = labeled.document.text
    if start < 0 or text[start:end] == entity.text:
        return

    with pytest.raises(ValidationError, match=r"entities\[0\]"):
        LabeledDocument(
            document=labeled.document, entities=(Entity(start=start, end=end, label="x", text=entity.text),)
        )


@given(labeled_documents, st.sets(st.integers(0, 4)))
def test_keep_reindexes_relations(labeled, dropped):
    """
    After ``keep`` a relation links the same two entities, and goes where one of them goes.
    """
    gone = {id(e) for number, e in enumerate(labeled.entities) if number in dropped}

    kept = labeled.keep(lambda e: id(e) not in gone)

    expected = [
        (id(labeled.entities[r.head]), id(labeled.entities[r.tail]), r.label)
        for r in labeled.relations
        if not {id(labeled.entities[r.head]), id(labeled.entities[r.tail])} & gone
    ]
    assert [id(e) for e in labeled.entities if id(e) not in gone] == [id(e) for e in kept.entities]
    assert expected == [(id(kept.entities[r.head]), id(kept.entities[r.tail]), r.label) for r in kept.relations]
    assert kept == type(kept).model_validate_json(kept.model_dump_json())


@given(usages, usages, usages)
def test_usage_adds_in_any_grouping(a, b, c):
    """
    Addition of usage is associative.
    """
    assert (a + b) + c == a + (b + c)


@given(usages, usages)
def test_usage_adds_in_any_order(a, b):
    """
    Addition of usage is commutative.
    """
    assert a + b == b + a


@given(usages)
def test_no_usage_is_the_identity(usage):
    """
    Adding nothing changes nothing, and ``sum`` works.
    """
    assert usage == usage + NO_USAGE == NO_USAGE + usage == sum([usage])


@given(usages.filter(lambda u: u != NO_USAGE), usages.filter(lambda u: u != NO_USAGE))
def test_cost_is_unknown_if_any_part_is(a, b):
    """
    A sum has a cost only if both parts have one.
    """
    assert (a.cost is None or b.cost is None) == ((a + b).cost is None)


def test_usage_adds_to_zero_only():
    """
    ``sum`` may start from 0; any other number is an error.
    """
    with pytest.raises(TypeError):
        5 + Usage(requests=1)


@given(prompts, texts)
def test_reply_continues_the_conversation(prompt, problem):
    """
    Asking again keeps the messages, adds the answer and the problem, and changes nothing else.
    """
    again = prompt.reply(Completion(text="answer"), problem)

    assert prompt.messages == again.messages[:-2]
    assert ("assistant", "answer") == (again.messages[-2].role, again.messages[-2].content)
    assert problem in again.messages[-1].content
    assert prompt == again.model_copy(update={"messages": prompt.messages})


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Document(id="", text="x"), "id"),
        (lambda: Document(id="a\ud800", text="x"), "id"),
        (lambda: Document(id="a", text="x\udfff"), "text"),
        (lambda: Document(id="a", text=5), "text"),
        (lambda: Document(id="a", text="x", metadata={"k": ["\ud800"]}), "metadata"),
        (lambda: Document(id="a", text="x", metadata={"k": float("nan")}), "metadata"),
        (lambda: Document(id="a", text="x", metadata={"k": {1: 2}}), "metadata"),
        (lambda: Document(id="a", text="x", metadata={"k": object()}), "metadata"),
        (lambda: ClassLabel(label="x", confidence=1.1), "confidence"),
        (lambda: ClassLabel(label="x", confidence=float("nan")), "confidence"),
        (lambda: Entity(**{**ANN, "start": -1}), "start"),
        (lambda: Entity(**{**ANN, "end": 4}), "span"),
        (lambda: Entity(start=3, end=3, label="PER", text=""), "span"),
        (lambda: Relation(head=-1, tail=0, label="r"), "head"),
        (lambda: LabeledDocument(document=DOCUMENT, relations=(Relation(head=0, tail=0, label="r"),)), "relations[0]"),
        (lambda: Placement(mention={"text": "a", "label": "b"}, status="exact"), "status"),
        (lambda: Placement(mention={"text": "a", "label": "b"}, status="not_found", start=1), "status"),
        (lambda: Placement(mention={"text": "a", "label": "b"}, status="exact", start=3, end=3), "start < end"),
        (lambda: Usage(input_tokens=-1), "input_tokens"),
        (lambda: Usage(cost=float("inf")), "cost"),
        (lambda: Limits(max_concurrency=0), "max_concurrency"),
        (lambda: Limits(request_timeout=0), "request_timeout"),
        (lambda: Asking(samples=0), "samples"),
    ],
)
def test_bad_values_name_the_field(make, field):
    """
    Each wrong argument is refused, and the message says which field it is.
    """
    with pytest.raises(ValidationError) as caught:
        make()

    assert field in explain(caught.value)


def test_errors_do_not_repeat_texts():
    """
    What was given, a document's text say, stands neither in the error nor in its short form.
    """
    with pytest.raises(ValidationError) as caught:
        Document(id="a", text=["a secret text"])

    assert "secret" not in str(caught.value) + explain(caught.value)


def test_an_ungrounded_entity_does_not_reach_the_message():
    """
    The message about an ungrounded entity names the document and the place, not the text.
    """
    with pytest.raises(ValidationError) as caught:
        LabeledDocument(document=DOCUMENT, entities=(Entity(start=0, end=3, label="PER", text="Eve"),))

    assert "'a'" in str(caught.value)
    assert "Eve" not in str(caught.value)
    assert "Ann" not in str(caught.value)


def test_newlines_are_kept():
    """
    CRLF counts two, and no text is normalised.
    """
    assert 5 == len(Document(id="a", text="a\r\ne\u0301").text)


@given(labeled_documents)
def test_a_document_shows_itself_in_a_notebook(labeled):
    """
    Any labelled document renders, its text escaped.
    """
    assert "<script" not in labeled._repr_html_().replace("<style", "")


@pytest.mark.parametrize(
    "value",
    [
        Completion(text="\ud83d\ude00 \ud800"),
        TokenLogprob(token="\udc00", logprob=-1.0),
        Failure(type="ServiceError", message="\ud800"),
        Rejected(index=0, id="\ud800", reason="\ud800"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_others_said_is_made_writable(value):
    """
    A lone surrogate in an answer, in a vendor's error or in a rejected id keeps no value out of journal and files.
    """
    assert value == type(value).model_validate_json(value.model_dump_json())
    assert "\ufffd" in value.model_dump_json()


def test_a_language_can_be_written():
    """
    A language with a lone surrogate is refused like an id or a text.
    """
    with pytest.raises(ValidationError, match="lone surrogate"):
        Document(id="a", text="x", language="\ud800")
