"""The command: maps that keep the contract, the same for the same seed, whatever the raster's shape."""

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from matplotlib.image import imread

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.clustering.cluster import cluster
from geopointseg.clustering.fit import Learning
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import Points, write_points
from geopointseg.maps.verify import judge_map

FEW = Learning(epochs=3, size=50)


def ids_of(path):
    with rasterio.open(path) as source:
        return source.read(1)


@pytest.fixture
def quarters():
    """(3, 40, 60): four colours, a little noise."""
    levels = np.array([[30, 30, 30], [200, 40, 40], [40, 200, 40], [220, 220, 60]])
    place = np.add.outer(2 * (np.arange(40) >= 20), np.arange(60) >= 30)
    noise = np.random.default_rng(0).integers(0, 8, (3, 40, 60))
    return (np.moveaxis(levels[place], -1, 0) + noise).astype(np.uint8), place


@pytest.fixture
def checked(tmp_path):
    """A factory of checked points: (row, col, class id) on the grid of `raster_file`."""

    def write(rows, names=("bare", "grass", "water")):
        at = np.array([(row, col) for row, col, _ in rows])
        places = gpd.points_from_xy(400_005 + 10 * at[:, 1], 5_799_995 - 10 * at[:, 0])
        frame = gpd.GeoDataFrame({"class_id": [kind for *_, kind in rows]}, geometry=places, crs="EPSG:32633")
        frame["class_id"] = frame["class_id"].astype("Int64")
        frame["class_name"] = [names[kind] for *_, kind in rows]
        frame["source_fid"], frame["status"], frame["reason"], frame["split"] = frame.index + 1, "used", "", "train"
        nothing = gpd.GeoDataFrame({"block": []}, geometry=[], crs="EPSG:32633")
        return write_points(Points(frame, Classes.of(names), nothing), tmp_path / "points.gpkg")

    return write


@pytest.mark.parametrize("method", ["kmeans", "isodata"])
def test_four_colours_are_four_clusters(raster_file, quarters, tmp_path, method):
    image, place = quarters
    image[:, :3, :4] = 0
    path = raster_file(image, nodata=0)
    report = cluster([str(path)], out=tmp_path / "c.tif", method=method, k=4)
    ids, known = ids_of(tmp_path / "c.tif"), (image != 0).any(axis=0)
    assert (ids == 255).tolist() == (~known).tolist()
    assert len({(a, b) for a, b in zip(ids[known], place[known], strict=True)}) == 4
    verdict = judge_map(tmp_path / "c.tif")
    assert not verdict.failed, str(verdict)
    assert [file.name for file in report.files] == [
        "c.tif", "c.tif.aux.xml", "c.qml", "c.json", "c_model.safetensors"
    ]  # fmt: skip
    with rasterio.open(tmp_path / "c.tif") as source:
        options = json.loads(source.tags()["OPTIONS"])
    assert set(options) == {"method", "k", "seed", "merge", "mmu"}


def test_the_network_finds_them_too_and_the_same_seed_gives_the_same_map(raster_file, quarters, tmp_path):
    path = raster_file(quarters[0])
    first, second, other = (tmp_path / f"{name}.tif" for name in ("first", "second", "other"))
    learning = Learning(epochs=12, size=50)
    report = cluster([str(path)], out=first, k=8, learning=learning)
    cluster([str(path)], out=second, k=8, learning=learning)
    cluster([str(path)], out=other, k=8, learning=learning, seed=1)
    assert first.read_bytes() != other.read_bytes()
    assert (ids_of(first) == ids_of(second)).all()
    assert (tmp_path / "first_model.safetensors").read_bytes() == (tmp_path / "second_model.safetensors").read_bytes()
    assert not judge_map(first).failed
    assert "clusters by fcn, learnt in" in str(report)
    inner = np.s_[[8, 8, 32, 32], [8, 50, 8, 50]]
    assert len(set(ids_of(first)[inner])) == 4


@pytest.mark.parametrize("method", ["fcn", "kanezaki", "continuity", "kmeans", "isodata"])
def test_a_flat_image_is_one_cluster_and_tiny_ones_work(raster_file, tmp_path, method):
    flat, tiny = (
        raster_file(np.full((3, 30, 21), 7, np.uint8)),
        raster_file(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)[:, :1, : 1 + 2 * (method != "kanezaki")]),
    )
    report = cluster([str(flat)], out=tmp_path / "flat.tif", method=method, learning=FEW)
    assert len(report.partition.means) == 1
    assert (ids_of(tmp_path / "flat.tif") == 0).all()
    cluster([str(tiny)], out=tmp_path / "tiny.tif", method=method, learning=FEW)
    assert (ids_of(tmp_path / "tiny.tif") != 255).all()


