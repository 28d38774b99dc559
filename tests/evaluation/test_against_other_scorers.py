"""Equality with seqeval, nervaluate and scikit-learn on real data, and where we differ on purpose.

spaCy's Scorer has a module of its own.

Where we differ, and why:

- nervaluate takes ends as inclusive; half-open spans that only touch overlap there. Here they do not.
- nervaluate pairs greedily, in input order, and its maintainers call overlapping predictions unsupported. Here the
  largest possible pairing is taken, so that nothing depends on the order.
- nervaluate leaves out predictions whose label is not in its list of tags. Here they are false positives.
- seqeval and scikit-learn give 0 where a ratio is undefined. Here it is None.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, LabelSchema
from llmlabel.evaluation import agreement, cohen_kappa, evaluate, krippendorff_alpha, token_table
from llmlabel.evaluation.matching import Span
from llmlabel.evaluation.spans import compare_spans
from llmlabel.sources import labeled_tokens, read_conll

SOURCES = ["noise_expert", "noise_crowdbest", "noise_crowd", "noise_distant", "noise_weak", "noise_llm"]


def approximately(value):
    return pytest.approx(value, abs=1e-12)


@pytest.fixture(scope="module")
def noise(shared):
    """Tags of 1,000 sentences: clean ones, and those of six real noisy annotators."""
    lines = (shared / "data/ner/noisebench/tags.sent0000-0999.tsv").read_text("utf-8").split("\n")
    names, columns, sentence = lines[0].split("\t"), {}, []
    for line in [*lines[1:], ""]:
        if line:
            sentence.append(line.split("\t"))
        elif sentence:
            for name, tags in zip(names, zip(*sentence, strict=True), strict=True):
                columns.setdefault(name, []).append(list(tags))
            sentence = []
    return columns


def documents(sentences):
    """Tags with made-up words as labelled documents."""
    return [
        labeled_tokens([f"w{n}" for n in range(len(tags))], tags, id=str(number))
        for number, tags in enumerate(sentences)
    ]


def perturbed(document, rng):
    """The document with entities dropped, relabelled, cut and invented, without overlaps."""
    text = document.document.text
    kept = []
    for e in document.entities:
        kind = rng.random()
        if kind < 0.1:
            continue
        if kind < 0.25:
            e = e.model_copy(update={"label": rng.choice(["person", "product", "location"])})
        if 0.2 < kind < 0.4 and " " in e.text:
            cut = e.text.index(" ")
            e = e.model_copy(update={"end": e.start + cut, "text": e.text[:cut]})
        kept.append(e)
    free = text.find(" ") + 1
    if rng.random() < 0.2 and free and all(e.start >= free for e in document.entities):
        kept.append(Entity(start=0, end=free - 1, label="group", text=text[: free - 1]))
    return document.model_copy(update={"entities": tuple(kept)})


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_entity_scores_equal_seqeval(noise, source):
    """
    On six real noisy annotations, exact scores equal those of seqeval: micro, macro, weighted, each label.
    """
    metrics = pytest.importorskip("seqeval.metrics")
    clean, noisy = noise["clean"], noise[source]

    found = evaluate(documents(clean), documents(noisy), samples=0)

    report = metrics.classification_report(clean, noisy, output_dict=True, zero_division=0)
    for label, score in found.by_label.items():
        expected = report[label]
        assert approximately(expected["f1-score"]) == score.f1
        assert approximately(expected["precision"]) == (score.precision or 0.0)
        assert approximately(expected["recall"]) == (score.recall or 0.0)
        assert expected["support"] == score.support
    assert approximately(report["micro avg"]["f1-score"]) == found.exact.f1
    assert approximately(report["macro avg"]["f1-score"]) == found.macro_f1
    assert approximately(report["weighted avg"]["f1-score"]) == found.weighted_f1


def test_tokens_look_better_than_entities(noise):
    """
    Real LLM labels against clean ones: token accuracy and kappa are lifted by O, the entity score is not.
    """
    clean, noisy = noise["clean"], noise["noise_llm"]
    pairs = [pair for a, b in zip(clean, noisy, strict=True) for pair in zip(a, b, strict=True)]
    marked = [pair for pair in pairs if pair != ("O", "O")]

    figures = [
        evaluate(documents(clean), documents(noisy), samples=0).exact.f1,
        cohen_kappa(marked),
        cohen_kappa(pairs),
        sum(a == b for a, b in pairs) / len(pairs),
    ]

    assert [0.49, 0.31, 0.57, 0.85] == [round(figure, 2) for figure in figures]


def test_span_measures_equal_nervaluate(shared):
    """
    Without overlaps, on 1,009 real sentences: strict, boundaries, type and partial of nervaluate equal ours.
    """
    nervaluate = pytest.importorskip("nervaluate")
    gold = list(read_conll(shared / "data/ner/wnut17/dev.conll"))
    rng = random.Random(5)
    guess = [perturbed(document, rng) for document in gold]

    def inclusive(items):
        return [
            [{"label": e.label, "start": e.start, "end": e.end - 1} for e in sorted(d.entities, key=lambda e: e.start)]
            for d in items
        ]

    tags = sorted({e.label for d in (*gold, *guess) for e in d.entities})
    overall = nervaluate.Evaluator(inclusive(gold), inclusive(guess), tags=tags, loader="dict").evaluate()["overall"]
    found = evaluate(gold, guess, samples=0)

    assert (overall["strict"].correct, overall["strict"].actual, overall["strict"].possible) == (
        found.exact.tp,
        found.exact.predicted,
        found.exact.support,
    )
    assert approximately(overall["strict"].f1) == found.exact.f1
    assert approximately(overall["exact"].f1) == found.boundaries.f1
    assert (overall["partial"].correct, overall["partial"].partial) == (found.partial.correct, found.partial.partial)
    assert approximately(overall["partial"].f1) == found.partial.f1
    assert overall["ent_type"].correct == found.overlap.tp
    assert (overall["strict"].missed, overall["strict"].spurious) == (found.errors.missed, found.errors.spurious)
    assert min(found.errors.model_dump().values()) > 0


def test_where_nervaluate_differs():
    """
    Overlapping predictions: there the order decides, here the right one counts in any order.
    """
    nervaluate = pytest.importorskip("nervaluate")
    gold = [[{"label": "A", "start": 0, "end": 12}]]
    guesses = [{"label": "A", "start": 0, "end": 7}, {"label": "A", "start": 0, "end": 12}]

    theirs = {
        nervaluate.Evaluator(gold, [order], tags=["A"]).evaluate()["overall"]["strict"].correct
        for order in (guesses, guesses[::-1])
    }
    ours = compare_spans(frozenset({Span(0, 13, "A")}), frozenset({Span(0, 8, "A"), Span(0, 13, "A")}))

    assert {0, 1} == theirs
    assert (1, 1, 0) == (ours.exact.tp, ours.exact.fp, ours.exact.fn)


@pytest.mark.slow
def test_single_label_classification_equals_scikit_learn(shared):
    """
    On 924 real texts with 77 intents: accuracy, each label, macro, confusion; an abstention is wrong.
    """
    metrics = pytest.importorskip("sklearn.metrics")
    rows = [
        json.loads(line) for line in (shared / "data/textcat/banking77/sample.jsonl").read_text("utf-8").splitlines()
    ]
    intents = sorted({row["label"] for row in rows})
    rng = random.Random(3)
    answers = [rng.choice([row["label"], row["label"], rng.choice(intents), None]) for row in rows]
    found = evaluate(
        [classified(row["text"], n, [row["label"]]) for n, row in enumerate(rows)],
        [
            classified(row["text"], n, answer and [answer])
            for n, (row, answer) in enumerate(zip(rows, answers, strict=True))
        ],
        schema=LabelSchema(classifications={"intent": intents}),
        samples=0,
    ).classes["intent"]

    truth, said = [row["label"] for row in rows], [answer or "(none)" for answer in answers]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, said, labels=intents, zero_division=0
    )

    assert approximately(metrics.accuracy_score(truth, said)) == found.accuracy
    assert list(map(approximately, f1)) == [found.by_label[label].f1 for label in intents]
    assert list(map(approximately, precision)) == [found.by_label[label].precision or 0.0 for label in intents]
    assert list(map(approximately, recall)) == [found.by_label[label].recall for label in intents]
    assert list(support) == [found.by_label[label].support for label in intents]
    assert approximately(f1.mean()) == found.macro_f1
    matrix = metrics.confusion_matrix(truth, said, labels=[*intents, "(none)"])
    for cell in found.confusion:
        column = -1 if cell.predicted is None else intents.index(cell.predicted)
        assert matrix[intents.index(cell.gold)][column] == cell.count
    assert len(rows) == sum(cell.count for cell in found.confusion)
    assert answers.count(None) == found.abstained
    assert approximately(1 - answers.count(None) / len(rows)) == found.coverage


def classified(text, number, labels):
    document = Document(id=str(number), text=text)
    classes = {} if labels is None else {"intent": tuple(ClassLabel(label=label) for label in labels)}
    return LabeledDocument(document=document, classes=classes)


@pytest.mark.slow
def test_multi_label_classification_equals_scikit_learn(shared):
    """
    On 311 real texts with several intents: subset accuracy, micro, macro, per-document F1 and Jaccard.
    """
    metrics = pytest.importorskip("sklearn.metrics")
    binarizer = pytest.importorskip("sklearn.preprocessing").MultiLabelBinarizer
    path = shared / "data/textcat/nlupp/banking_folds0-2.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    names = sorted({label for row in rows for label in row["labels"]})
    rng = random.Random(4)
    answers = [
        sorted({*(x for x in row["labels"] if rng.random() < 0.8), *rng.sample(names, rng.randrange(2))})
        for row in rows
    ]
    found = evaluate(
        [classified(row["text"], n, row["labels"]) for n, row in enumerate(rows)],
        [classified(row["text"], n, answer) for n, (row, answer) in enumerate(zip(rows, answers, strict=True))],
        samples=0,
    ).classes["intent"]

    encoder = binarizer(classes=names)
    truth, said = encoder.fit_transform([row["labels"] for row in rows]), encoder.fit_transform(answers)
    some = [bool(row["labels"] or answer) for row, answer in zip(rows, answers, strict=True)]

    assert found.multi_label
    assert approximately(metrics.accuracy_score(truth, said)) == found.accuracy
    assert approximately(metrics.f1_score(truth, said, average="micro")) == found.micro.f1
    assert approximately(metrics.f1_score(truth, said, average="macro")) == found.macro_f1
    assert approximately(metrics.f1_score(truth[some], said[some], average="samples")) == found.sample_f1
    assert approximately(metrics.jaccard_score(truth[some], said[some], average="samples")) == found.jaccard


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_kappa_equals_scikit_learn(noise, source):
    """
    Cohen's kappa on the token tags of real annotators.
    """
    metrics = pytest.importorskip("sklearn.metrics")
    clean = [tag for tags in noise["clean"] for tag in tags]
    noisy = [tag for tags in noise[source] for tag in tags]

    assert approximately(metrics.cohen_kappa_score(clean, noisy)) == cohen_kappa(list(zip(clean, noisy, strict=True)))


@pytest.mark.slow
def test_the_token_table_equals_scikit_learn(noise):
    """
    Each tag's score equals scikit-learn's; the mean is without O.
    """
    metrics = pytest.importorskip("sklearn.metrics")
    gold, guess = documents(noise["clean"]), documents(noise["noise_llm"])
    truth = [tag for tags in noise["clean"] for tag in tags]
    said = [tag for tags in noise["noise_llm"] for tag in tags]

    table = token_table(gold, guess)

    tags = list(table.by_tag)
    _, _, f1, support = metrics.precision_recall_fscore_support(truth, said, labels=tags, zero_division=0)
    assert list(support) == [table.by_tag[tag].support for tag in tags]
    assert list(map(approximately, f1)) == [table.by_tag[tag].f1 for tag in tags]
    marked = [tag for tag in tags if tag != "O"]
    assert approximately(metrics.f1_score(truth, said, labels=marked, average="micro")) == table.all.f1
    assert "O" == tags[-1]


def test_alpha_of_the_textbook():
    """
    Krippendorff's example with gaps: nominal 0.691, interval 0.811.
    """
    pytest.importorskip("krippendorff")
    one = ["*", "*", "*", "*", "*", "3", "4", "1", "2", "1", "1", "3", "3", "*", "3"]
    two = ["1", "*", "2", "1", "3", "3", "4", "3", "*", "*", "*", "*", "*", "*", "*"]
    three = ["*", "*", "2", "1", "3", "4", "4", "*", "2", "1", "1", "3", "3", "*", "4"]
    ratings = [{str(n): v for n, v in enumerate(values) if v != "*"} for values in (one, two, three)]

    assert 0.691 == round(krippendorff_alpha(ratings), 3)
    assert 0.811 == round(krippendorff_alpha(ratings, "interval"), 3)


def test_agreement_of_real_crowd_workers(shared):
    """
    Two workers on 250 tweets: the F1 is the same whoever is gold.
    """
    path = shared / "data/ner/btc/crowd_judgments.first250.jsonl"
    one, two = [], []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        judged = row["judgments"]["per"]
        for side, marks in zip((one, two), judged, strict=False):
            tags = ["I-PER" if n in marks["token_index"] else "O" for n in range(len(row["tokens"]))]
            side.append(labeled_tokens(row["tokens"], tags, id=row["tweet_id"], how="space"))

    found, swapped = agreement(one, two), agreement(two, one)

    assert found.documents > 200
    assert 0 < found.spans.f1 < 1
    assert (found.spans.f1, found.token_kappa) == (swapped.spans.f1, approximately(swapped.token_kappa))
    assert found.token_kappa_marked < found.token_kappa


def test_relations_of_real_sentences(shared):
    """
    On 200 real sentences with one relation each: a wrong direction, label or end is a miss and a false positive.
    """
    lines = (shared / "data/relation/fewrel/val_wiki.8rels_x25.jsonl").read_text("utf-8").splitlines()
    gold, guess = [], []
    for number, row in enumerate(map(json.loads, lines)):
        tags = ["O"] * len(row["tokens"])
        for side in ("head", "tail"):
            first, *rest = row[side]["token_index"][0]
            tags[first] = f"B-{side}"
            for token in rest:
                tags[token] = f"I-{side}"
        document = labeled_tokens(row["tokens"], tags, id=row["id"], how="space")
        ends = {e.label: n for n, e in enumerate(document.entities)}
        link = {"head": ends["head"], "tail": ends["tail"], "label": row["relation"]}
        wrong = [link, {**link, "head": link["tail"], "tail": link["head"]}, {**link, "label": "other"}, None][
            number % 4
        ]
        gold.append(LabeledDocument(**{**dict(document), "relations": (link,)}))
        guess.append(LabeledDocument(**{**dict(document), "relations": (wrong,) if wrong else ()}))

    found = evaluate(gold, guess, samples=0)

    assert (50, 100, 150) == (found.relation.tp, found.relation.fp, found.relation.fn)
    assert 50 == found.relations["other"].fp
    assert (1.0, 50) == (found.exact.f1, found.review.untouched)


OTHERS = {
    "seqeval": r"micro avg +0\.50 +0\.50 +0\.50",
    "nervaluate": r"^0\.5 0\.5$",
    "spacy": r"^0\.5 0\.5$",
    "sklearn": r"good +1\.00 +0\.50 +0\.67[^$]*^0\.6666",
    "krippendorff": r"^spans \(F1\) +0\.500",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tool", OTHERS)
def test_the_page_shows_how_others_are_called(tool, capsys):
    """
    Each adapter of the documentation runs as it stands there, and its figures are ours.
    """
    pytest.importorskip(tool)
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text("utf-8")
    blocks = re.findall(r"^(<!-- not run: [^\n]+\n)?```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    namespace = {}
    exec(next(code for skipped, code in blocks if not skipped), namespace)
    [adapter] = [code for skipped, code in blocks if skipped and re.search(rf"(import|from) {tool}\b|{tool}_", code)]
    capsys.readouterr()
    exec(adapter, namespace)

    assert re.search(OTHERS[tool], capsys.readouterr().out, re.MULTILINE)
