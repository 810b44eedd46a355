"""A data set is there whole or not at all, however it came."""

import hashlib
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import make
import numpy as np
import pytest
from server import serving

from geopointseg.cli import main
from geopointseg.datasets import archive, fetch, landcoverai, pets
from geopointseg.datasets.download import download
from geopointseg.datasets.prepare import prepare
from geopointseg.datasets.table import ADAPTERS, table
from geopointseg.errors import GeoPointSegError

ZIP = "landcover.ai.v1.zip"
MARK = f".{ZIP}.fetched"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The archive of a tiny LandCover.ai."""
    folder = tmp_path_factory.mktemp("packed")
    make.make_landcoverai(folder / "files", tile=4)
    return make.archive(folder / "files", folder / ZIP).read_bytes()


@pytest.fixture
def site(packed, monkeypatch):
    """A site with the archive, whose checksum is the published one as far as the data set is concerned."""
    monkeypatch.setattr(fetch, "PAUSE", 0)
    (file,) = landcoverai.DATASET.files
    checksum = f"md5:{hashlib.md5(packed).hexdigest()}"
    tiny = type(file)(file.url, checksum, len(packed))
    monkeypatch.setattr(landcoverai, "DATASET", make_with(landcoverai.DATASET, files=(tiny,)))
    with serving() as one:
        one.files[f"/{ZIP}"] = packed
        yield one


def make_with(dataset, **changes):
    fields = {name: getattr(dataset, name) for name in dataset.__dataclass_fields__}
    return type(dataset)(**(fields | changes))


def fetched(site, root, **options):
    return download("landcoverai", root, accept_licence=True, mirror=site.url, **options)


def test_a_data_set_is_fetched_unpacked_and_then_left_alone(site, tmp_path):
    report = fetched(site, tmp_path)
    assert report.images["train"] == 41
    assert {path.name for path in tmp_path.iterdir()} >= {
        "images",
        "masks",
        "split.py",
        "train.txt",
        "val.txt",
        "test.txt",
    }
    assert not (tmp_path / ZIP).exists()
    assert "nothing to do" in str(fetched(site, tmp_path))
    assert len(site.seen) == 1


def test_the_owner_s_terms_must_be_agreed_to(site, tmp_path):
    with pytest.raises(
        GeoPointSegError, match=r"expected --accept-licence for LandCover.ai v1.*CC BY-NC-SA 4.0.*linuxpolska.com"
    ):
        download("landcoverai", tmp_path / "data", mirror=site.url)
    assert not site.seen
    assert not (tmp_path / "data").exists()


def test_a_break_leaves_no_data_set_and_is_gone_on_with(site, tmp_path, packed, monkeypatch):
    monkeypatch.setattr(fetch.fetch, "__kwdefaults__", {"tries": 1})
    site.cuts = [int(np.random.default_rng(5).integers(1, len(packed))), 0]
    with pytest.raises(GeoPointSegError, match=r"run the command again to go on"):
        fetched(site, tmp_path)
    assert all(path.name.startswith(f".{ZIP}.part") for path in tmp_path.iterdir())
    site.cuts = []
    assert fetched(site, tmp_path).images["test"] == 41


def nothing_but(root, *names):
    assert {path.name for path in root.iterdir()} == set(names)


def test_a_wrong_checksum_leaves_nothing(site, tmp_path, packed):
    site.files[f"/{ZIP}"] = packed[:-1]
    with pytest.raises(GeoPointSegError, match=r"expected .* with the MD5"):
        fetched(site, tmp_path)
    nothing_but(tmp_path)


def without_checksum(monkeypatch):
    file = landcoverai.DATASET.files[0]
    monkeypatch.setattr(landcoverai, "DATASET", make_with(landcoverai.DATASET, files=(type(file)(file.url),)))


def test_a_truncated_archive_leaves_no_data_set(site, tmp_path, packed, monkeypatch):
    without_checksum(monkeypatch)
    site.files[f"/{ZIP}"] = packed[: len(packed) // 2]
    with pytest.raises(GeoPointSegError, match=r"damaged or cut short"):
        fetched(site, tmp_path)
    nothing_but(tmp_path, ZIP, MARK)


def test_a_hostile_archive_leaves_no_data_set(site, tmp_path, packed, monkeypatch):
    without_checksum(monkeypatch)
    root = tmp_path / "root"
    hostile = tmp_path / ZIP
    hostile.write_bytes(packed)
    with archive.zipfile.ZipFile(hostile, "a") as target:
        target.writestr("../../evil.txt", b"x")
    site.files[f"/{ZIP}"] = hostile.read_bytes()
    with pytest.raises(GeoPointSegError, match=r"'../../evil.txt', which is a path that leaves the folder"):
        fetched(site, root)
    nothing_but(root, ZIP, MARK)
    assert not list(tmp_path.rglob("evil.txt"))


def test_no_room_to_unpack_leaves_no_data_set(site, tmp_path, monkeypatch, packed):
    free = iter([10**9, 10**9, 10**9, 10])
    with monkeypatch.context() as full:
        full.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
        with pytest.raises(GeoPointSegError, match=rf"of room on the disk of .* to unpack {re.escape(ZIP)}"):
            fetched(site, tmp_path)
    nothing_but(tmp_path, ZIP, MARK)
    assert download("landcoverai", tmp_path, accept_licence=True).images["val"] == 41  # the archive lies there
    assert not (tmp_path / ZIP).exists()  # fetched by the run before: not the user's
    assert not (tmp_path / MARK).exists()


def test_a_kill_while_files_take_their_places_is_undone_by_the_next_run(site, tmp_path, monkeypatch):
    rename, calls = Path.rename, []

    def killed(self, target):
        if Path(target).parent == tmp_path:
            calls.append(target)
            if len(calls) == 3:
                raise SystemExit  # and nobody is left to tidy up
        return rename(self, target)

    with monkeypatch.context() as moment:
        moment.setattr(Path, "rename", killed)
        moment.setattr("geopointseg.datasets.download._undo_placing", lambda root: None)
        with pytest.raises(SystemExit):
            fetched(site, tmp_path)
    assert (tmp_path / ".placing.json").exists()
    report = download("landcoverai", tmp_path, accept_licence=True)
    assert report.images["train"] == 41
    assert not (tmp_path / ".placing.json").exists()


@pytest.mark.parametrize("name", [".placing.json", ".unpacked/a.json"])
def test_an_archive_cannot_speak_for_us(site, tmp_path, packed, monkeypatch, name):
    without_checksum(monkeypatch)
    hostile = tmp_path / ZIP
    hostile.write_bytes(packed)
    with archive.zipfile.ZipFile(hostile, "a") as target:
        target.writestr(name, '{"placing": ["../precious"]}')
    site.files[f"/{ZIP}"] = hostile.read_bytes()
    with pytest.raises(GeoPointSegError, match=r"do not trust this copy"):
        fetched(site, tmp_path / "root")
    nothing_but(tmp_path / "root", ZIP, MARK)


def test_a_list_of_what_was_placed_removes_nothing_outside(tmp_path, copy_of):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "precious").mkdir()
    (root / ".placing.json").write_text(f'{{"placing": ["../precious", "{tmp_path / "precious"}", "", "."]}}')
    with pytest.raises(GeoPointSegError, match=r"expected an archive"):
        download("potsdam", root)
    assert (tmp_path / "precious").is_dir()
    assert root.is_dir()


def test_what_somebody_removed_is_fetched_again(site, tmp_path):
    fetched(site, tmp_path)
    for entry in tmp_path.iterdir():
        if not entry.name.startswith("."):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert fetched(site, tmp_path).fetched == (ZIP,)
    assert "nothing to do" in str(fetched(site, tmp_path))


def test_room_for_all_archives_is_asked_for_before_the_first(monkeypatch, tmp_path):
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 10**9))
    with (
        serving() as one,
        pytest.raises(
            GeoPointSegError,
            match=r"expected 235.0 GB of room on the disk of .* to fetch and unpack FLAIR #1, got 100.0 GB",
        ),
    ):
        download("flair", tmp_path, mirror=one.url)
    assert not one.seen


def test_one_archive_of_two_leaves_nothing_and_waits_for_the_other(copy_of, tmp_path):
    root, _ = copy_of("gid")
    base = root / "Large-scale Classification_5classes"
    make.archive(base / "label_5classes", tmp_path / "label_5classes.zip")
    with pytest.raises(
        GeoPointSegError, match=r"expected images of GID.* in label_5classes.zip, got none: put its other"
    ):
        download("gid", tmp_path)
    nothing_but(tmp_path, "label_5classes.zip")
    make.archive(base / "image_RGB", tmp_path / "image_RGB.zip")
    assert download("gid", tmp_path).images["all"] == 5
    assert all(pair.truth for pair in ADAPTERS["gid"].pairs(tmp_path, "all"))


def test_only_must_fit_an_archive(tmp_path):
    with pytest.raises(
        GeoPointSegError,
        match=r"expected a --only that fits .* FLAIR #1, got X\*: they are D004_2021.zip.*\(50 of them\)",
    ):
        download("flair", tmp_path, only="X*")


def test_files_that_are_in_the_way_are_kept(site, tmp_path):
    (tmp_path / "images").mkdir()
    mine = next(iter(landcoverai.DATASET.splits)) + ".txt"
    (tmp_path / mine).write_text("mine")
    with pytest.raises(GeoPointSegError, match=rf"expected room for {mine}.*move it elsewhere"):
        fetched(site, tmp_path)
    assert (tmp_path / mine).read_text() == "mine"
    nothing_but(tmp_path, mine, "images", ZIP, MARK)


def test_archives_put_there_by_hand_are_unpacked(tmp_path):
    make.make_potsdam(tmp_path / "files", size=16, imagery=("RGB",))
    root, outer = tmp_path / "root", tmp_path / "outer" / "Potsdam"
    root.mkdir()
    outer.mkdir(parents=True)
    for folder in ("2_Ortho_RGB", "1_DSM_normalisation"):  # their files lie in a folder of that name
        (tmp_path / "one" / folder).parent.mkdir(exist_ok=True)
        shutil.move(tmp_path / "files" / folder, tmp_path / "one" / folder)
        make.archive(tmp_path / "one", outer / f"{folder}.zip")
        shutil.rmtree(tmp_path / "one")
    for folder in ("5_Labels_all", "5_Labels_all_noBoundary"):  # and these have none
        make.archive(tmp_path / "files" / folder, outer / f"{folder}.zip")
    make.archive(tmp_path / "outer", root / "Potsdam.zip")
    report = download("potsdam", root)
    assert report.images == {"train": 24, "test": 14, "all": 38}
    assert (root / "Potsdam.zip").exists()  # it is the user's
    assert "nothing to do" in str(download("potsdam", root))
    assert len(prepare("potsdam", root, out=tmp_path / "out", labels="eroded", ndsm=True).truth) == 24


def test_a_data_set_prepared_by_hand_is_recognised(copy_of):
    for name in ("potsdam", "vaihingen", "deepglobe", "gid", "zurich", "flair", "dubai", "pets", "agriculture-vision"):
        report = download(name, copy_of(name)[0])
        assert "nothing to do" in str(report)
        assert report.images


def test_what_cannot_be_fetched_says_how_to_get_it(tmp_path):
    with pytest.raises(
        GeoPointSegError, match=r"expected an archive of ISPRS Potsdam in .*ask for it at https://www.isprs.org"
    ):
        download("potsdam", tmp_path / "p")
    with pytest.raises(GeoPointSegError, match=r"expected ISPRS Potsdam, patches, in .*put Image_0.tif"):
        download("potsdam-patches", tmp_path / "p")
    with pytest.raises(GeoPointSegError, match=r"expected an address of the web as --mirror"):
        download("pets", tmp_path / "q", mirror="disk/pets")


def test_tar_archives_of_one_data_set_come_together(copy_of, tmp_path, monkeypatch):
    root, _ = copy_of("pets")
    with serving() as one:
        files = []
        for folder in ("images", "annotations"):
            (tmp_path / "one").mkdir()
            shutil.copytree(root / folder, tmp_path / "one" / folder)
            content = make.archive(tmp_path / "one", tmp_path / f"{folder}.tar.gz").read_bytes()
            one.files[f"/{folder}.tar.gz"] = content
            files.append(fetch.RemoteFile(f"{one.url}/{folder}.tar.gz", f"md5:{hashlib.md5(content).hexdigest()}"))
            shutil.rmtree(tmp_path / "one")
        monkeypatch.setattr(pets, "DATASET", make_with(pets.DATASET, files=tuple(files)))
        report = download("pets", tmp_path / "pets")
    assert report.images == {"trainval": 4, "test": 1}
    assert report.fetched == ("images.tar.gz", "annotations.tar.gz")


def test_addresses_and_checksums_are_well_formed():
    for module in ADAPTERS.values():
        for file in module.DATASET.files:
            assert file.url.startswith("https://")
            assert not file.checksum or re.fullmatch("md5:[0-9a-f]{32}", file.checksum)
            assert file.name.endswith(archive.SUFFIXES)
    assert len({file.name for file in ADAPTERS["flair"].DATASET.files}) == 50


def test_the_commands_list_and_refuse(tmp_path, capsys):
    assert main(["datasets"]) == 0
    text = capsys.readouterr().out
    assert all(cell in text for row in table().rows for cell in row)
    assert len(table().rows) == len(ADAPTERS) + 1
    assert main(["download", "landcoverai", str(tmp_path)]) == 2
    assert "--accept-licence" in capsys.readouterr().err


def test_the_command_says_how_to_go_on(copy_of, capsys):
    root, _ = copy_of("zurich")
    assert main(["download", "zurich", str(root)]) == 0
    text = capsys.readouterr().out
    assert "images: 20 all, 15 train, 5 test" in text
    assert f"next: geopointseg prepare zurich {root}" in text
