"""Outputs appear whole or not at all, and never in the place of a file that somebody wanted to keep."""

import errno
import os

import pytest

from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, replacing, replacing_files, replacing_folder, sidecar


def test_a_new_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "map.tif"
    with replacing(target) as partial:
        partial.write_text("new")
        assert not target.exists()
        assert partial.parent == target.parent  # so that the rename cannot cross file systems
        assert partial.suffix == target.suffix  # drivers are chosen by it
    assert target.read_text() == "new"
    assert [p.name for p in target.parent.iterdir()] == ["map.tif"]


def test_an_existing_file_is_refused_and_untouched(tmp_path):
    target = tmp_path / "map.tif"
    target.write_text("old")
    with pytest.raises(GeoPointSegError, match=r"existing .*map\.tif.*--overwrite"), replacing(target):
        pytest.fail("the block must not run")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_overwrite_replaces_the_existing_file(tmp_path):
    target = tmp_path / "map.tif"
    target.write_text("old")
    with replacing(target, overwrite=True) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"map.tif": "old"}], ids=["nothing there", "an old file there"])
def test_a_failure_leaves_what_was_there_and_no_leftovers(tmp_path, before, error):
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error), replacing(tmp_path / "map.tif", overwrite=True) as partial:  # noqa: PT012
        partial.write_text("half")
        partial.with_name(partial.name + ".aux.xml").write_text("GDAL leaves such files")
        raise error
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == before


def test_what_gdal_leaves_beside_a_file_goes(tmp_path):
    with replacing(tmp_path / "map.png") as partial:
        for suffix in ("", ".aux.xml", ".ovr", ".msk", "-journal"):
            partial.with_name(partial.name + suffix).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


def test_a_file_more_does_not_take_longer_in_a_full_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda self: pytest.fail("the whole folder is looked through"))
    with replacing(tmp_path / "map.tif") as partial:
        partial.write_text("new")
    assert (tmp_path / "map.tif").read_text() == "new"


def test_files_beside_the_target_stay(tmp_path):
    (tmp_path / "map.qml").write_text("style")
    (tmp_path / ".map.other").write_text("hidden")
    with replacing(tmp_path / "map.tif") as partial:
        partial.write_text("new")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".map.other", "map.qml", "map.tif"]


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_made_is_an_error_for_users(tmp_path, place):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(GeoPointSegError, match=r"folder that can be written.*taken.*choose another --out"):
        new_folder(tmp_path / place)
    with pytest.raises(GeoPointSegError, match="folder that can be written"), replacing(tmp_path / place / "map.tif"):
        pytest.fail("the block must not run")
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_where_a_file_is_expected_is_an_error_for_users(tmp_path, overwrite):
    (tmp_path / "result").mkdir()
    with (
        pytest.raises(GeoPointSegError, match=r"folder .*result"),
        replacing(tmp_path / "result", overwrite=overwrite) as partial,
    ):
        partial.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_new_folder_makes_parents_and_leaves_no_probe(tmp_path):
    made = new_folder(tmp_path / "a" / "b")
    assert made.is_dir()
    assert list(made.iterdir()) == []
    (made / "kept").touch()
    assert list(new_folder(made).iterdir()) == [made / "kept"]


@pytest.mark.parametrize(("path", "suffix", "name"), [("map.tif", ".qml", "map.qml"), ("a.b.tif", ".json", "a.b.json")])
def test_a_sidecar_lies_beside_its_file(tmp_path, path, suffix, name):
    assert sidecar(tmp_path / path, suffix) == tmp_path / name


# folders

NAMES = ("a.txt", "b.txt")


def test_a_new_folder_appears_when_the_block_ends(tmp_path):
    with replacing_folder(tmp_path / "deep" / "model", NAMES) as partial:
        (partial / "a.txt").write_text("new")
        assert not (tmp_path / "deep" / "model").exists()
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["model"]
    assert (tmp_path / "deep" / "model" / "a.txt").read_text() == "new"


def test_an_empty_folder_is_as_good_as_none(tmp_path):
    (tmp_path / "model").mkdir()
    with replacing_folder(tmp_path / "model", NAMES) as partial:
        (partial / "a.txt").write_text("new")
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["a.txt"]


