"""A map is the same, byte by byte, whatever the shards, the workers and the number of times that it was killed."""

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from calling import predict

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.backends import Predictor
from geopointseg.learning.bundle import load
from geopointseg.maps import lattice, merge, provenance
from geopointseg.maps import predict as module
from geopointseg.maps.classify import blended
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.raster import open_raster

SHAPE = (200, 230)
OPTIONS = {"window": 64, "overlap": 16, "batch_size": 2, "shard_rows": 2, "confidence": True}
COUNT = 9  # shards: three strips of 80 columns, two, two and one rows of windows


class Opinion:
    """What a network would say, in a moment: it depends on the pixels and on where in the window they lie."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, pixels):
        self.asked += len(pixels)
        place = np.linspace(0, 9, 64, dtype=np.float32)
        value = np.nan_to_num(pixels[:, 0]) / 20 + place[:, None] - place[None] / 3
        rough = np.exp(-np.abs(value[:, None] - np.arange(5, dtype=np.float32)[:, None, None] * 3))
        return rough / rough.sum(axis=1, keepdims=True)


LOADED = cache(load)


@pytest.fixture
def opinion(monkeypatch):
    """Instead of a network."""
    return asking(monkeypatch)


def asking(monkeypatch):
    """Put an opinion in the place of a network."""
    made = Opinion()
    monkeypatch.setattr(provenance, "serialized", lambda _: b"weights")  # hashing them takes longer than all the rest
    monkeypatch.setattr(module, "load", LOADED)
    monkeypatch.setattr(
        module, "predictor", lambda task, _: Predictor(made, task.classes, "torch", "32-true", "a test")
    )
    monkeypatch.setattr(lattice, "STRIP", 80)
    return made


def picture():
    """Two bands with a hole in them."""
    bands = np.random.default_rng(0).integers(1, 200, size=(2, *SHAPE), dtype=np.uint8)
    bands[:, 30:40, 50:60] = 0
    return bands


@pytest.fixture
def scene(raster_file):
    """A raster."""
    return raster_file(picture(), "scene.tif")


def content(folder: Path, *, hidden: bool = True) -> dict[str, bytes]:
    """All files that lie under a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (hidden or not path.name.startswith("."))
    }


