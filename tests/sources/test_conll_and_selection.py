"""CoNLL-like files and tags, Hugging Face datasets, and the choice of documents."""

from __future__ import annotations

from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import ConfigurationError, Document, LabeledDocument, Rejected, SourceError
from llmlabel.sources import count_tokens, detokenize, read_conll, read_dataset, select, spans_of_tags

REAL = [
    ("wnut17/train.conll", 1, 3394, 1975),
    ("wnut17/dev.conll", 1, 1009, 836),
    ("wikigold/wikigold.first_half.conll", 1, 948, 1926),
    ("sec_filings/FIN3.conll", 3, 303, 318),
    ("btc/a.conll", 1, 1000, 521),
    ("btc/e.conll", 1, 200, 325),
    ("uner_en_pud/en_pud.first400.iob2", 2, 400, 309),
    ("uner_zh_gsdsimp/zh_gsdsimp-ud-dev.iob2", 2, 500, 753),
    ("ko_klue/klue-ner-dev.first300.tsv", 1, 300, 882),
]


def written(path, content):
    path.write_bytes(content.encode())
    return path


def tags_of(path, column):
    """The tags of a file, sentence by sentence, read as simply as can be."""
    sentences = [[]]
    for line in path.read_text("utf-8").split("\n"):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or line.startswith("-DOCSTART-"):
            sentences.append([])
        elif not line.startswith(("# ", "##")) or cells[-1] == "O":
            sentences[-1].append(cells[column])
    return [tags for tags in sentences if tags]


@pytest.mark.parametrize(("name", "column", "sentences", "entities"), REAL)
def test_real_files_read_without_loss(shared, name, column, sentences, entities):
    """
    Every sentence comes, none is rejected, and entities are as many as an independent count says.
    """
    path = shared / "data/ner" / name

    items = list(read_conll(path))

    assert [LabeledDocument] * sentences == [type(item) for item in items]
    assert entities == sum(len(item.entities) for item in items)
    counted = sum(
        tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:])
        for tags in tags_of(path, column)
        for before, tag in zip(["O", *tags], tags, strict=False)
    )
    assert entities == counted


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column", "sentences", "entities"), REAL)
def test_real_entities_equal_those_of_seqeval(shared, name, column, sentences, entities):
    """
    Types and sizes (in tokens) of all entities equal what seqeval reads from the same tags.
    """
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    for tags in tags_of(shared / "data/ner" / name, column):
        assert [(s, e + 1, t) for t, s, e in labeling.get_entities(tags)] == spans_of_tags(tags)


def test_the_original_text_is_used(shared):
    """
    Where a file has the untokenised sentence, spans stand in that.
    """
    item = next(read_conll(shared / "data/ner/uner_en_pud/en_pud.first400.iob2"))

    assert item.document.text.startswith(
        "“While much of the digital transition is unprecedented in the United States, the"
    )
    assert ["United States", "Obama", "Kori Schulman"] == [e.text for e in item.entities]


def test_characters_are_joined_without_spaces(shared):
    """
    One character per line gives the sentence itself: its inline marks say the same.
    """
    path = shared / "data/ner/ko_klue/klue-ner-dev.first300.tsv"
    lines = [line.split("\t")[1] for line in path.read_text("utf-8").splitlines() if line.startswith("## klue")]
    items = list(read_conll(path))

    import re

    marked = [re.sub(r"<(.*?):[A-Z]{2}>", r"\1", line) for line in lines]
    assert marked == [item.document.text for item in items]
    assert [re.findall(r"<(.*?):([A-Z]{2})>", line) for line in lines] == [
        [(e.text, e.label) for e in item.entities] for item in items
    ]


