"""Comparing variants: the same numbers on every run, no winner without grounds, every loss shown."""

from __future__ import annotations

import json
import random

import pytest

from llmlabel import ClassLabel, JsonlExporter, LabelSchema, Pipeline, PromptTemplate, Relation
from llmlabel.errors import ConfigurationError
from llmlabel.testing.scripted import ScriptedLabeler
from llmlabel.types import Asking, Document, LabeledDocument
from llmlabel.workflows import Comparison, compare, compare_runs
from tests.workflows.kit import TEXT, gold, lossy, noisy

SCHEMA = LabelSchema(entities=["PER"])


def test_the_numbers_are_the_same_on_every_run():
    """
    Same runs, same comparison, also as text and after a round trip through JSON.
    """
    truth = gold(60)
    runs = {"a": noisy(truth, 0.9, 1), "b": noisy(truth, 0.8, 2)}
    found = compare_runs(truth, runs, samples=200)

    assert found == compare_runs(truth, runs, samples=200)
    assert str(found) == str(compare_runs(truth, runs, samples=200))
    assert found == Comparison.model_validate_json(found.model_dump_json())


def test_twenty_documents_have_no_winner():
    """
    However large the difference is.
    """
    truth = gold(20)
    found = compare_runs(truth, {"all": truth, "none": noisy(truth, 0.1, 1)})

    assert None is found.winner
    assert "no winner: 20 documents are too few to tell, take at least 50" == found.verdict


def test_a_tenth_of_the_entities_less_is_told_on_a_thousand_documents():
    """
    The variant that drops 10 % of the entities loses.
    """
    truth = gold(1000)
    full = noisy(truth, 0.8, 1)
    draw = random.Random(2).random
    fewer = [item.keep(lambda _: draw() >= 0.1) for item in full]
    found = compare_runs(truth, {"fewer": fewer, "full": full}, samples=300)

    assert "full" == found.winner
    assert found.variants[1].difference.interval.low > 0
    assert found.difference("full", "fewer").interval.high < 0


def test_equal_variants_are_rarely_called_different():
    """
    Of 200 resampled A/A pairs at most 7 % have a winner: each document's two answers are dealt out by chance.
    """
    truth = gold(50)
    one, two = noisy(truth, 0.8, 1), noisy(truth, 0.8, 2)
    called = 0
    for seed in range(200):
        draw = random.Random(seed)
        picked = [draw.randrange(50) for _ in range(50)]
        renamed = [_renamed((truth[n], *draw.sample([one[n], two[n]], 2)), str(k)) for k, n in enumerate(picked)]
        sides = [list(side) for side in zip(*renamed, strict=True)]
        called += compare_runs(sides[0], {"a": sides[1], "b": sides[2]}, samples=100).winner is not None

    assert called <= 14


def _renamed(items, name):
    document = Document(id=name, text=items[0].document.text)
    return [item.model_copy(update={"document": document}) for item in items]


def test_losses_and_costs_stand_beside_the_quality():
    """
    What was not labelled, not placed, not taken, and what it cost, of each variant.
    """
    truth = gold(4)
    run = noisy(truth, 1, 1)
    failed = run[1].model_copy(update={"outcome": "refused", "entities": ()})
    found = compare_runs(truth, {"a": run, "b": [lossy(run[0]), failed, *run[2:]]})
    b = found["b"]

    assert ({"refused": 1}, {"not_found": 1}, {"outvoted": 2}) == (b.unanswered, b.unplaced, b.discarded)
    assert (4, 40, 20, 2.0) == (b.usage.requests, b.usage.input_tokens, b.usage.output_tokens, b.usage.cost)
    assert "b, lost: 1 refused, 1 not_found, 2 outvoted" in str(found)
    assert "<script" not in found._repr_html_()


def test_classifications_are_compared_where_there_are_no_entities():
    """
    F1 of the chosen labels then.
    """

    def classified(label, n):
        document = Document(id=str(n), text=TEXT)
        return LabeledDocument(document=document, classes={"tone": (ClassLabel(label=label),)})

    truth = [classified("good", n) for n in range(100)]
    half = [classified("good" if n % 2 else "bad", n) for n in range(100)]
    found = compare_runs(truth, {"half": half, "full": truth}, samples=200)

    assert ("classes", 0.5, 1.0, "full") == (found.measure, found["half"].f1, found["full"].f1, found.winner)


def test_three_variants_need_one_that_beats_all():
    """
    Two equally good ones have no winner, and what can be told is told.
    """
    truth = gold(200)
    runs = {"bad": noisy(truth, 0.3, 1), "one": noisy(truth, 0.9, 2), "two": noisy(truth, 0.9, 2)}
    found = compare_runs(truth, runs, samples=200)

    assert None is found.winner
    assert "no winner over all; what can be told: one is better than bad; two is better than bad" == found.verdict


