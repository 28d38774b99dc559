"""Equality with spaCy's Scorer on real data: flat and nested entities, classifications, and where we differ on purpose.

Where we differ, and why: spaCy gives 0 where a ratio is undefined. Here it is None. Its Scorer leaves a document whose
entities are missing out; here a document that was not labelled has missed all of them.
"""

from __future__ import annotations

import json
import random

import pytest

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, LabelSchema, Prediction
from llmlabel.evaluation import evaluate
from llmlabel.sources import read_conll
from tests.evaluation.test_against_other_scorers import SOURCES, approximately, perturbed
from tests.quality.kit import noisebench

# spaCy's own modules warn when they are imported on newer Pythons.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def scored():
    """Score gold and predicted documents with spaCy; every character is a token, so that every span can be said."""
    spacy = pytest.importorskip("spacy")
    from spacy.scorer import Scorer
    from spacy.tokens import Doc
    from spacy.training import Example

    vocab = spacy.blank("xx").vocab

    def doc(item):
        text = item.document.text
        made = Doc(vocab, words=list(text), spaces=[False] * len(text))
        made.spans["entities"] = [made.char_span(e.start, e.end, e.label) for e in item.entities]
        made.cats = {chosen.label: 1.0 for chosen in item.classes.get("intent", ())}
        return made

    def score(gold, predicted, **cats):
        examples = [Example(doc(guess), doc(item)) for item, guess in zip(gold, predicted, strict=True)]
        if cats:
            return Scorer.score_cats(examples, "cats", **cats)
        return Scorer.score_spans(
            examples,
            "entities",
            getter=lambda made, name: made.spans[name],
            has_annotation=lambda made: True,
            allow_overlap=True,
        )

    return score


def same(theirs, ours):
    """Whether spaCy's figures are ours, label by label; 0 there is undefined here."""
    for label, score in ours.by_label.items():
        expected = theirs["entities_per_type"][label]
        assert approximately(expected["p"]) == (score.precision or 0.0)
        assert approximately(expected["r"]) == (score.recall or 0.0)
        assert approximately(expected["f"]) == (score.f1 or 0.0)
    assert approximately(theirs["entities_p"]) == ours.exact.precision
    assert approximately(theirs["entities_r"]) == ours.exact.recall
    assert approximately(theirs["entities_f"]) == ours.exact.f1


@pytest.mark.parametrize("source", SOURCES)
def test_entity_scores_equal_spacy(shared, scored, source):
    """
    On six real noisy annotations of 1,000 sentences.
    """
    runs = noisebench(shared)

    same(scored(runs["clean"], runs[source]), evaluate(runs["clean"], runs[source], samples=0))


def test_entity_scores_of_real_tweets_equal_spacy(shared, scored):
    """
    On 1,009 real texts with emoji, with entities dropped, cut, relabelled and invented.
    """
    gold = list(read_conll(shared / "data/ner/wnut17/dev.conll"))
    rng = random.Random(5)
    guess = [perturbed(document, rng) for document in gold]

    same(scored(gold, guess), evaluate(gold, guess, samples=0))


def test_nested_entities_equal_spacy(shared, scored):
    """
    On real Thai documents with nested and overlapping entities, a fifth of them dropped, a fifth relabelled.
    """
    rng = random.Random(6)
    gold, guess = [], []
    for line in (shared / "data/ner/th_nested/thai_nner.sample_dev.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        spans = {(s["start"], s["end"], s["label"]) for s in row["spans"]}
        kept = {
            (s, e, "person" if rng.random() < 0.2 else label) for s, e, label in sorted(spans) if rng.random() > 0.2
        }
        document = Document(id=row["id"], text=row["text"])
        for side, chosen in ((gold, spans), (guess, kept)):
            entities = tuple(
                Entity(start=s, end=e, label=label, text=document.text[s:e]) for s, e, label in sorted(chosen)
            )
            side.append(LabeledDocument(document=document, entities=entities))

    found = evaluate(gold, guess, samples=0)

    assert found.exact.support > 1000
    same(scored(gold, guess), found)


def test_classification_equals_spacy(shared, scored):
    """
    On 924 real texts with 77 intents: micro and macro F1, and each label.
    """
    rows = [
        json.loads(line) for line in (shared / "data/textcat/banking77/sample.jsonl").read_text("utf-8").splitlines()
    ]
    intents = sorted({row["label"] for row in rows})
    rng = random.Random(3)

    def classified(number, label):
        chosen = {"intent": (ClassLabel(label=label),)}
        return LabeledDocument(document=Document(id=str(number), text=rows[number]["text"]), classes=chosen)

    gold = [classified(n, row["label"]) for n, row in enumerate(rows)]
    guess = [classified(n, rng.choice([row["label"], row["label"], rng.choice(intents)])) for n, row in enumerate(rows)]
    theirs = scored(gold, guess, labels=intents, multi_label=False)
    schema = LabelSchema(classifications={"intent": intents})
    ours = evaluate(gold, guess, schema=schema, samples=0).classes["intent"]

    assert approximately(theirs["cats_micro_f"]) == ours.micro.f1 == ours.accuracy
    assert approximately(theirs["cats_macro_f"]) == ours.macro_f1
    for label in intents:
        assert approximately(theirs["cats_f_per_type"][label]["f"]) == ours.by_label[label].f1


def test_where_spacy_differs(scored):
    """
    Nothing predicted: a precision of 0 there, undefined here. A failed document has missed its entities here.
    """
    document = Document(id="a", text="Ann")
    gold = [LabeledDocument(document=document, entities=(Entity(start=0, end=3, label="PER", text="Ann"),))]

    found = evaluate(gold, [Prediction(document=document, outcome="failed")], samples=0)

    assert (0.0, None) == (scored(gold, [LabeledDocument(document=document)])["entities_p"], found.exact.precision)
    assert (0.0, {"failed": 1}) == (found.exact.recall, found.counts.unanswered)
