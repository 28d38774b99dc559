"""Texts in a store: uploaded once, never replaced unasked, read back as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmlabel import ConfigurationError, Document, ExportError, Rejected, SourceError
from llmlabel.platforms.azure_language.texts import FolderTexts, StoredText, md5, plan_upload, read_documents, upload

RAW = "\u00e9 e\u0301 😀\r\nשלום\n".encode()


@pytest.fixture
def store(tmp_path: Path) -> FolderTexts:
    """A folder with one text and two things that are none."""
    made = FolderTexts(tmp_path / "texts")
    made.create()
    made.write("a.txt", RAW)
    (made.folder / "sub").mkdir()
    (made.folder / "sub" / "b.txt").write_bytes(b"x")
    (made.folder / "c.json").write_bytes(b"{}")
    return made


def test_texts_at_the_root_are_listed_with_their_hash(store: FolderTexts):
    """
    Only ``.txt`` at the root counts, as for the service.
    """
    assert [StoredText("a.txt", len(RAW), md5(RAW))] == list(store.texts())


def test_text_comes_back_to_the_byte(store: FolderTexts):
    """
    Newlines and Unicode are not normalised on the way to a document, whose name is kept.
    """
    (document,) = read_documents(store)

    assert Document(id="a", text=RAW.decode(), metadata={"location": "a.txt"}) == document


def test_write_refuses_another_text(store: FolderTexts):
    """
    A text of the same name is left as it is; an equal one is fine; replacing must be asked for.
    """
    assert (True, False, RAW) == (store.write("a.txt", RAW), store.write("a.txt", b"other"), store.read("a.txt"))
    assert store.write("a.txt", b"other", overwrite=True)
    assert b"other" == store.read("a.txt")


def test_plan_tells_new_equal_and_different(store: FolderTexts):
    """
    A plan reads hashes, writes nothing, and names what forbids the upload.
    """
    plan = plan_upload(store, [("a.txt", RAW), ("n.txt", b"1"), ("N.txt", b"2")])
    other = plan_upload(store, [("a.txt", b"2")])

    assert (("a.txt",), ("n.txt", "N.txt"), 1) == (plan.equal, plan.new, len(plan.problems))
    assert (("a.txt",), 1, 0) == (
        other.different,
        len(other.problems),
        len(plan_upload(store, [("a.txt", b"2")], overwrite=True).problems),
    )


@pytest.mark.parametrize("name", ["../x.txt", "a/b.txt", "a\\b.txt", "..", ""])
def test_name_that_leads_elsewhere_is_refused(name: str, store: FolderTexts):
    """
    A location in a project cannot make us read or write outside of the folder.
    """
    with pytest.raises(ConfigurationError, match="at the root"):
        store.read(name)


def test_bytes_that_are_no_text_are_rejected(store: FolderTexts):
    """
    What is not UTF-8, or starts with a byte order mark, is a rejected input with its reason.
    """
    store.write("b.txt", b"\xff\xfe")
    store.write("c.txt", "\ufeffx".encode())
    found = [item.reason for item in read_documents(store) if isinstance(item, Rejected)]

    assert 2 == len(found)
    assert "not UTF-8" in found[0]
    assert "byte order mark" in found[1]


def test_text_that_azure_does_not_take_is_rejected(store: FolderTexts):
    """
    Empty texts and those over the limit are told before anybody pays for their labels.
    """
    store.write("b.txt", b" \r\n")
    store.write("c.txt", "\u00e9".encode() * 128_001)
    store.write("d.txt", b"x" * 400_000)
    store.write("e.txt", b"x" * 128_000)
    found = list(read_documents(store))

    assert ["a", "e"] == [item.id for item in found if isinstance(item, Document)]
    assert [
        ("b.txt", "the text is empty or blank"),
        ("c.txt", "the text has 128001 UTF-16 units, Azure Language takes 128000"),
        ("d.txt", "the text has 400000 bytes, Azure Language takes 128000 UTF-16 units"),
    ] == [(item.id, item.reason) for item in found if isinstance(item, Rejected)]


def test_only_what_is_wanted_is_read(tmp_path: Path):
    """
    Texts that are left out, or lie beyond the limit, are not read from the container.
    """
    read: list[str] = []

    class Watched(FolderTexts):
        def read(self, name: str) -> bytes:
            read.append(name)
            return super().read(name)

    watched = Watched(tmp_path)
    for number in range(30):
        watched.write(f"{number:02}.txt", b"x")
    found = list(read_documents(watched, without={"00.txt", "02.txt"}, limit=2))

    assert (["01", "03"], {"01.txt", "03.txt"}) == ([item.id for item in found], set(read))


def test_text_that_appears_meanwhile_is_not_replaced(store: FolderTexts):
    """
    What somebody stores between plan and upload is left as it is, and told.
    """
    texts = [("n.txt", b"ours")]
    plan = plan_upload(store, texts)
    store.write("n.txt", b"theirs")

    with pytest.raises(ExportError, match="stored by somebody else meanwhile"):
        upload(store, texts, plan)
    assert b"theirs" == store.read("n.txt")


def test_missing_folder_is_an_error(tmp_path: Path):
    """
    A store that is not there is named, not read as empty.
    """
    with pytest.raises(SourceError, match="no such container or folder"):
        list(read_documents(FolderTexts(tmp_path / "none")))


def test_pattern_chooses_texts(store: FolderTexts):
    """
    Names are matched with their case, on every system.
    """
    store.write("b1.txt", b"x")

    assert ["b1"] == [item.id for item in read_documents(store, "b*.txt")]
    assert [] == list(read_documents(store, "B*.txt"))


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    """
    Without azure-storage-blob the error says what to install.
    """
    from llmlabel.platforms.azure_language.blobs import BlobTexts

    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(ImportError, match=r'pip install "llmlabel\[azure\]"'):
        BlobTexts("texts", connection_string="x")
