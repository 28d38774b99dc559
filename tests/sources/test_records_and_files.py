"""Sources of texts and records: what is read exactly, what is rejected, and that the rest goes on."""

from __future__ import annotations

import codecs
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import ConfigurationError, Document, LabeledDocument, Rejected, SourceError
from llmlabel.sources import (
    documents_from,
    open_source,
    read_csv,
    read_json,
    read_json_lines,
    read_parquet,
    read_text,
)
from tests.strategies import texts


def kinds(items):
    return [type(item) for item in items]


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- text -------------------------------------------------------------------------------------------------------------


@given(text=texts)
def test_a_text_file_is_read_exactly(text, tmp_path_factory):
    """
    Newlines, NUL bytes and Unicode forms come through; one byte order mark goes.
    """
    path = written(tmp_path_factory.mktemp("t") / "a.txt", codecs.BOM_UTF8 + text.encode())

    assert [Document(id="a.txt", text=text)] == list(read_text(path))


def test_a_folder_gives_its_files_in_order(tmp_path):
    """
    Ids are paths inside the folder; a file that cannot be decoded is rejected and the others go on.
    """
    (tmp_path / "sub").mkdir()
    written(tmp_path / "b.txt", b"Stra\xdfe")
    written(tmp_path / "a.txt", "one\r\n")
    written(tmp_path / "sub" / "c.txt", "three".encode("utf-16"))
    written(tmp_path / "sub" / "d.txt", "four")
    written(tmp_path / "notes.md", "no")

    items = list(read_text(tmp_path))

    assert ["a.txt", "b.txt", "sub/c.txt", "sub/d.txt"] == [item.id for item in items]
    assert [Document, Rejected, Rejected, Document] == kinds(items)
    assert [1, 2] == [item.index for item in items if isinstance(item, Rejected)]
    assert "byte 0xdf is not utf-8" in items[1].reason
    assert 'encoding="utf-16"' in items[2].reason


def test_lines_are_documents_on_request(tmp_path):
    """
    With ``per="line"`` each line that is not blank is a document; only a line feed ends it.
    """
    path = written(tmp_path / "a.txt", "one\r\n\n  \ntwo\u2028still\x85two\rtwo\n")

    assert [("a.txt:1", "one"), ("a.txt:4", "two\u2028still\x85two\rtwo")] == [
        (d.id, d.text) for d in read_text(path, per="line")
    ]


def test_other_encodings_are_read_when_named(tmp_path):
    """
    Latin-1 and UTF-16 files are read with their encoding.
    """
    latin = written(tmp_path / "a.txt", "Straße".encode("latin-1"))
    wide = written(tmp_path / "b.txt", "Straße".encode("utf-16"))

    assert ["Straße", "Straße"] == [
        next(read_text(latin, encoding="latin-1")).text,
        next(read_text(wide, encoding="utf-16")).text,
    ]
    assert "Stra\ufffde" == next(read_text(latin, errors="replace")).text


@pytest.mark.parametrize("reader", [read_text, read_csv, read_json, read_json_lines, read_parquet, open_source])
def test_a_missing_file_is_one_clear_error(reader, tmp_path):
    """
    It is raised at the call, before anything is read.
    """
    with pytest.raises(SourceError, match="there is no such file") as caught:
        reader(tmp_path / "no.txt")

    assert str(tmp_path / "no.txt") == caught.value.path


@pytest.mark.parametrize("reader", [read_text, read_csv, read_json, read_json_lines])
def test_utf16_is_recognised(reader, tmp_path):
    """
    The error says how to read the file.
    """
    with pytest.raises(SourceError, match='encoding="utf-16"'):
        list(reader(written(tmp_path / "a", "text\nx".encode("utf-16"))))


def test_an_unknown_encoding_is_an_error(tmp_path):
    """
    A misspelt encoding is named.
    """
    with pytest.raises(SourceError, match="'utf-9' is unknown"):
        list(read_text(written(tmp_path / "a.txt", "x"), encoding="utf-9"))