@pytest.fixture(scope="module")
def whole(checkpoint, raster_file, tmp_path_factory):
    """The files of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        asking(patched)
        predict(checkpoint, [str(raster_file(picture(), "scene.tif"))], out=folder / "map.tif", **OPTIONS)
    assert not [path for path in folder.iterdir() if path.is_dir()]  # the shards went
    files = content(folder)
    assert set(files) == {"map.tif", "map.tif.aux.xml", "map.qml", "map.json", "map_confidence.tif"}
    return files


# the lattice


@pytest.mark.parametrize("shape", [(1, 1), (5, 500), (500, 5), (64, 64), (200, 230), (449, 1000)], ids=str)
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_the_cores_of_shards_cover_the_raster_once(monkeypatch, shape, rows):
    monkeypatch.setattr(lattice, "STRIP", 80)
    visits = np.zeros(shape, int)
    for shard in (places := Lattice(*shape, Windowing(64, 16, 4, rows))).shards():
        core = places.core(shard)
        visits[core.row : core.row + core.height, core.col : core.col + core.width] += 1
    assert (visits == 1).all()


@pytest.mark.parametrize("overlap", [0, 1, 16, 31])
def test_a_shard_is_the_same_alone_and_in_a_row(raster_file, monkeypatch, overlap):
    monkeypatch.setattr(lattice, "STRIP", 80)
    raster = open_raster(raster_file(picture()))

    def probabilities(parts, places):
        return {(window, shares.tobytes()) for _, window, shares in blended(Opinion(), 5, raster, places, parts)}

    one = Lattice(*SHAPE, Windowing(64, overlap, 2, 1))
    together = probabilities(one.shards(), one)
    assert together == {each for shard in one.shards() for each in probabilities([shard], one)}
    assert together == probabilities(one.shards()[::-1], one)
    for rows in (2, 3, 100):
        larger = Lattice(*SHAPE, Windowing(64, overlap, 2, rows))
        assert together == probabilities(larger.shards(), larger)


def test_a_huge_raster_is_cut_at_once():
    places = Lattice(60_000, 60_000, Windowing())
    assert len(places.strips) == 8
    assert len(places.shards()) == 8 * -(-len(places.rows) // 5)
    assert places.core(places.shards()[-1]).row + places.core(places.shards()[-1]).height == 60_000
    assert places.asked() == len(places.rows) * sum(
        sum(col < right and col + 768 > left for col in places.columns) for left, right in places.strips
    )


# going on


class Stop(Exception):  # noqa: N818 - it is no error
    """The end of a run."""


@pytest.fixture
def stopping(monkeypatch):
    """Let a run end after so many shards."""

    def stop(after, error=Stop):
        original, done = zipfile.ZipFile.close, []

        def close(self):
            original(self)
            if self.mode == "x":
                done.append(self)
                if len(done) == after:
                    monkeypatch.setattr(zipfile.ZipFile, "close", original)
                    raise error

        monkeypatch.setattr(zipfile.ZipFile, "close", close)

    return stop


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_the_size_of_shards_does_not_show(opinion, whole, checkpoint, scene, tmp_path, rows):
    predict(checkpoint, [str(scene)], out=tmp_path / "other" / "map.tif", **OPTIONS | {"shard_rows": rows})
    assert content(tmp_path / "other") == whole


def test_a_run_goes_on_with_what_is_left(opinion, whole, checkpoint, scene, tmp_path, stopping):
    out = tmp_path / "stopped" / "map.tif"
    stopping(5)
    with pytest.raises(Stop):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert sorted(content(out.parent)) == [
        "map.tif.shards/manifest.json", *(f"map.tif.shards/shard-{number:06d}.zip" for number in range(1, 5))
    ]  # fmt: skip
    first = opinion.asked
    report = predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert str(report).startswith("went on from 4 shards that were finished before\n")
    assert content(out.parent) == whole
    all_of_it = Lattice(*SHAPE, Windowing(64, 16, 2, 2)).asked()
    assert opinion.asked - first < all_of_it * 0.8


def test_a_damaged_shard_is_computed_again(opinion, whole, checkpoint, scene, tmp_path):
    out = tmp_path / "parts" / "map.tif"
    predict(checkpoint, [str(scene)], out=out, shard="1/1", **OPTIONS)
    one, other = (out.parent / "map.tif.shards" / f"shard-00000{number}.zip" for number in (2, 7))
    one.write_bytes(one.read_bytes()[:-30])
    other.write_bytes(b"")
    with pytest.raises(GeoPointSegError, match=r"expected all 9 shards in .*, got all but 2 \(2, 7\)"):
        merge.merge(out)
    predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert content(out.parent) == whole


def test_bytes_that_changed_on_the_disk_are_not_merged(opinion, checkpoint, scene, tmp_path):
    out = tmp_path / "parts" / "map.tif"
    predict(checkpoint, [str(scene)], out=out, shard="1/1", **OPTIONS)
    one = out.parent / "map.tif.shards" / "shard-000003.zip"
    held = bytearray(one.read_bytes())
    held[len(held) // 3] ^= 255
    one.write_bytes(held)
    with pytest.raises(GeoPointSegError, match=r"expected a whole shard, got .*shard-000003\.zip .*remove that file"):
        merge.merge(out)
    assert not out.exists()


CHANGES = {
    "window": ({"window": 96}, r"another window \(was 64, is 96\)"),
    "overlap": ({"overlap": 8}, r"another overlap \(was 16, is 8\)"),
    "scores": ({"margin": True}, r"another scores \(was .*confidence.*, is .*margin"),
    "pool": ({"pool": "mean"}, r"another pool-mean \(was False, is True\)"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_other_options_start_afresh_and_say_why(
    opinion, checkpoint, scene, tmp_path, stopping, caplog, monkeypatch, change, message
):
    out = tmp_path / "map.tif"
    stopping(3)
    with pytest.raises(Stop):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    caplog.clear()
    with pytest.raises(GeoPointSegError, match=r"expected in .* shards of the same job"):
        predict(checkpoint, [str(scene)], out=out, shard="1/2", **OPTIONS | change)
    seen = []
    monkeypatch.setattr(module, "run", lambda *given: seen.extend(given[1]) or iter(()))
    monkeypatch.setattr(module, "_merged", lambda *_, **__: ())
    predict(checkpoint, [str(scene)], out=out, **OPTIONS | change)
    assert sum(len(portion.shards) for portion in seen) == len(seen[0].job.lattice.shards())
    (said,) = caplog.messages
    assert re.search(message, said), said


def test_another_raster_starts_afresh(opinion, whole, checkpoint, scene, tmp_path, stopping, caplog):
    out = tmp_path / "stopped" / "map.tif"
    stopping(3)
    with pytest.raises(Stop):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    known = scene.stat()
    held = bytearray(scene.read_bytes())
    scene.write_bytes(held)
    os.utime(scene, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert [message for message in caplog.messages if "content of the raster" in message]
    assert content(out.parent) == whole


def test_what_is_done_in_the_end_may_change_without_a_new_start(opinion, checkpoint, scene, tmp_path, caplog):
    out = tmp_path / "map.tif"
    predict(checkpoint, [str(scene)], out=out, shard="1/1", **OPTIONS)
    opinion.asked = 0
    predict(checkpoint, [str(scene)], out=out, mmu=2000, **OPTIONS)
    assert (opinion.asked, caplog.messages) == (0, [])
    predict(checkpoint, [str(scene)], out=tmp_path / "other" / "map.tif", mmu=2000, **OPTIONS)
    assert out.read_bytes() == (tmp_path / "other" / "map.tif").read_bytes()


def test_foreign_files_among_the_shards_are_not_removed(opinion, checkpoint, scene, tmp_path, stopping):
    out = tmp_path / "map.tif"
    stopping(3)
    with pytest.raises(Stop):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    (tmp_path / "map.tif.shards" / "thesis.doc").write_text("years of work")
    with pytest.raises(GeoPointSegError, match=r"expected nothing but shards in .*, got thesis\.doc"):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS | {"window": 96})
    assert (tmp_path / "map.tif.shards" / "thesis.doc").exists()


def test_maps_that_are_done_are_not_made_again(opinion, checkpoint, raster_file, tmp_path, monkeypatch):
    rasters = [str(raster_file(picture(), name)) for name in ("a.tif", "b.tif", "c.tif")]
    original = merge.write_map

    def failing(path, *given, **options):
        if path.name == "c.tif":
            raise Stop
        return original(path, *given, **options)

    monkeypatch.setattr(merge, "write_map", failing)
    with pytest.raises(Stop):
        predict(checkpoint, rasters, out=tmp_path / "maps", **OPTIONS)
    monkeypatch.setattr(merge, "write_map", original)
    before, opinion.asked = (tmp_path / "maps" / "a.tif").stat().st_mtime_ns, 0
    files = predict(checkpoint, rasters, out=tmp_path / "maps", **OPTIONS).files
    assert [path.name for path in files if path.suffix == ".tif" and "_" not in path.name] == [
        "a.tif",
        "b.tif",
        "c.tif",
    ]
    assert opinion.asked == 0
    assert (tmp_path / "maps" / "a.tif").stat().st_mtime_ns == before
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == sorted(path.name for path in files)
    with pytest.raises(GeoPointSegError, match="add --overwrite"):
        predict(checkpoint, rasters, out=tmp_path / "maps", **OPTIONS)


# parts


@pytest.mark.parametrize("count", [1, 2, 4, 20])
def test_parts_that_are_merged_give_the_same_map(opinion, whole, checkpoint, scene, tmp_path, count):
    out = tmp_path / "parts" / "map.tif"
    for number in reversed(range(1, count + 1)):
        report = predict(checkpoint, [str(scene)], out=out, shard=f"{number}/{count}", **OPTIONS)
        assert report.following == f"geopointseg merge {out}"
        assert not out.exists()
    asked = opinion.asked
    merge.merge(out)
    assert content(out.parent) == whole
    assert opinion.asked == asked


def test_merge_works_on_a_folder_of_maps_and_names_what_is_missing(opinion, checkpoint, raster_file, tmp_path, capsys):
    rasters = [str(raster_file(picture(), name)) for name in ("a.tif", "b.tif")]
    predict(checkpoint, rasters, out=tmp_path / "maps", shard="1/2", **OPTIONS)
    predict(checkpoint, rasters, out=tmp_path / "maps", shard="2/3", **OPTIONS)
    assert main(["merge", str(tmp_path / "maps")]) == 2
    assert "got all but 6 (4, 5, 6, 7, 8, 9): run the command" in capsys.readouterr().err
    assert not (tmp_path / "maps" / "a.tif").exists()
    predict(checkpoint, rasters, out=tmp_path / "maps", shard="3/3", **OPTIONS)
    assert main(["merge", str(tmp_path / "maps")]) == 0
    assert f"wrote\n  {tmp_path / 'maps' / 'a.tif'}" in capsys.readouterr().out
    assert (tmp_path / "maps" / "b_confidence.tif").exists()
    assert not list((tmp_path / "maps").glob("*.shards"))


def test_merge_without_shards_says_what_makes_them(tmp_path):
    with pytest.raises(GeoPointSegError, match=r"expected shards in .*map\.tif\.shards, got none: .*--shard 1/8"):
        merge.merge(tmp_path / "map.tif")


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", ""])
def test_a_part_that_cannot_be_is_refused(checkpoint, scene, tmp_path, shard):
    with pytest.raises(GeoPointSegError, match="expected a part as 1/8"):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", shard=shard)


def test_a_damaged_manifest_is_named(opinion, checkpoint, scene, tmp_path):
    predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", shard="1/9", **OPTIONS)
    manifest = tmp_path / "map.tif.shards" / "manifest.json"
    for text in ("{", "{}", json.dumps(json.loads(manifest.read_text()) | {"raster": {}})):
        manifest.write_text(text)
        with pytest.raises(GeoPointSegError, match=r"expected a manifest .*remove the folder .* to start afresh"):
            merge.merge(tmp_path / "map.tif")


def test_merging_loads_no_torch():
    script = "import sys, geopointseg.maps.merge; print({'torch', 'torchgeo', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# what goes wrong


def test_a_full_disk_keeps_what_is_finished(opinion, whole, checkpoint, scene, tmp_path, stopping):
    out = tmp_path / "full" / "map.tif"
    stopping(4, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(
        GeoPointSegError, match=r"room on the disk .*at shard 4 of 9; finished shards stay in .*same com"
    ):
        predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert len(list((out.parent / "map.tif.shards").iterdir())) == 1 + 3
    predict(checkpoint, [str(scene)], out=out, **OPTIONS)
    assert content(out.parent) == whole


def test_a_block_that_cannot_be_read_is_named(opinion, checkpoint, scene, tmp_path):
    os.truncate(scene, scene.stat().st_size // 4)  # of two bands one after the other: the first is there in part
    with pytest.raises(GeoPointSegError, match=r"cannot be read at row \d+, column \d+ .*at shard \d of 9; finished"):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", allow=["values"], **OPTIONS)


def test_a_disk_without_room_is_refused_before_the_work(opinion, checkpoint, scene, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(
        GeoPointSegError, match=r"expected room for about \d+ MB on the disk of .*, got 1 MB: free some"
    ):
        predict(checkpoint, [str(scene)], out=tmp_path / "new" / "map.tif", **OPTIONS)
    assert (opinion.asked, list(tmp_path.iterdir())) == (0, [])


# elsewhere


def test_a_raster_of_the_web_is_mapped_and_its_secrets_are_not_told(opinion, checkpoint, served, raster_file, tmp_path):
    folder, address, _ = served
    raster_file(picture(), "scene.tif", folder=folder)
    options = OPTIONS | {"out": tmp_path / "map.tif", "pool": "vote"}
    predict(checkpoint, [f"{address}/scene.tif?signature=secret"], shard="1/1", **options)
    files = merge.merge(tmp_path / "map.tif")
    here = predict(checkpoint, [str(folder / "scene.tif")], **options | {"out": tmp_path / "here" / "map.tif"}).files
    with rasterio.open(files[0]) as made, rasterio.open(here[0]) as wanted:
        np.testing.assert_array_equal(made.read(), wanted.read())
        assert made.tags()["RASTER"] == "scene.tif"
        assert "secret" not in str(made.tags())
    assert "secret" not in (tmp_path / "map.json").read_text()
    predict(checkpoint, [f"{address}/scene.tif"], **options | {"out": tmp_path / "maps"})
    assert (tmp_path / "maps" / "scene.tif").exists()


# executors


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_the_executor_does_not_show(checkpoint, scene, tmp_path, executor):
    if executor == "dask":
        pytest.importorskip("distributed", reason="needs the extra dask")
    options = OPTIONS | {"shard_rows": 1, "probabilities": True}
    for name, how in (("serial", {}), (executor, {"executor": executor, "workers": 2})):
        predict(checkpoint, [str(scene)], out=tmp_path / name / "map.tif", **options, **how)
    assert content(tmp_path / executor) == content(tmp_path / "serial")


# killed

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from calling import predict
from test_shards import LOADED, OPTIONS, Opinion, lattice, module, provenance
from geopointseg.learning.backends import Predictor

model, scene, folder = map(Path, sys.argv[1:])
lattice.STRIP = 80
module.load = LOADED
provenance.serialized = lambda _: b"weights"
module.predictor = lambda task, _: Predictor(Opinion(), task.classes, "torch", "32-true", "a test")
module.load(model)


def attempt(out, last):
    "Predict in a process of its own, which dies at its last-th file operation; how it ended, how many there were."
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        count = 0

        def watch(event, given):
            nonlocal count
            writing = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
            if (writing or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")) and str(folder) in str(given[0]):
                count += 1
                if count == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        predict(model, [str(scene)], out=out, mmu=900, **OPTIONS)
        os.write(tell, count.to_bytes(4, "little"))
        os._exit(0)
    os.close(tell)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, int.from_bytes(os.read(told, 4), "little")


status, total = attempt(folder / "whole" / "map.tif", 0)
assert status == 0 and total > 40, (status, total)
moments = [round(total * (i + 0.5) / 10) for i in range(10)]
assert len(set(moments)) == 10
for moment in moments:
    out = folder / str(moment) / "map.tif"
    assert attempt(out, moment)[0] == -signal.SIGKILL, moment
    status, left = attempt(out, 0)
    assert status == 0, moment
    print(moment, total, left)
"""


@pytest.mark.slow
def test_killed_at_ten_moments_the_next_run_ends_with_the_same_bytes(checkpoint, scene, tmp_path):
    paths = [str(Path(__file__).parent), *sys.path]
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(paths=paths))
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, str(script), str(checkpoint), str(scene), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    whole = content(tmp_path / "out" / "whole")
    assert len(whole) == 5
    attempts = [path for path in (tmp_path / "out").iterdir() if path.name != "whole"]
    assert len(attempts) == 10
    for path in attempts:
        assert content(path) == whole, path.name
        assert not [each for each in path.iterdir() if each.is_dir()]