def pipeline(answers, **more):
    asking = more.pop("asking", Asking())
    return Pipeline(ScriptedLabeler(SCHEMA, answers, **more), asking=asking, progress=False)


def answer(*names, reason=None):
    extra = {} if reason is None else {"reason": reason}
    return json.dumps({"entities": [{"text": name, "label": "PER", **extra} for name in names]})


def test_pipelines_are_run_over_the_gold_documents():
    """
    Prompt, answer format and asking may differ; reasons are counted, and so is what they cost.
    """
    truth = gold(4)
    names = {str(n): ["Ann", "Bob", "Cyd", "Dan"][: 1 + n] for n in range(4)}
    plain = {id: answer(*found) for id, found in names.items()}
    because = {id: answer(*found, reason="a name") for id, found in names.items()}
    variants = {
        "plain": pipeline(plain),
        "reasons": pipeline(because, prompt=PromptTemplate(reasons=True)),
        "by_label": pipeline(
            {id: json.dumps({"PER": found}) for id, found in names.items()},
            prompt=PromptTemplate(answer_format="by_label"),
        ),
    }
    found = compare(truth, variants)

    assert [1.0, 1.0, 1.0] == [variant.f1 for variant in found.variants]
    assert [0, 10, 0] == [variant.reasons for variant in found.variants]
    assert found["reasons"].usage.output_tokens > found["plain"].usage.output_tokens
    assert found["by_label"].usage.output_tokens < found["plain"].usage.output_tokens


def test_what_would_falsify_a_comparison_is_refused(tmp_path):
    """
    One variant, an exporter that would publish, an example that gives the answer away.
    """
    truth = gold(2)
    exporting = Pipeline(ScriptedLabeler(SCHEMA, []), exporters=JsonlExporter(tmp_path / "x.jsonl"))
    with pytest.raises(ConfigurationError, match="two or more"):
        compare(truth, {"a": pipeline([])})
    with pytest.raises(ConfigurationError, match="must not publish"):
        compare(truth, {"a": pipeline([]), "b": exporting})
    with pytest.raises(ConfigurationError, match="1 of its examples are gold"):
        compare(truth, {"a": pipeline([]), "b": pipeline([], examples=truth[:1])})
    with pytest.raises(ConfigurationError, match="two different variants"):
        compare_runs(truth, {"a": truth, "b": truth}).difference("a", "a")


def test_a_formula_in_a_name_is_no_formula_in_csv():
    """
    One row per variant, quality and cost.
    """
    truth = gold(2)
    lines = compare_runs(truth, {"=A1": truth, "b": truth}, samples=10).to_csv().splitlines()

    assert ["variant", "'=A1", "b"] == [line.split(",")[0] for line in lines]
    assert {18} == {line.count(",") + 1 for line in lines}


def test_relations_are_compared_when_asked_for():
    """
    Where entities are equal, the difference is in the relations.
    """
    truth = [
        item.model_copy(update={"relations": (Relation(head=0, tail=1, label="knows"),)})
        for item in gold(240)
        if len(item.entities) > 1
    ]
    none = [item.model_copy(update={"relations": ()}) for item in truth]
    found = compare_runs(truth, {"none": none, "all": truth}, measure="relations", samples=100)

    assert ("relations", 0.0, 1.0, "all") == (found.measure, found["none"].f1, found["all"].f1, found.winner)
    assert None is compare_runs(truth, {"none": none, "all": truth}, samples=100).winner
    with pytest.raises(ConfigurationError, match="measure: expected one of"):
        compare_runs(truth, {"a": none, "b": truth}, measure="texts")


def test_packed_documents_were_not_answered_before(tmp_path):
    """
    They share one request; only answers from a journal are called old.
    """
    truth = gold(4)
    sections = [{"id": str(n), **json.loads(answer("Ann", "Bob"))} for n in range(1, 5)]
    answers = [json.dumps({"documents": sections})]
    ways = {"packed": Asking(documents_per_request=4), "again": Asking()}

    def variants():
        alone = {item.document.id: answer("Ann", "Bob") for item in truth}
        return {
            name: Pipeline(
                ScriptedLabeler(SCHEMA, answers if name == "packed" else alone),
                asking=asking,
                progress=False,
                journal=tmp_path / f"{name}.sqlite",
            )
            for name, asking in ways.items()
        }

    first, second = compare(truth, variants()), compare(truth, variants())

    assert () == first.notes
    assert "again: 4 document(s) were answered before; what they took is not in this table" in second.notes


def test_every_pair_is_told_with_its_difference():
    """
    And, where it cannot be told, with what it would take.
    """
    truth = gold(60)
    facts = list(compare_runs(truth, {"a": noisy(truth, 0.8, 1), "b": noisy(truth, 0.8, 2)}, samples=100).facts())

    assert facts[1].startswith("b against a: ")
    assert "60 documents are too few to tell it from chance" in facts[1]