def test_points_name_clusters_and_those_without_stay_unresolved(raster_file, quarters, checked, tmp_path):
    image, place = quarters
    points = checked([(2, 2, 1), (5, 5, 1), (6, 6, 0), (3, 40, 2), (30, 5, 0)])
    out = tmp_path / "c.tif"
    report = cluster([str(raster_file(image))], out=out, method="kmeans", k=4, points=points, colors=True)
    named = ids_of(tmp_path / "c_classes.tif")
    assert named.tolist() == np.array([1, 2, 0, 255])[place].tolist()
    assert not judge_map(tmp_path / "c_classes.tif").failed
    assert "is grass: 2 of 3 points" in str(report)
    assert "1 of 4 clusters hold no point" in str(report)
    assert str(report.following).endswith(f" --class-field class_name --guesses {tmp_path / 'c_classes.tif'}")
    assert len(json.loads((tmp_path / "c_names.json").read_text())["clusters"]) == 4


def test_clusters_are_shown_in_their_mean_colours(raster_file, quarters, tmp_path):
    image, place = quarters
    image[:, :2] = 0
    path = raster_file(image, nodata=0)
    cluster([str(path)], out=tmp_path / "c.tif", method="kmeans", k=4, colors=True)
    with rasterio.open(tmp_path / "c_colors.tif") as source:
        red, green, _, alpha = source.read()
        assert source.crs == "EPSG:32633"
    assert (alpha == np.where((image == 0).all(axis=0), 0, 255)).all()
    assert len(np.unique(red[place == 1])) <= 2  # one colour, and nodata
    assert red[10, 50] > green[10, 50] + 50
    assert green[30, 5] > red[30, 5] + 50
    picture = imread(tmp_path / "c_colors.png")
    np.testing.assert_allclose(picture[10, 50, :2] * 255, [red[10, 50], green[10, 50]], atol=0.6)


@pytest.mark.parametrize("method", ["fcn", "kmeans"])
def test_a_saved_model_finds_the_same_clusters_elsewhere(raster_file, quarters, tmp_path, method):
    image, _ = quarters
    first, second = raster_file(image), raster_file(image[:, :, ::-1].copy(), "mirrored.tif")
    cluster([str(first)], out=tmp_path / "c.tif", method=method, learning=FEW)
    model = tmp_path / "c_model.safetensors"
    cluster([str(first), str(second)], out=tmp_path / "again", model=model)
    assert (ids_of(tmp_path / "again" / "image.tif") == ids_of(tmp_path / "c.tif")).all()
    assert not judge_map(tmp_path / "again" / "mirrored.tif").failed
    if method == "kmeans":
        assert (ids_of(tmp_path / "again" / "mirrored.tif") == ids_of(tmp_path / "c.tif")[:, ::-1]).all()
    with pytest.raises(GeoPointSegError, match="expected 3 bands"):
        cluster([str(raster_file(image[:1]))], out=tmp_path / "x.tif", model=model)
    with pytest.raises(GeoPointSegError, match="expected clusters saved by"):
        cluster([str(first)], out=tmp_path / "x.tif", model=first)


def test_small_patches_go_and_existing_files_stay(raster_file, quarters, tmp_path, capsys):
    image, _ = quarters
    image[:, 10, 10] = (255, 255, 255)
    path, out = str(raster_file(image)), tmp_path / "c.tif"
    assert main(["cluster", path, "--out", str(out), "--method", "kmeans", "--k", "5", "--mmu", "250"]) == 0
    assert ids_of(out)[10, 10] == ids_of(out)[10, 11]
    assert "clusters by kmeans" in capsys.readouterr().out
    assert main(["cluster", path, "--out", str(out), "--method", "kmeans"]) == 2
    assert "got the existing" in capsys.readouterr().err
    assert main(["cluster", path, "--out", path, "--overwrite"]) == 2
    assert main(["cluster", path, "--out", str(tmp_path / "new.tif"), "--k", "1"]) == 2
    assert "expected 2 to 254 clusters" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_two_rasters_share_their_clusters_and_need_a_folder(raster_file, quarters, tmp_path):
    image, _ = quarters
    paths = [str(raster_file(image[:, :, :30])), str(raster_file(image[:, :, 30:], "right.tif"))]
    with pytest.raises(GeoPointSegError, match="expected a folder as --out for 2 rasters"):
        cluster(paths, out=tmp_path / "c.tif")
    report = cluster(paths, out=tmp_path / "maps", method="kmeans", k=4)
    left, right = (ids_of(tmp_path / "maps" / f"{name}.tif") for name in ("image", "right"))
    assert len(set(np.unique(left)) | set(np.unique(right))) == 4
    assert report.files[-1].name == "model.safetensors"


def test_nothing_valid_is_refused(raster_file, tmp_path):
    with pytest.raises(GeoPointSegError, match="expected some valid pixels"):
        cluster([str(raster_file(np.zeros((1, 9, 9), np.uint8), nodata=0))], out=tmp_path / "c.tif")