@pytest.mark.parametrize(
    ("scheme", "tags", "spans"),
    [
        ("IOB2", "B-X I-X B-X O B-Y", [(0, 2, "X"), (2, 3, "X"), (4, 5, "Y")]),
        ("IOB1", "I-X I-X B-X O I-Y", [(0, 2, "X"), (2, 3, "X"), (4, 5, "Y")]),
        ("IO", "I-X I-X I-Y O I-Y", [(0, 2, "X"), (2, 3, "Y"), (4, 5, "Y")]),
        ("BIOES", "B-X E-X S-X O B-Y I-Y E-Y", [(0, 2, "X"), (2, 3, "X"), (4, 7, "Y")]),
        ("BMES", "B-X M-X E-X S-X S-X", [(0, 3, "X"), (3, 4, "X"), (4, 5, "X")]),
        ("auto", "B-X L-X U-X", [(0, 2, "X"), (2, 3, "X")]),
        ("auto", "X X O Y", [(0, 2, "X"), (3, 4, "Y")]),
        ("auto", "B-creative-work I-creative-work", [(0, 2, "creative-work")]),
        ("auto", "E-X I-X I-Y", [(0, 1, "X"), (1, 2, "X"), (2, 3, "Y")]),
        ("auto", "", []),
    ],
)
def test_schemes_are_read(scheme, tags, spans):
    """
    Each scheme gives its spans, and ``auto`` gives the same.
    """
    assert spans == spans_of_tags(tags.split(), scheme)
    assert spans == spans_of_tags(tags.split())


@pytest.mark.parametrize(
    ("scheme", "tags", "position"),
    [
        ("IOB2", "O I-X", 2),
        ("IOB2", "B-X I-Y", 2),
        ("IOB2", "S-X", 1),
        ("IOB1", "B-X", 1),
        ("IO", "B-X", 1),
        ("BIOES", "B-X O", 2),
        ("BIOES", "B-X", 2),
        ("BIOES", "I-X", 1),
        ("BMES", "B-X I-X E-X", 2),
        ("IOB2", "X", 1),
    ],
)
def test_a_named_scheme_is_strict(scheme, tags, position):
    """
    A tag that the scheme does not allow is told with its position.
    """
    with pytest.raises(ValueError, match=f"tag {position} "):
        spans_of_tags(tags.split(), scheme)


@given(
    st.lists(st.sampled_from(["a", "é", "😀", " ", "", "ab"]), max_size=8), st.sampled_from(["auto", "space", "none"])
)
def test_tokens_stand_where_they_are_said_to(tokens, how):
    """
    Whatever the detokeniser, each token is the slice at its span.
    """
    text, spans = detokenize(tokens, how)

    assert tokens == [text[start:end] for start, end in spans]


def test_tokens_are_looked_up_in_the_given_text():
    """
    Only white space may lie between two tokens.
    """
    assert [(0, 2), (2, 5), (6, 8)] == detokenize(["do", "n't", "go"], text="don't go")[1]
    with pytest.raises(ValueError, match="token 2 does not stand"):
        detokenize(["a", "b"], text="a x b")


def test_broken_rows_reject_their_sentence_only(tmp_path):
    """
    The reason names file and line; neighbours are read.
    """
    path = written(tmp_path / "a.conll", "Ann B-PER\n\nBob B-PER\noops\n\n#MH17 O\n# O\n")

    items = list(read_conll(path))

    assert ["Ann", "#MH17 #"] == [i.document.text for i in items if isinstance(i, LabeledDocument)]
    assert "a.conll: line 4: expected 2 columns, found 1" == items[1].reason
    assert 1 == items[1].index


def test_a_strict_scheme_rejects_sentences(tmp_path):
    """
    With a named scheme a sentence that breaks it is rejected, with its first line.
    """
    path = written(tmp_path / "a.conll", "Ann B-PER\n\nBob I-PER\n")

    assert [LabeledDocument, Rejected] == [type(i) for i in read_conll(path, scheme="IOB2")]
    assert [LabeledDocument, LabeledDocument] == [type(i) for i in read_conll(path)]


def test_comments_give_text_and_id(tmp_path):
    """
    ``# text`` and ``# sent_id`` are used; CRLF line ends are no part of a tag.
    """
    content = "# sent_id = s1\r\n# text = Ann's.\r\n1\tAnn\tB-PER\t-\r\n2\t's\tO\t-\r\n3\t.\tO\t-\r\n\r\n"

    item = next(read_conll(written(tmp_path / "a.iob2", content)))

    assert ("s1", "Ann's.", ["Ann"]) == (item.document.id, item.document.text, [e.text for e in item.entities])


def test_sentences_join_to_documents(shared):
    """
    ``per="document"`` joins what stands between two ``-DOCSTART-`` lines, and loses no entity.
    """
    path = shared / "data/ner/sec_filings/FIN3.conll"

    items = list(read_conll(path, per="document"))

    assert sum(line.startswith("-DOCSTART-") for line in path.read_text("utf-8").splitlines()) == len(items)
    assert 318 == sum(len(item.entities) for item in items)