def test_overwrite_replaces_the_whole_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.txt").write_text("old")
    with pytest.raises(GeoPointSegError, match=r"existing .*model: add --overwrite"):
        replacing_folder(tmp_path / "model", NAMES).__enter__()
    with replacing_folder(tmp_path / "model", NAMES, overwrite=True) as partial:
        (partial / "b.txt").write_text("new")
        assert (tmp_path / "model" / "a.txt").read_text() == "old"
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["b.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_something_of_the_users_is_never_replaced(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.odt").write_text("three years")
    with pytest.raises(GeoPointSegError, match=r"a\.txt, b\.txt alone to replace, got .*model with thesis\.odt"):
        replacing_folder(tmp_path / "model", NAMES, overwrite=True).__enter__()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(GeoPointSegError, match="new folder, got the file"):
        replacing_folder(tmp_path / "file", NAMES, overwrite=True).__enter__()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"a.txt": "old"}], ids=["nothing there", "an old folder there"])
def test_a_failure_leaves_the_old_folder_and_no_leftovers(tmp_path, before, error):
    (tmp_path / "model").mkdir()
    for name, text in before.items():
        (tmp_path / "model" / name).write_text(text)
    with pytest.raises(error), replacing_folder(tmp_path / "model", NAMES, overwrite=True) as partial:  # noqa: PT012
        (partial / "a.txt").write_text("half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert {p.name: p.read_text() for p in (tmp_path / "model").iterdir()} == before


def test_an_interrupt_between_the_two_renames_brings_the_old_folder_back(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.txt").write_text("old")
    rename, calls = type(tmp_path).rename, []

    def interrupted(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "model", NAMES, overwrite=True) as partial:
        (partial / "a.txt").write_text("new")
    assert (tmp_path / "model" / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("replace", [replacing, lambda path: replacing_folder(path, NAMES)], ids=["a file", "a folder"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_for_users(tmp_path, replace, number):
    with pytest.raises(GeoPointSegError, match=r"expected room on the disk to write .*model.*free some"):  # noqa: SIM117
        with replace(tmp_path / "model"):
            raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_another_error_of_the_system_is_no_full_disk(tmp_path):
    with pytest.raises(PermissionError), replacing(tmp_path / "map.tif"):
        raise PermissionError(errno.EACCES, "no")


# files that belong together


def place_both(tmp_path, *, overwrite=True):
    with replacing_files([tmp_path / name for name in NAMES], overwrite=overwrite) as made:
        for name in NAMES:
            (made / name).write_text("new")


def held(tmp_path):
    return {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_files_that_belong_together_appear_together(tmp_path):
    with replacing_files([tmp_path / "deep" / name for name in NAMES]) as made:
        assert made.parent == tmp_path / "deep"
        for name in NAMES:
            (made / name).write_text("new")
        (made / "scratch").write_text("not asked for")
        assert [path for path in made.parent.iterdir() if not path.name.startswith(".")] == []
    assert held(tmp_path / "deep") == {"a.txt": "new", "b.txt": "new"}


@pytest.mark.parametrize("name", NAMES)
def test_one_file_that_exists_refuses_all(tmp_path, name):
    (tmp_path / name).write_text("old")
    with pytest.raises(GeoPointSegError, match=rf"existing .*{name}: add --overwrite"):
        place_both(tmp_path, overwrite=False)
    assert held(tmp_path) == {name: "old"}
    place_both(tmp_path)
    assert held(tmp_path) == {"a.txt": "new", "b.txt": "new"}


@pytest.mark.parametrize("before", [{}, {"a.txt": "old"}, {"a.txt": "old", "b.txt": "old"}], ids=len)
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_an_interrupt_among_the_renames_brings_everything_back(tmp_path, monkeypatch, before, stop):
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    rename, calls = type(tmp_path).rename, []

    def interrupted(self, target):
        calls.append(target)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", interrupted)
    if stop > len(before) + 2:
        place_both(tmp_path)
        assert held(tmp_path) == {"a.txt": "new", "b.txt": "new"}
    else:
        with pytest.raises(KeyboardInterrupt):
            place_both(tmp_path)
        assert held(tmp_path) == before