def test_an_empty_folder_is_an_error(tmp_path):
    """
    A folder without matching files says what was looked for.
    """
    with pytest.raises(SourceError, match=r"no file in the folder matches '\*\*/\*\.txt'"):
        read_text(tmp_path)


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_json_lines_give_documents_and_reasons(tmp_path):
    """
    Each bad record names file, line and what was expected; the good ones go on.
    """
    lines = [
        b'{"id": "001", "text": "NA", "topic": "x"}',
        b"",
        b'{"id": 7, "text": "a\\r\\nb"}',
        b'"just text"',
        b'{"id": "x"}',
        b'{"id": true, "text": "x"}',
        b'{"id": "", "text": "x"}',
        b'{"id": "y", "text": 5}',
        b'{"id": "z", "text": "\\ud800"}',
        b"{broken",
        b"[1, 2]",
        b'{"id": "w", "text": "\xff"}',
        b"[" * 100_000,
        b'{"id": "last", "text": "\\u0000ok", "language": "de"}',
    ]
    path = written(tmp_path / "a.jsonl", b"\r\n".join(lines))

    items = list(read_json_lines(path, language_field="language", metadata=None))

    assert [("001", "NA"), ("7", "a\r\nb"), ("a.jsonl-000003", "just text"), ("last", "\x00ok")] == [
        (d.id, d.text) for d in items if isinstance(d, Document)
    ]
    assert {"topic": "x"} == items[0].metadata
    assert "de" == items[-1].language
    assert EXPECTED == [(r.reason[: len(e)], r.id) for r, (e, _) in zip(rejected(items), EXPECTED, strict=True)]
    assert list(range(len(items))) == [item.index if isinstance(item, Rejected) else n for n, item in enumerate(items)]


EXPECTED = [
    ("a.jsonl, line 5: expected a field 'text', found id", None),
    ("a.jsonl, line 6: expected an id in 'id', found bool", None),
    ("a.jsonl, line 7: expected an id in 'id', found an empty one", None),
    ("a.jsonl, line 8: expected text in 'text', found int", "y"),
    ("a.jsonl, line 9: text: lone surrogate U+D800", "z"),
    ("a.jsonl, line 10: expected one JSON value, found an error in column 2", None),
    ("a.jsonl, line 11: expected an object with 'text', found list", None),
    ("a.jsonl, line 12: byte 0xff is not utf-8", None),
    ("a.jsonl, line 13: expected one JSON value", None),
]


def rejected(items):
    return [item for item in items if isinstance(item, Rejected)]


def test_a_named_id_field_must_be_there(tmp_path):
    """
    Without a name ids are generated where they lack; with a name a record without one is rejected.
    """
    path = written(tmp_path / "a.jsonl", '{"text": "x"}\n')

    assert "a.jsonl-000001" == next(read_json_lines(path)).id
    assert "expected an id in 'key'" in next(read_json_lines(path, id_field="key")).reason


def test_human_labels_come_along(tmp_path):
    """
    Classes and spans in code points make labelled documents; a span that does not fit is rejected.
    """
    good = {
        "id": "a",
        "text": "😀 Ann",
        "topic": "people",
        "tags": ["x", "y"],
        "spans": [{"start": 2, "end": 5, "label": "PER", "text": "Ann"}],
    }
    shifted = {**good, "id": "b", "spans": [{"start": 3, "end": 6, "label": "PER", "text": "Ann"}]}
    wrong = {**good, "id": "c", "spans": [{"start": 1, "end": 4, "label": "PER", "text": "Ann"}]}
    path = written(tmp_path / "a.jsonl", "\n".join(json.dumps(r) for r in (good, shifted, wrong)))

    items = list(read_json_lines(path, classes={"topic": "topic", "tag": "tags"}, spans_field="spans"))

    assert [LabeledDocument, Rejected, Rejected] == kinds(items)
    assert [("Ann", 2)] == [(e.text, e.start) for e in items[0].entities]
    assert {"topic": ["people"], "tag": ["x", "y"]} == {n: [c.label for c in v] for n, v in items[0].classes.items()}
    assert "offsets must count code points" in items[2].reason