def test_a_file_without_tags_is_an_error(tmp_path):
    """
    Where no column of tags can be told, the error says how to name it.
    """
    with pytest.raises(SourceError, match="label_column"):
        read_conll(written(tmp_path / "a.conll", "just\nwords\n"))
    with pytest.raises(SourceError, match="expected tokens with tags"):
        read_conll(written(tmp_path / "b.conll", "\n"))
    with pytest.raises(SourceError, match="no label column 5"):
        read_conll(written(tmp_path / "c.conll", "a O\n"), label_column=5)


# -- Hugging Face -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_class_numbers_become_names():
    """
    ``ClassLabel`` integers of a real dataset are decoded, -1 means not labelled.
    """
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "topic": datasets.ClassLabel(names=["news", "sport"]),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["x", "y"])),
        }
    )
    rows = {"id": ["001", "002"], "text": ["NA", None], "topic": [1, -1], "tags": [[0, 1], []]}
    dataset = datasets.Dataset.from_dict(rows, features=features)

    items = list(read_dataset(dataset, classes={"topic": "topic", "tag": "tags"}))

    assert {"topic": ["sport"], "tag": ["x", "y"]} == {n: [c.label for c in v] for n, v in items[0].classes.items()}
    assert ("001", "NA") == (items[0].document.id, items[0].document.text)
    assert "row 2: expected text in 'text', found NoneType" in items[1].reason
    with pytest.raises(SourceError, match="expected a column 'body'"):
        read_dataset(dataset, text_column="body")
    with pytest.raises(SourceError, match="choose from"):
        read_dataset(datasets.DatasetDict({"train": dataset}))


@pytest.mark.slow
def test_tokens_and_tag_numbers_become_spans():
    """
    The usual NER layout (tokens, ner_tags) gives labelled documents.
    """
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER", "I-PER"])),
        }
    )
    rows = {"tokens": [["Ann", "Lee", "left"], ["a"]], "ner_tags": [[1, 2, 0], [0, 0]]}
    dataset = datasets.Dataset.from_dict(rows, features=features)

    items = list(read_dataset(dataset, tokens_column="tokens", tags_column="ner_tags"))

    assert ["Ann Lee"] == [e.text for e in items[0].entities]
    assert "expected as many tags as tokens" in items[1].reason


class Feature:
    """The part of a ``datasets`` feature that is read: names of classes, or the feature inside a list."""

    def __init__(self, names=None, feature=None):
        self.names = names
        self.feature = feature


class Rows(list):
    """Rows with ``features``, as a dataset has them."""

    def __init__(self, rows, features):
        super().__init__(rows)
        self.features = features


def test_a_dataset_is_known_by_its_shape():
    """
    Rows and features are enough: class numbers become names, alone and in lists, -1 and null nothing.
    """
    features = {"text": Feature(), "topic": Feature(["news", "sport"]), "tags": Feature(feature=Feature(["x", "y"]))}
    rows = [
        {"text": "a", "topic": 1, "tags": [1, 0]},
        {"text": "b", "topic": -1, "tags": None},
        {"text": 5, "topic": 0},
    ]

    items = list(read_dataset(Rows(rows, features), classes={"topic": "topic", "tag": "tags"}))

    assert [("row-000001", ["sport"], ["y", "x"]), ("row-000002", [], [])] == [
        (i.document.id, *([c.label for c in i.classes.get(name, ())] for name in ("topic", "tag"))) for i in items[:2]
    ]
    assert "row, row 3: expected text in 'text', found int" == items[2].reason


def test_tagged_rows_are_read_by_shape():
    """
    Tag numbers become spans; rows whose lists do not fit are rejected, the others go on.
    """
    tags = Feature(feature=Feature(["O", "B-PER", "I-PER"]))
    rows = [
        {"id": "001", "tokens": ["Ann", "Lee"], "tags": [1, 2]},
        {"id": "2", "tokens": ["a"], "tags": [0, 0]},
        {"id": "3", "tokens": "a", "tags": [0]},
        {"id": "4", "tokens": ["a", ""], "tags": [0, 1]},
        {"id": "5", "tokens": ["\ud800"], "tags": [0]},
        {"id": "6", "tokens": ["ok"], "tags": [0]},
    ]

    items = list(
        read_dataset(Rows(rows, {"id": None, "tokens": None, "tags": tags}), tokens_column="tokens", tags_column="tags")
    )

    assert [["Ann Lee"], []] == [[e.text for e in i.entities] for i in items if isinstance(i, LabeledDocument)]
    assert ["2", "3", "4", "5"] == [i.id for i in items if isinstance(i, Rejected)]
    with pytest.raises(SourceError, match="go together"):
        read_dataset(Rows([], {}), tokens_column="tokens")


