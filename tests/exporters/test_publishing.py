"""Names of files, and folders that appear whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.errors import ExportError
from llmlabel.exporters.names import file_stems, is_safe
from llmlabel.exporters.publish import Workspace, swap_in
from tests import strategies

KIND = "llmlabel test-bundle"


def publish(target: Path, **files: str) -> None:
    with Workspace(target, KIND) as space:
        for name, content in files.items():
            space.write(f"sub/{name}", content.encode())
        space.publish({})


def content(target: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in target.rglob("*") if p.is_file() and p.name != "manifest.json"}


# -- names ------------------------------------------------------------------------------------------------------------


@given(st.lists(strategies.ids | st.sampled_from(["A", "a", "CON", "con", "b.", "x y"]), unique=True))
def test_stems_are_distinct_and_safe_for_any_ids(ids):
    """
    Each id gets a stem of its own that every file system takes as it is.
    """
    stems = file_stems(ids)

    assert list(stems) == ids
    assert len(ids) == len({stem.lower() for stem in stems.values()})
    assert all(is_safe(stem) for stem in stems.values())


@given(st.permutations(["A", "a", "b", "doc", "DOC", "é"]))
def test_stems_do_not_depend_on_the_order(ids):
    """
    The same set of ids gives the same names, in whatever order the documents come.
    """
    assert file_stems(sorted(ids)) == file_stems(ids)


def test_id_that_looks_like_a_made_name_keeps_apart():
    """
    An id equal to the made name of another id does not take its file.
    """
    made = file_stems(["../a"])["../a"]
    stems = file_stems(["../a", made])

    assert 2 == len(set(stems.values()))


@pytest.mark.parametrize("name", ["CON", "aux.txt", "lpt1", "a b", "a/b", "a.", ".a", "-a", "é", "x" * 101, "a:b", ""])
def test_unsafe_names(name):
    """
    Devices of Windows, paths, dots at the ends, long and non-ASCII names are not kept.
    """
    assert not is_safe(name)


# -- publishing -------------------------------------------------------------------------------------------------------


def test_new_folder_and_its_parents_are_made(tmp_path):
    """
    The target's parents need not be there.
    """
    publish(tmp_path / "x" / "y", a="1")

    assert {"a": "1"} == content(tmp_path / "x" / "y")


def test_empty_folder_is_taken(tmp_path):
    """
    An empty folder at the target is as good as none.
    """
    (tmp_path / "t").mkdir()
    publish(tmp_path / "t", a="1")

    assert {"a": "1"} == content(tmp_path / "t")


def test_own_bundle_is_replaced_whole(tmp_path):
    """
    Files of the earlier bundle that the new one has not are gone; nothing is left beside.
    """
    publish(tmp_path / "t", a="1", b="2")
    publish(tmp_path / "t", b="3")

    assert {"b": "3"} == content(tmp_path / "t")
    assert ["t"] == [p.name for p in tmp_path.iterdir()]


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_bundle_that_a_person_changed_is_kept(tmp_path, change):
    """
    A label edited, a file added or removed in an earlier bundle: the new export is refused.
    """
    publish(tmp_path / "t", a="1")
    place = tmp_path / "t" / "sub"
    if change == "remove":
        (place / "a").unlink()
    else:
        (place / ("a" if change == "edit" else "mine")).write_text("by hand")
    before = content(tmp_path / "t")

    with pytest.raises(ExportError, match="changed, added or removed"):
        publish(tmp_path / "t", a="2")
    assert before == content(tmp_path / "t")


@pytest.mark.parametrize("found", ["file", "folder", "other manifest", "newer manifest"])
def test_what_is_not_ours_is_kept(tmp_path, found):
    """
    A file, a folder with something else in it, or another kind of bundle at the target is refused.
    """
    target = tmp_path / "t"
    if found == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        text = {"folder": "x", "other manifest": '{"format": "z"}'}.get(found, f'{{"format": "{KIND}", "version": 2}}')
        (target / "manifest.json").write_text(text)

    with pytest.raises(ExportError, match="nothing was published"):
        publish(target, a="1")
    assert ["t"] == [p.name for p in tmp_path.iterdir()]


def test_target_taken_in_the_meantime_is_kept(tmp_path):
    """
    What appears at the target while documents are read is not overwritten.
    """
    with Workspace(tmp_path / "t", KIND) as space:
        (tmp_path / "t").mkdir()
        (tmp_path / "t" / "mine").write_text("x")
        with pytest.raises(ExportError, match="choose another folder"):
            space.publish({})
    assert ["mine"] == [p.name for p in (tmp_path / "t").iterdir()]


def test_swap_without_an_exchange(tmp_path):
    """
    Where the system cannot swap two folders in one step, two renames do it.
    """
    for name in ("new", "t"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    swap_in(tmp_path / "new", tmp_path / "t", exchange=lambda one, other: False)

    assert {"who": "new"} == content(tmp_path / "t")
    assert ["t"] == [p.name for p in tmp_path.iterdir()]


def test_crash_between_two_renames_is_mended(tmp_path):
    """
    An old bundle left aside by a crash comes back when the next export starts.
    """
    publish(tmp_path / "t[1]", a="old")
    (tmp_path / "t[1]").rename(tmp_path / ".t[1].00.old")
    with Workspace(tmp_path / "t[1]", KIND):
        pass

    assert {"a": "old"} == content(tmp_path / "t[1]")


def test_target_behind_a_link_is_published_there(tmp_path):
    """
    A symbolic link to a folder stays a link.
    """
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    publish(tmp_path / "link", a="1")
    publish(tmp_path / "link", a="2")

    assert (tmp_path / "link").is_symlink()
    assert {"a": "2"} == content(tmp_path / "real")


CRASH = """
import os, sys
from llmlabel.exporters.kili_bundle import KiliBundleExporter
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, LabeledDocument

def documents(killed):
    for number in range(3):
        yield LabeledDocument(document=Document(id=str(number), text=killed or "first"))
    if killed:
        os._exit(9)

exporter = KiliBundleExporter(sys.argv[1], schema=LabelSchema(entities=["A"]))
exporter.export(documents(""))
exporter.export(documents("killed"))
"""


def test_killed_process_leaves_the_old_bundle(tmp_path):
    """
    A process that dies while it writes leaves the earlier bundle as it was.
    """
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path / "t")], check=False)

    assert 9 == done.returncode
    assert {"first"} == {p.read_text() for p in (tmp_path / "t" / "assets").iterdir()}