def test_a_json_list_gives_documents(tmp_path):
    """
    A list of records, or of texts, is read; a lone object is an error.
    """
    items = list(read_json(written(tmp_path / "a.json", '[{"id": "x", "text": "1"}, "2", 3]')))

    assert ["x", "a.json-000002"] == [d.id for d in items[:2]]
    assert "item 3: expected an object" in items[2].reason
    with pytest.raises(SourceError, match="expected a list of records, found dict"):
        read_json(written(tmp_path / "b.json", "{}"))
    with pytest.raises(SourceError, match="line 2: expected one JSON list"):
        read_json(written(tmp_path / "c.json", "[\n,]"))


def test_real_spans_are_read(shared):
    """
    The Japanese and Thai sets with native offsets read without loss.
    """
    for name, count in (("ja_wiki/ja_wiki.sample900.jsonl", 900), ("th_nested/thai_nner.sample_dev.jsonl", 63)):
        path = shared / "data/ner" / name
        spans = sum(len(json.loads(line)["spans"]) for line in path.read_text("utf-8").splitlines())

        items = list(read_json_lines(path, spans_field="spans"))

        assert [LabeledDocument] * count == kinds(items)
        assert spans == sum(len(item.entities) for item in items)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_csv_cells_stay_text(tmp_path):
    """
    Leading zeros, NA, CRLF, quotes and fields over 131,072 characters come through.
    """
    long = "x" * 200_000
    path = written(
        tmp_path / "a.csv", f'\ufeffid,text,note\r\n001,NA,1e5\r\n002,"a\r\nb ""c"" \x00",\r\n\r\n003,{long},z\r\n'
    )

    items = list(read_csv(path, metadata=None))

    assert [("001", "NA"), ("002", 'a\r\nb "c" \x00'), ("003", long)] == [(d.id, d.text) for d in items]
    assert {"note": "1e5"} == items[0].metadata


def test_bad_rows_are_rejected_and_the_rest_goes_on(tmp_path):
    """
    A row with too few cells, a broken quote or a wrong byte names its line.
    """
    path = written(tmp_path / "a.csv", b'id,text\n1,x\n2\n3,"a"b\n4,\xff\n5,"two\nlines"\n6,x,y\n7,end\n8,"open')

    items = list(read_csv(path))

    assert ["1", "5", "7"] == [d.id for d in items if isinstance(d, Document)]
    assert CSV_EXPECTED == [r.reason[: len(e)] for r, e in zip(rejected(items), CSV_EXPECTED, strict=True)]


def test_a_quote_that_is_not_closed_spoils_its_own_line_only(tmp_path):
    """
    The rows behind it are read, also those up to the next quote, and one of several lines.
    """
    path = written(tmp_path / "a.csv", 'id,text\n1,x\n2,"open\n3,y\n4,"a ""b"""\n5,"two\nlines"\n6,"open\n7,z\n')

    items = list(read_csv(path))

    assert [("1", "x"), ("3", "y"), ("4", 'a "b"'), ("5", "two\nlines"), ("7", "z")] == [
        (d.id, d.text) for d in items if isinstance(d, Document)
    ]
    assert ["a.csv, line 3", "a.csv, line 8"] == [r.reason.partition(":")[0] for r in rejected(items)]


CSV_EXPECTED = [
    "a.csv, line 3: expected 2 cells, found 1",
    "a.csv, line 4: expected a row of cells",
    "a.csv, line 5: byte 0xff is not utf-8",
    "a.csv, line 8: expected 2 cells, found 3",
    "a.csv, line 10: expected a row of cells",
]