def test_ranges_of_conll_u_are_passed_over(tmp_path):
    """
    A line 1-2 only repeats the surface of its parts; 1.1 stands for nothing.
    """
    content = "# text = don't go\n1-2\tdon't\tO\n1\tdo\tO\n2\tn't\tO\n2.1\t_\tO\n3\tgo\tB-X\n"

    item = next(read_conll(written(tmp_path / "a.conllu", content), token_column=1))

    assert [("go", 6)] == [(e.text, e.start) for e in item.entities]


def test_a_wrong_byte_rejects_its_sentence(tmp_path):
    """
    The line is named; the next sentence is read.
    """
    path = tmp_path / "a.conll"
    path.write_bytes(b"Stra\xdfe B-LOC\n\nAnn B-PER\n")

    items = list(read_conll(path))

    assert "a.conll: line 1: byte 0xdf is not utf-8" in items[0].reason
    assert ["Ann"] == [e.text for e in items[1].entities]


def test_a_text_that_is_not_that_of_the_tokens_rejects(tmp_path):
    """
    Spans are never guessed: tokens must stand in the text that the file gives.
    """
    path = written(tmp_path / "a.conll", "# text = Bob left\nAnn B-PER\nleft O\n")

    assert "token 1 does not stand in the text" in next(read_conll(path)).reason
    assert ["Ann"] == [e.text for e in next(read_conll(path, detokenizer="space")).entities]


# -- choice -----------------------------------------------------------------------------------------------------------

MANY = [Document(id=str(n), text="word " * n) for n in range(100)]


def test_words_are_counted_in_every_script():
    """
    Words count where there are spaces, characters where there are none; punctuation never.
    """
    assert [3, 4, 0, 2] == [count_tokens(t) for t in ("Ann, met Bob!", "我去东京。", " ... ", "서울 사람")]


def test_short_documents_are_left_out_and_reading_stops():
    """
    ``min_tokens`` filters, ``limit`` stops reading.
    """
    endless = (Document(id=str(n), text="word " * (n % 3)) for n in count())

    assert ["2", "5"] == [d.id for d in select(endless, min_tokens=2, limit=2)]
    assert "6" == next(endless).id


def test_a_sample_is_the_same_everywhere():
    """
    The seed alone decides; the order of the input is kept.
    """
    chosen = [d.id for d in select(MANY, sample=5, seed=7)]

    assert chosen == [d.id for d in select(iter(MANY), sample=5, seed=7)]
    assert ["13", "30", "61", "75", "83"] == chosen
    assert chosen != [d.id for d in select(MANY, sample=5, seed=8)]


@given(st.integers(0, 120), st.integers(0, 120) | st.none(), st.integers())
def test_a_sample_has_the_right_size(size, limit, seed):
    """
    Never more than asked for, never more than there are, none twice.
    """
    chosen = [d.id for d in select(MANY, sample=size, limit=limit, seed=seed)]

    assert min(100, size, 1000 if limit is None else limit) == len(chosen) == len(set(chosen))
    assert sorted(chosen, key=int) == chosen


def test_a_sample_is_fair():
    """
    Over many seeds each document is chosen about equally often.
    """
    hits = [0] * 20
    for seed in range(2000):
        for document in select(MANY[:20], sample=5, seed=seed):
            hits[int(document.id)] += 1

    assert 2000 * 5 == sum(hits)
    assert 400 < min(hits)
    assert max(hits) < 600


def test_rejected_records_always_pass():
    """
    No choice hides a record that could not be read.
    """
    items = [Rejected(index=0, reason="x"), *MANY[:5], Rejected(index=6, reason="y")]

    assert [0, 6] == [i.index for i in select(items, sample=2, min_tokens=1) if isinstance(i, Rejected)]


def test_negative_numbers_are_refused():
    """
    The error names the argument.
    """
    with pytest.raises(ConfigurationError, match="limit: expected a number from 0"):
        select(MANY, limit=-1)


def test_nothing_is_read_for_a_limit_of_none():
    """
    A limit of 0 gives nothing.
    """
    assert [] == list(islice(select(iter(MANY), limit=0), 3))
