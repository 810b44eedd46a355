"""Every clause of the contract fails when just it is broken, and a sound map keeps them all."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.maps.scores import write_scores
from geopointseg.maps.verify import CLAUSES, judge_map, require_sound
from geopointseg.maps.write import write_map

TAGS = {
    "MODEL": "model",
    "MODEL_SHA256": "0" * 64,
    "RASTER": "ortho.tif",
    "RASTER_SHA256": "a" * 64,
    "OPTIONS": '{"window": 512}',
}


@pytest.fixture
def sound(tmp_path, grid, classes):
    """A map of 701 x 600 pixels with one overview, blocks of classes in it and a hole; and its scores."""
    ids = np.random.default_rng(0).integers(5, size=(71, 60), dtype=np.uint8).repeat(10, 0).repeat(10, 1)[:701]
    ids[::7, ::5] = 3
    ids[300:400, 100:200] = 255
    path, *_ = write_map(tmp_path / "map.tif", grid(701, 600), classes, [(Window(0, 0, 701, 600), ids)], tags=TAGS)
    write_scores(tmp_path / "map_margin.tif", grid(701, 600), classes, [], kind="margin")
    return path


def rewritten(path, *, pixels=None, tags=(), drop=(), cmap=None, driver="COG", options=None, **profile):
    """The map written again by rasterio alone, with something else about it."""
    with rasterio.open(path) as source:
        array = source.read(1) if pixels is None else pixels(source.read(1))
        own = {k: source.profile[k] for k in ("dtype", "crs", "transform", "nodata")} | profile
        every = {k: v for k, v in (source.tags() | dict(tags)).items() if k not in drop}
        palette = source.colormap(1) if cmap is None else cmap(source.colormap(1))
    plain = path.with_name("plain.tif")
    count = own.pop("count", 1)
    with rasterio.open(
        plain, "w", driver="GTiff", count=count, height=array.shape[0], width=array.shape[1], tiled=True, **own
    ) as out:
        for band in range(1, count + 1):
            out.write(array.astype(own["dtype"]), band)
        if palette and own["dtype"] == "uint8" and count == 1:
            out.write_colormap(1, palette)
        out.update_tags(**every)
    given = {"COG": {"overview_resampling": "MODE", "blocksize": 512}, "GTiff": {"tiled": True}}[driver]
    aux = path.with_name("map.tif.aux.xml").read_bytes()
    rasterio.shutil.copy(plain, path, driver=driver, **given | (options or {}))
    path.with_name("map.tif.aux.xml").write_bytes(aux)
    plain.unlink()


def edited(ending, old, new):
    """A change of the text of a companion."""

    def change(path):
        file = path.with_name(path.stem + ending)
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def removed(ending):
    return lambda path: path.with_name(path.stem + ending).unlink()


def again(**changes):
    return lambda path: rewritten(path, **changes)


def with_pixel(value):
    def change(array):
        array[8, 8] = value
        return array

    return again(pixels=change)


def with_color(value, rgba):
    return again(cmap=lambda palette: palette | {value: rgba})


def scores_of(**profile):
    """Scores that are not as the map: a plain file with this profile."""

    def write(path):
        other = path.with_name("map_margin.tif")
        with rasterio.open(other) as source:
            own, array, scales = {**source.profile, "driver": "GTiff"}, source.read(), source.scales
        plain = path.with_name("plain.tif")
        scales = profile.pop("scales", scales)
        offset = profile.pop("offset", 0)
        driver = profile.pop("made", "COG")
        with rasterio.open(plain, "w", **own | profile) as out:
            out.write(array)
            out.update_tags(KIND="margin")
            out.scales, out.offsets = scales, (offset,)
        rasterio.shutil.copy(plain, other, driver=driver)
        plain.unlink()

    return write


MOVED = rasterio.Affine(10, 0, 400_010, 0, -10, 5_800_000)
BROKEN = {
    "two bands": ("type", again(count=2, options={"interleave": "PIXEL"})),
    "16 bits": ("type", again(dtype="uint16")),
    "no COG": ("cog", again(driver="GTiff")),
    "large tiles": ("cog", again(options={"blocksize": 2048})),
    "no overviews": ("cog", again(options={"overviews": "NONE"})),
    "no CRS": ("grid", again(crs=None)),
    "upside down": ("grid", again(transform=rasterio.Affine(10, 0, 400_000, 0, 10, 5_800_000))),
    "points": ("area", again(tags={"AREA_OR_POINT": "Point"})),
    "nodata 0": ("nodata", again(nodata=0)),
    "no nodata": ("nodata", again(nodata=None)),
    "no classes": ("classes", again(drop=["CLASSES"])),
    "classes in no JSON": ("classes", again(tags={"CLASSES": "bare, grass"})),
    "a class twice": ("classes", again(tags={"CLASSES": '[{"id":0,"name":"a","color":"#000000","code":0}]'.replace("]", ',{"id":1,"name":"a","color":"#000000","code":1}]')})),
    "a pixel of no class": ("pixels", with_pixel(5)),
    "254": ("pixels", with_pixel(254)),
    "no palette": ("palette", again(cmap=lambda palette: {})),
    "another colour": ("palette", with_color(3, (1, 2, 3, 255))),
    "overviews by nearest": ("overviews", again(options={"overview_resampling": "NEAREST"})),
    "overviews by average": ("overviews", again(options={"overview_resampling": "AVERAGE"})),
    "no table": ("attribute table", removed(".tif.aux.xml")),
    "table cut short": ("attribute table", edited(".tif.aux.xml", "</PAMDataset>", "")),
    "another name": ("attribute table", edited(".tif.aux.xml", "<Category>road", "<Category>rail")),
    "another colour in the table": ("attribute table", edited(".tif.aux.xml", '<Row index="2">', '<Row index="2"><F>9</F>')),
    "a table without colours": ("attribute table", edited(".tif.aux.xml", "<Usage>8<", "<Usage>0<")),
    "no style": ("style", removed(".qml")),
    "half transparent": ("style", edited(".qml", 'alpha="255"', 'alpha="100"')),
    "another label": ("style", edited(".qml", 'label="road"', 'label="rail"')),
    "grey": ("style", edited(".qml", 'type="paletted"', 'type="singlebandgray"')),
    "no item": ("item", removed(".json")),
    "no JSON": ("item", edited(".json", "{", "")),
    "another class": ("item", edited(".json", '"title": "road"', '"title": "rail"')),
    "another grid": ("item", edited(".json", "400000.0", "400010.0")),
    "another CRS": ("item", edited(".json", "EPSG:32633", "EPSG:32634")),
    "another map": ("item", edited(".json", "./map.tif", "./other.tif")),
    "no Feature": ("item", edited(".json", '"Feature"', '"Collection"')),
    "no geometry": ("item", edited(".json", '"geometry"', '"shape"')),
    "no model": ("provenance", again(drop=["MODEL"])),
    "no hash": ("provenance", again(tags={"RASTER_SHA256": "unknown"})),
    "a path in a tag": ("paths", again(tags={"MODEL": "/srv/ann/model"})),
    "a path of Windows": ("paths", again(tags={"OPTIONS": '{"model": "D:\\\\maps\\\\ann"}'})),
    "a path in the item": ("paths", edited(".json", '"links": []', '"links": ["file:///srv/ann/map.tif"]')),
    "a path in the style": ("paths", edited(".qml", "<pipe>", "<pipe><!-- /data/ann/map.tif -->")),
    "scores elsewhere": ("scores", scores_of(transform=MOVED)),
    "scores without scale": ("scores", scores_of(scales=(1.0,))),
    "scores with an offset": ("scores", scores_of(offset=1)),
    "scores without nodata": ("scores", scores_of(nodata=None)),
    "scores as no COG": ("scores", scores_of(made="GTiff")),
}  # fmt: skip


def test_a_sound_map_keeps_every_clause(sound, grid):
    verdict = judge_map(sound, grid=grid(701, 600))
    assert {name: faults for name, faults in verdict.faults.items() if faults != ()} == {}
    assert not verdict.failed
    require_sound(sound)


@pytest.mark.parametrize(("clause", "change"), BROKEN.values(), ids=BROKEN)
def test_a_broken_clause_fails_and_no_other(sound, clause, change):
    change(sound)
    verdict = judge_map(sound)
    failed = {name for name, faults in verdict.faults.items() if faults}
    assert clause in failed
    assert failed <= {clause} | FOLLOW.get(clause, set())
    with pytest.raises(GeoPointSegError, match=r"expected a map that keeps its contract, got one whose"):
        require_sound(sound)


# what cannot be broken alone: GDAL gives another type no palette and makes what is nodata transparent, and without a
# CRS it keeps no AREA_OR_POINT, and the item and the scores name the grid too
FOLLOW = {"type": {"palette"}, "grid": {"area", "item", "scores"}, "nodata": {"palette", "overviews"}}


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo is not on PATH")
def test_statistics_that_gdal_notes_beside_it_break_nothing(sound):
    before = sound.with_name("map.tif.aux.xml").read_bytes()
    subprocess.run(["gdalinfo", "-stats", "-hist", sound], capture_output=True, check=True)
    assert sound.with_name("map.tif.aux.xml").read_bytes() != before
    assert {name: faults for name, faults in judge_map(sound).faults.items() if faults} == {}


def test_every_clause_is_broken_by_some_test():
    assert {clause for clause, _ in BROKEN.values()} | {"bigtiff"} == set(CLAUSES)


def test_a_map_off_the_rasters_grid_fails(sound, grid):
    assert judge_map(sound, grid=grid(700, 600)).faults["grid"]
    moved = grid(701, 600).__class__(grid(701, 600).crs, MOVED, 701, 600)
    assert [name for name, faults in judge_map(sound, grid=moved).faults.items() if faults] == ["grid"]


def test_a_large_map_needs_bigtiff(sound, monkeypatch):
    assert not judge_map(sound).faults["bigtiff"]
    monkeypatch.setattr("geopointseg.maps.clauses.LARGE", 701 * 600)
    assert [name for name, faults in judge_map(sound).faults.items() if faults] == ["bigtiff"]
    rewritten(sound, options={"bigtiff": "YES"})
    assert not judge_map(sound).failed


def test_without_classes_what_needs_them_is_not_told(sound):
    rewritten(sound, drop=["CLASSES"])
    verdict = judge_map(sound)
    assert [name for name, faults in verdict.faults.items() if faults is None] == [
        "pixels", "palette", "attribute table", "style", "item", "scores",
    ]  # fmt: skip
    assert "not told" in str(verdict)


@pytest.mark.parametrize("name", ["road/rail", "/road/rail", "https://example.org/road", "<a> & b", "C: clay", "~/x"])
def test_a_class_may_be_called_like_a_path(tmp_path, grid, name):
    from geopointseg.classes import Classes

    own = Classes.of([name, "other"])
    path, *_ = write_map(tmp_path / "m.tif", grid(2, 2), own, [(Window(0, 0, 2, 2), np.zeros((2, 2), "u1"))], tags=TAGS)
    assert {name: faults for name, faults in judge_map(path).faults.items() if faults} == {}


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (513, 512), (1030, 2049)], ids=str)
def test_maps_of_any_shape_keep_it(tmp_path, grid, classes, shape):
    ids = np.random.default_rng(1).integers(5, size=shape, dtype=np.uint8)
    path, *_ = write_map(tmp_path / "m.tif", grid(*shape), classes, [(Window(0, 0, *shape), ids)], tags=TAGS)
    assert {name: faults for name, faults in judge_map(path).faults.items() if faults} == {}


# from the command line


def test_the_command_says_which_hold_and_which_fail(sound, tmp_path, capsys):
    assert main(["verify", str(sound), "--out", str(tmp_path / "verify.json")]) == 0
    told = capsys.readouterr().out
    assert len(re.findall("^holds", told, re.MULTILINE)) == len(CLAUSES)
    assert "map.tif: keeps its contract" in told
    assert json.loads((tmp_path / "verify.json").read_text())["holds"] is True
    sound.with_suffix(".qml").unlink()
    assert main(["verify", str(sound), "--out", str(tmp_path / "verify.json"), "--overwrite"]) == 1
    told = capsys.readouterr().out
    assert re.search("^FAILS +style", told, re.MULTILINE)
    assert "map.tif: 1 of 16 clauses fail" in told
    figures = json.loads((tmp_path / "verify.json").read_text())
    assert figures["holds"] is False
    assert [name for name, clause in figures["clauses"].items() if not clause["holds"]] == ["style"]


def test_what_is_no_raster_is_the_users_mistake(tmp_path, capsys):
    (tmp_path / "map.tif").write_text("no map")
    assert main(["verify", str(tmp_path / "map.tif")]) == 2
    assert "expected a map that GDAL reads" in capsys.readouterr().err