def test_missing_columns_are_named(tmp_path):
    """
    The error lists the columns that are there.
    """
    path = written(tmp_path / "a.csv", "id,body\n1,x\n")

    with pytest.raises(SourceError, match="expected a column 'text', found 'id', 'body'"):
        read_csv(path)
    with pytest.raises(SourceError, match="the file is empty"):
        read_csv(written(tmp_path / "b.csv", ""))
    with pytest.raises(SourceError, match="stands twice"):
        read_csv(written(tmp_path / "c.csv", "text,text\n1,x\n"))
    with pytest.raises(SourceError, match="give delimiter=';'"):
        read_csv(written(tmp_path / "d.csv", "id;text\n1;x\n"))


def test_tsv_and_class_columns(tmp_path):
    """
    A .tsv file separates by tabs; a class column gives labelled documents, an empty cell no label.
    """
    path = written(tmp_path / "a.tsv", "text\ttopic\nx, y\tnews\nz\t\n")

    items = list(open_source(path, classes={"topic": "topic"}))

    assert [["news"], []] == [[c.label for c in item.classes.get("topic", ())] for item in items]


def test_parquet_is_read_in_batches(tmp_path):
    """
    Text stays text, integer ids become digits, nulls are rejected, other columns are not read unless wanted.
    """
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {"id": [1, 2, 3], "text": ["NA", None, "a\r\nb"], "tags": [["x"], ["y"], None], "raw": [b"\xff"] * 3}
    )
    pq.write_table(table, tmp_path / "a.parquet")

    items = list(read_parquet(tmp_path / "a.parquet", classes={"tag": "tags"}, batch_size=2))

    assert [("1", "NA"), ("3", "a\r\nb")] == [
        (i.document.id, i.document.text) for i in items if not isinstance(i, Rejected)
    ]
    assert "a.parquet, row 2: expected text in 'text', found NoneType" == items[1].reason
    with pytest.raises(SourceError, match="expected a column 'body'"):
        read_parquet(tmp_path / "a.parquet", text_column="body")
    with pytest.raises(SourceError, match="expected a Parquet file"):
        read_parquet(written(tmp_path / "b.parquet", "no"))


def test_without_pyarrow_the_error_says_what_to_install(tmp_path):
    """
    A missing extra names the command to run.
    """
    path = written(tmp_path / "a.parquet", "")
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from llmlabel.sources import read_parquet\n"
        "try: read_parquet(sys.argv[1])\n"
        "except ImportError as error: print(error)"
    )

    said = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True).stdout

    assert 'pip install "llmlabel[parquet]"' in said


def test_metadata_that_json_cannot_say_rejects_the_record(tmp_path):
    """
    Bytes in a wanted metadata column name the field.
    """
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": ["x"], "raw": [b"\xff"]}), tmp_path / "a.parquet")

    assert "metadata: expected what JSON can say" in next(read_parquet(tmp_path / "a.parquet", metadata=["raw"])).reason


# -- Python values, one door ------------------------------------------------------------------------------------------


def test_python_values_become_documents():
    """
    Texts get ids, mappings keep theirs, documents pass, anything else is rejected.
    """
    document = Document(id="d", text="x")
    gone = Rejected(index=9, reason="earlier")

    items = list(
        documents_from(["a", {"id": "b", "text": "c", "metadata": {"k": 1}}, document, gone, 5, {"id": "e"}, "\ud800"])
    )

    assert ["doc-000001", "b", "d"] == [i.id for i in items if isinstance(i, Document)]
    assert {"k": 1} == items[1].metadata
    assert gone is items[3]
    assert [4, 5, 6] == [i.index for i in items[4:]]
    assert "item 5: expected an object with 'text', found int" == items[4].reason


@given(st.lists(st.one_of(st.none(), st.integers(), st.text(), st.dictionaries(st.text(), st.text())), max_size=8))
def test_every_value_comes_out_once(values):
    """
    Nothing is lost and nothing raises, whatever the values.
    """
    assert len(values) == len(list(documents_from(values)))


def test_documents_are_made_one_by_one():
    """
    An endless input is no problem.
    """
    endless = documents_from(iter(lambda: "x", None))

    assert ["doc-000001", "doc-000002"] == [next(endless).id, next(endless).id]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "x"),
        ("a.JSONL", '{"text": "x"}'),
        ("a.ndjson", '"x"'),
        ("a.json", '["x"]'),
        ("a.csv", "text\nx\n"),
        ("a.tsv", "text\tb\nx\ty\n"),
        ("a.conll", "x O\n"),
        ("a.iob2", "x\tO\n"),
    ],
)
def test_the_suffix_says_how_to_read(name, content, tmp_path):
    """
    One call opens every kind of file.
    """
    item = next(open_source(written(tmp_path / name, content)))

    assert "x" == (item.document if isinstance(item, LabeledDocument) else item).text


def test_unknown_suffixes_and_options_are_named(tmp_path):
    """
    The errors list what there is; field and column mean the same.
    """
    with pytest.raises(SourceError, match=r"found '\.docx'"):
        open_source(written(tmp_path / "a.docx", "x"))
    with pytest.raises(ConfigurationError, match="read_csv has no option 'txt'"):
        open_source(written(tmp_path / "a.csv", "body\nx\n"), txt="body")

    assert "x" == next(open_source(tmp_path / "a.csv", text_field="body")).text


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"spans": 5}, "expected a list of spans in 'spans', found int"),
        ({"spans": ["x"]}, "spans[0]: expected start, end and label"),
        ({"spans": [{"start": 0, "end": 9, "label": "A"}]}, "spans[0]: expected 0 <= start < end <= 3"),
        ({"spans": [{"start": "0", "end": 1, "label": "A"}]}, "spans[0]: expected 0 <= start"),
        ({"spans": [{"start": 0, "end": 1, "label": 5}]}, "label"),
        ({"topic": 5}, "expected a label or a list of labels in 'topic', found int"),
        ({"topic": ["a", 5]}, "expected a label or a list of labels in 'topic', found list"),
        ({"language": 5}, "language"),
    ],
)
def test_human_labels_that_make_no_sense_reject_the_record(record, reason, tmp_path):
    """
    The reason names the field, never the text.
    """
    path = written(tmp_path / "a.jsonl", json.dumps({"id": "a", "text": "Ann", **record}))

    item = next(read_json_lines(path, classes={"topic": "topic"}, spans_field="spans", language_field="language"))

    assert reason in item.reason
    assert "Ann" not in item.reason


def test_a_broken_wide_encoding_ends_the_file(tmp_path):
    """
    Where one wrong byte makes the rest unreadable, the error names file and line.
    """
    path = written(tmp_path / "a.jsonl", '"one"\n"two"\n'.encode("utf-16") + b"\x00")
    table = written(tmp_path / "a.csv", "text\none\n".encode("utf-16") + b"\x00")

    with pytest.raises(SourceError, match="truncated data"):
        list(read_json_lines(path, encoding="utf-16"))
    with pytest.raises(SourceError, match="truncated data"):
        list(read_csv(table, encoding="utf-16"))


def test_a_missing_path_without_suffix_is_missing(tmp_path):
    """
    What is not there is told before what it would be.
    """
    with pytest.raises(SourceError, match="there is no such file"):
        open_source(tmp_path / "nothing")


def test_json_that_cannot_be_read_at_all(tmp_path):
    """
    Nesting without end is an error of the file.
    """
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        read_json(written(tmp_path / "a.json", "[" * 200_000))


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", ""), ("a.jsonl", "\n\n"), ("a.csv", "id,text\n"), ("a.conll", "\n")]
)
def test_a_file_without_records_is_an_error(tmp_path, name, content):
    """
    Nothing to read is told, and is no run over zero documents that ends well.
    """
    (tmp_path / name).write_text(content)

    with pytest.raises(SourceError, match=name):
        list(open_source(tmp_path / name))
