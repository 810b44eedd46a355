"""Points label their superpixel and nothing else; every click counts the same; the mask lies on the raster's grid."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, box

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.labels import painter, sheet
from geopointseg.labels.fill import SHARE
from geopointseg.labels.points import Points, write_points
from geopointseg.labels.pseudomask import Spreading, mask, mask_paths, write_masks
from geopointseg.labels.spread import spread
from geopointseg.labels.superpixels import scaled, superpixels
from geopointseg.raster import raster_classes, read
from geopointseg.statistics import open_rasters

# masks of rasters

STRIPES = np.repeat([[20, 120, 220]], 16, 0).repeat(16, 1).astype(np.uint8)  # three tiles of 16 x 16
CLASSES = Classes.of([10, 22531, 30], {10: "water", 30: "Straße"})
REACH = Spreading("reach")
AT_ONCE = Spreading("superpixels", "slic", 256)  # one tile of the picture each
NOTHING_HELD_OUT = gpd.GeoDataFrame({"block": []}, geometry=[], crs="EPSG:32633")


def layer(*clicks, held_out=NOTHING_HELD_OUT, split="train"):
    """Checked points in pixels of the default raster: (row, column, class id) each."""
    rows, cols, ids = np.array(clicks).T
    geometry = gpd.points_from_xy(400_005 + 10 * cols, 5_799_995 - 10 * rows)
    frame = gpd.GeoDataFrame({"class_id": ids, "status": "used", "split": split}, geometry=geometry, crs="EPSG:32633")
    return Points(frame, CLASSES, held_out)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 16 pixels with a halo of 4; gives the images that were cut."""
    cut = []

    def counting(image, **options):
        cut.append(image)
        return superpixels(image, **options)

    monkeypatch.setattr(sheet, "TILE", 16)
    monkeypatch.setattr(sheet, "HALO", 4)
    monkeypatch.setattr(painter, "superpixels", counting)
    return cut


def written(raster_path, points, folder, **options):
    """The report of one raster, and its mask and weights as arrays."""
    (raster,), statistics = open_rasters([raster_path])
    folder.mkdir(exist_ok=True)
    spreading = Spreading("superpixels", options.pop("method", "slic"), options.pop("size", 256))
    spreading = options.pop("spreading", spreading)
    report = write_masks([raster], statistics, points, folder, spreading, **options)
    arrays = []
    for path in mask_paths(folder, raster):
        with rasterio.open(path) as source:
            arrays.append(source.read(1))
    return report, *arrays


@pytest.mark.parametrize(
    "where",
    [{}, {"crs": "EPSG:4326", "pixel": (1 / 7200, 1 / 3600), "origin": (13.123456789, 52.987654321)}],
    ids=["metres", "degrees, odd origin"],
)
def test_the_mask_lies_on_exactly_the_rasters_grid(raster_file, tmp_path, where):
    path = raster_file(STRIPES, "scene.tif", **where)
    (raster,), _ = open_rasters([path])
    points = layer((2, 2, 0), (2, 40, 1))
    x, y = raster.grid.xy([2, 2], [2, 40])
    points.frame["geometry"] = gpd.points_from_xy(x, y, crs=raster.grid.crs.to_wkt())
    frame = points.frame.set_crs(raster.grid.crs.to_wkt(), allow_override=True)
    report, labels, _ = written(path, Points(frame, CLASSES, NOTHING_HELD_OUT), tmp_path / "masks")
    assert [p.name for p in report.files] == ["scene.tif", "scene_weights.tif"]
    for file, dtype, nodata in zip(report.files, ("uint8", "float32"), (255, 0), strict=True):
        with rasterio.open(file) as source, rasterio.open(path) as original:
            assert (source.crs, source.transform, source.shape) == (original.crs, original.transform, original.shape)
            assert (source.count, source.dtypes[0], source.nodata) == (1, dtype, nodata)
    assert raster_classes(report.files[0]) == CLASSES
    assert (labels[2, 2], labels[2, 40]) == (0, 1)


def test_a_single_point_of_each_of_two_classes_labels_its_stripe(raster_file, tmp_path):
    report, labels, weights = written(raster_file(STRIPES), layer((5, 5, 2), (9, 40, 0)), tmp_path)
    # Felzenszwalb smooths first: a stripe ends a few pixels before its neighbour or the raster's edge.
    assert (labels[1:-1, 1:12] == 2).all()
    assert (labels[1:-1, 20:28] == UNLABELLED).all()
    assert (labels[1:-1, 36:-1] == 0).all()
    assert weights.sum() == pytest.approx(2)
    assert (report.spread, report.conflicts, report.total) == (2, 0, labels.size)
    assert report.pixels == tuple(np.bincount(labels.ravel(), minlength=256)[:3])
    assert report.figures() == {
        "labelled_pixels": {"water": report.pixels[0], "Straße": 0, "22531": report.pixels[2]},
        "labelled_share": (labels != 255).mean(),
        "guessed_share": 0.0,
        "guessed_by": "how they look",
        "points_spread": 2,
        "points_in_conflict": 0,
        "reach": [],
        "superpixels": 3,
        "superpixel_area": 256.0,
    }
    assert "2 points label" in str(report)
    assert "3 superpixels  of 256.0 pixels on average, in the windows that hold points" in str(report)


@pytest.mark.parametrize("how", ["reach", "single-pixel"])
def test_where_no_superpixels_of_one_size_are_cut_none_are_told(raster_file, tmp_path, how):
    report, *_ = written(raster_file(STRIPES), layer((5, 5, 2), (9, 40, 0)), tmp_path, spreading=Spreading(how))
    assert (report.superpixels, report.superpixel_area) == (0, 0)
    assert "superpixels" not in str(report)


def test_windows_without_points_are_not_cut_and_stay_unlabelled(raster_file, tmp_path, small_tiles):
    path = raster_file(STRIPES)
    _, labels, weights = written(path, layer((5, 5, 0), (3, 3, 0), (9, 40, 1)), tmp_path)
    assert [image.shape for image in small_tiles] == [(1, 16, 20)] * 2
    assert (labels[:, 16:32] == UNLABELLED).all()
    assert (weights[:, 16:32] == 0).all()
    assert (labels[5, 5], labels[9, 40]) == (0, 1)


def test_each_window_is_what_its_superpixels_and_points_say(raster_file, tmp_path, small_tiles):
    rng = np.random.default_rng(0)
    path = raster_file(np.kron(rng.integers(0, 255, (3, 5, 9)), np.ones((1, 7, 6), int)), dtype="uint8")  # 35 x 54
    clicks = np.c_[rng.integers(0, 35, 30), rng.integers(0, 54, 30), rng.integers(0, 3, 30)]
    (raster,), statistics = open_rasters([path])
    _, labels, weights = written(path, layer(*clicks), tmp_path, spreading=Spreading("majority", "slic", 20))
    for window in raster.grid.tiles(16):
        seen = window.grown(4).within(35, 54)  # clicks in the halo count too
        rows, cols, ids = (clicks - [seen.row, seen.col, 0]).T
        here = (rows >= 0) & (rows < seen.height) & (cols >= 0) & (cols < seen.width)
        regions = superpixels(scaled(read(raster, seen), statistics), method="slic", size=20)
        expected = spread(regions, rows[here], cols[here], ids[here], conflict="majority")
        core = np.s_[window.row - seen.row :, window.col - seen.col :], np.s_[: window.height, : window.width]
        part = np.s_[window.row : window.row + window.height, window.col : window.col + window.width]
        np.testing.assert_array_equal(labels[part], expected[0][core[0]][core[1]])
        np.testing.assert_array_equal(weights[part], expected[1][core[0]][core[1]])


def test_nodata_is_never_labelled(raster_file, tmp_path):
    array = STRIPES.copy()
    array[4:8, :10] = 0
    _, labels, weights = written(raster_file(array, nodata=0), layer((2, 2, 0), (2, 40, 1)), tmp_path)
    assert (labels[2, 2], labels[2, 40]) == (0, 1)
    assert (labels[array == 0] == UNLABELLED).all()
    assert (weights[array == 0] == 0).all()


def test_a_point_on_this_rasters_nodata_labels_nothing_and_is_not_counted(raster_file, tmp_path):
    array = STRIPES.copy()
    array[4:8, :10] = 0  # another raster has data there: the point is in use
    report, labels, _ = written(raster_file(array, nodata=0), layer((5, 5, 2), (2, 2, 0), (2, 40, 1)), tmp_path)
    assert 2 not in labels
    assert (report.spread, report.conflicts) == (2, 0)


def test_pixels_that_touch_a_held_out_block_stay_unlabelled_whatever_its_crs(raster_file, tmp_path):
    block = gpd.GeoDataFrame({"block": [0]}, geometry=[box(400_000, 5_799_840, 400_032, 5_800_000)], crs="EPSG:32633")
    for crs in ("EPSG:32633", "EPSG:32632"):
        points = layer((2, 8, 0), (2, 40, 1), held_out=block.to_crs(crs))
        _, labels, weights = written(raster_file(STRIPES), points, tmp_path, overwrite=True)
        assert (labels[:, :4] == UNLABELLED).all()
        assert (weights[:, :4] == 0).all()
        assert (labels[:, 6:12] == 0).all()


@pytest.mark.parametrize("split", ["test", "gap"])
def test_only_training_points_label(raster_file, tmp_path, split):
    points = layer((2, 8, 0), (2, 24, 2), (2, 40, 1), split=["train", split, "train"])
    report, labels, _ = written(raster_file(STRIPES), points, tmp_path)
    assert set(np.unique(labels)) == {0, 1, UNLABELLED}
    assert report.spread == 2


def test_points_outside_this_raster_are_passed_over(raster_file, tmp_path):
    points = layer((2, 8, 0), (2, 40, 1), (-1, 3, 2), (3, 48, 2), (900, 900, 2))
    report, labels, _ = written(raster_file(STRIPES), points, tmp_path)
    assert 2 not in labels
    assert report.spread == 2


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
def test_the_same_input_gives_the_same_files(raster_file, tmp_path, method):
    path, points = raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1))
    files = [written(path, points, tmp_path / name, method=method)[0].files for name in ("a", "b")]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]


def test_an_existing_mask_or_weights_is_kept_unless_told(raster_file, tmp_path):
    path, points = raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1))
    files = written(path, points, tmp_path)[0].files
    before = [p.read_bytes() for p in files]
    other = layer((2, 8, 1), (2, 40, 0))
    with pytest.raises(GeoPointSegError, match="--overwrite"):
        written(path, other, tmp_path)
    assert [p.read_bytes() for p in files] == before
    files[0].unlink()
    with pytest.raises(GeoPointSegError, match=r"image_weights\.tif: add --overwrite"):
        written(path, other, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image_weights.tif"]
    assert written(path, other, tmp_path, overwrite=True)[1][2, 8] == 1


def test_an_interrupted_mask_leaves_nothing(raster_file, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(painter, "superpixels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        written(raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1)), tmp_path)
    assert list(tmp_path.iterdir()) == []


# scribbles and areas


def mixed(*features, split="train", status="used"):
    """Checked features given as (geometry, class id) on the default raster."""
    shapes, ids = zip(*features, strict=True)
    frame = gpd.GeoDataFrame({"class_id": ids, "status": status, "split": split}, geometry=[*shapes], crs="EPSG:32633")
    return Points(frame, CLASSES, NOTHING_HELD_OUT)


def spot(row, col):
    return Point(400_005 + 10 * col, 5_799_995 - 10 * row)


def line(*rows_cols):
    return LineString([spot(*place) for place in rows_cols])


def cells(row, col, height, width):
    """A rectangle of whole pixels."""
    return box(400_000 + 10 * col, 5_800_000 - 10 * (row + height), 400_000 + 10 * (col + width), 5_800_000 - 10 * row)


def test_an_area_labels_its_pixels_and_counts_like_one_click(raster_file, tmp_path):
    report, labels, weights = written(raster_file(STRIPES), mixed((cells(2, 2, 4, 8), 2), (spot(9, 40), 0)), tmp_path)
    expected = np.full(STRIPES.shape, UNLABELLED)
    expected[2:6, 2:10] = 2
    np.testing.assert_array_equal(np.where(labels == 0, UNLABELLED, labels), expected)
    np.testing.assert_allclose(weights[2:6, 2:10], 1 / 32)
    assert weights.sum() == pytest.approx(2)
    assert (report.spread, report.conflicts) == (2, 0)


def test_a_scribble_labels_every_superpixel_it_crosses_and_counts_like_one_click(raster_file, tmp_path):
    points = mixed((line((5, 3), (5, 28)), 2), (spot(9, 40), 0))
    report, labels, weights = written(raster_file(STRIPES), points, tmp_path)
    assert (labels[1:-1, 1:12] == 2).all()
    assert (labels[1:-1, 20:28] == 2).all()
    assert weights.sum() == pytest.approx(2)
    assert report.spread == 2


def test_an_area_across_windows_counts_like_one_click(raster_file, tmp_path, small_tiles):
    _, labels, weights = written(raster_file(STRIPES), mixed((cells(3, 10, 6, 30), 1), (spot(1, 45), 0)), tmp_path)
    assert (labels[3:9, 10:40] == 1).all()
    np.testing.assert_allclose(weights[3:9, 10:40], 1 / 180)
    assert len(small_tiles) == 1  # only the window with the click is cut


def test_pixels_of_two_classes_and_of_held_out_features_stay_unlabelled(raster_file, tmp_path):
    points = mixed(
        (cells(2, 2, 6, 6), 0),
        (cells(5, 5, 6, 6), 1),
        (spot(3, 3), 1),
        (cells(10, 40, 2, 2), 2),
        (cells(4, 30, 4, 4), 2),
        split=["train", "train", "", "test", "train"],
        status=["used", "used", "conflict", "used", "used"],
    )
    _, labels, weights = written(raster_file(STRIPES), points, tmp_path)
    expected = np.full(STRIPES.shape, UNLABELLED)
    expected[2:8, 2:8], expected[5:11, 5:11], expected[4:8, 30:34] = 0, 1, 2
    expected[5:8, 5:8] = expected[3, 3] = UNLABELLED
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(weights > 0, labels != UNLABELLED)


def test_an_area_labels_no_pixel_without_data(raster_file, tmp_path):
    array = STRIPES.copy()
    array[3] = 0
    _, labels, _ = written(raster_file(array, nodata=0), mixed((cells(2, 2, 3, 3), 1), (spot(9, 40), 0)), tmp_path)
    assert labels[2:5, 2:5].tolist() == [[1] * 3, [255] * 3, [1] * 3]


# by reach


def test_every_click_labels_at_least_its_pixel(raster_file, tmp_path):
    clicks = [(2, 3, 0), (9, 8, 1), (5, 5, 2), (9, 40, 0)]  # three classes in one even stripe
    report, labels, weights = written(raster_file(STRIPES), layer(*clicks), tmp_path, spreading=REACH)
    assert [labels[row, col] for row, col, _ in clicks] == [0, 1, 2, 0]
    assert (report.spread, report.conflicts) == (4, 0)
    assert (labels[1:-1, 36:-2] == 0).all()
    np.testing.assert_array_equal(weights > 0, labels != UNLABELLED)
    assert [reach["class"] for reach in report.reach] == list(CLASSES.names)
    assert "up to scale" in str(report)


@pytest.mark.parametrize("how", ["reach", "superpixels"])
@given(seed=st.integers(0, 1000))
@settings(max_examples=10)  # of four masks each
def test_neither_the_type_of_a_raster_nor_its_bands_order_nor_its_place_matter(raster_file, how, seed):
    rng = np.random.default_rng(seed)
    array = np.kron(rng.integers(1, 4, (3, 5, 6)) * 60, np.ones((1, 6, 6), int)) + rng.integers(0, 9, (3, 30, 36))
    array[:, 10:14, :9] = 0
    clicks = layer(*np.unique(np.c_[rng.integers(0, 30, 20), rng.integers(0, 36, 20), rng.integers(0, 3, 20)], axis=0))
    elsewhere = Points(clicks.frame.set_geometry(clicks.frame.translate(7_000, -90)), CLASSES, NOTHING_HELD_OUT)

    def masked(pixels, dtype, points=clicks, **where):
        path = raster_file(pixels, dtype=dtype, nodata=0, **where)
        return written(path, points, path.parent / "masks", spreading=Spreading(how))[1]

    expected = masked(array, "uint8")
    assert (expected[10:14, :9] == UNLABELLED).all()
    np.testing.assert_array_equal(masked(array * 257, "uint16"), expected)
    np.testing.assert_array_equal(masked(array[[2, 0, 1]], "uint8"), expected)
    np.testing.assert_array_equal(masked(array, "uint8", elsewhere, origin=(407_000, 5_799_910)), expected)


@pytest.mark.parametrize("tile", [16, 64])
def test_windows_change_nothing_away_from_their_edges(raster_file, tmp_path, monkeypatch, tile):
    rng = np.random.default_rng(3)
    fields = np.kron(rng.integers(0, 5, (6, 6)) * 50, np.ones((32, 32), int)) + rng.integers(0, 6, (192, 192))
    clicks = np.c_[rng.integers(0, 192, 60), rng.integers(0, 192, 60)]
    ids = (fields[clicks[:, 0], clicks[:, 1]] // 50) % 3
    path, points = raster_file(fields, dtype="uint8"), layer(*np.c_[clicks, ids])
    _, whole, _ = written(path, points, tmp_path / "whole", spreading=REACH)
    monkeypatch.setattr(sheet, "TILE", tile)
    monkeypatch.setattr(sheet, "HALO", 48)
    _, tiled, _ = written(path, points, tmp_path / "tiled", spreading=REACH)
    assert (whole == tiled).mean() > 0.99


def test_outlines_show_what_each_click_became(raster_file, tmp_path):
    points = mixed((spot(5, 5), 2), (spot(9, 40), 0), (cells(2, 20, 3, 3), 1))
    points.frame["source_fid"] = [7, 8, 9]
    report, labels, _ = written(raster_file(STRIPES), points, tmp_path, spreading=REACH, outlines=True)
    assert [file.name for file in report.files[-3:]] == [f"image_regions.{suffix}" for suffix in ("gpkg", "tif", "qml")]
    regions = gpd.read_file(report.files[-3], layer="regions")
    with rasterio.open(report.files[-2]) as source:
        numbers = source.read(1)
    np.testing.assert_array_equal(numbers > 0, labels != UNLABELLED)
    for number, name in zip(regions["region"], regions["class_name"], strict=True):
        assert set(labels[numbers == number]) == {CLASSES.names.index(name)}
    assert len(regions) == regions["region"].nunique()
    by_click = regions.dissolve("clicks")
    for fid, id_ in (("7", 2), ("8", 0), ("9", 1)):
        assert by_click.loc[fid].geometry.area == pytest.approx(100 * (labels == id_).sum())
    assert (regions["purity"] > 0.9).all()
    assert regions["weight"].sum() == pytest.approx(3, abs=0.9)


@pytest.mark.parametrize(
    "how", ["superpixels", "conflict-free", "majority", "single-pixel", "radius", "random-walker", "reach"]
)
def test_every_outline_has_the_class_and_the_clicks_of_its_pixels(raster_file, tmp_path, small_tiles, how):
    rng = np.random.default_rng(1)
    array = np.kron(rng.integers(1, 255, (3, 4, 6)), np.ones((1, 9, 9), int)).astype(np.uint8)
    spots = np.unique(np.c_[rng.integers(0, 36, 25), rng.integers(0, 54, 25)], axis=0)
    points = layer(*np.c_[spots, rng.integers(0, 3, len(spots))])
    points.frame["source_fid"] = [f"f{i}" for i in range(len(spots))]
    _, labels, weights = written(raster_file(array), points, tmp_path, spreading=Spreading(how), outlines=True)
    regions = gpd.read_file(tmp_path / "image_regions.gpkg", layer="regions").set_index("region")
    with rasterio.open(tmp_path / "image_regions.tif") as source:
        numbers = source.read(1)
    assert regions.index.is_unique
    assert set(np.unique(numbers)) - {0} == set(regions.index)
    if how != "radius":  # where two discs dispute their middle, what is left of each lies beside its click
        assert (regions["clicks"] != "").all(), "a region that nobody clicked"
    assert regions["weight"].sum() == pytest.approx(weights.sum(), abs=0.05)
    for number, row in regions.iterrows():
        assert {CLASSES.names[v] for v in labels[numbers == number]} == {row["class_name"]}
        if not row["clicks"]:
            continue
        clicked = points.frame.set_index("source_fid").loc[row["clicks"].split(", "), "class_id"]
        assert {CLASSES.names[v] for v in clicked} >= {row["class_name"]}


@pytest.mark.parametrize(
    ("spreading", "message"),
    [
        (Spreading("reach", method="slic"), "--method with --spread superpixels, .* majority, got --spread reach"),
        (Spreading("single-pixel", size=9), "--size with --spread superpixels, .* or radius, got .* single-pixel"),
        (Spreading("conflict-free", "slic"), "--method adaptive or hers with --spread conflict-free, got slic"),
        (
            Spreading("radius", affinity=Path("a")),
            "--affinity with --spread fill or reach, or --method adaptive or hers",
        ),
        (Spreading("majority", "slic", affinity=Path("a")), "--affinity with --spread fill or reach"),
        (Spreading("reach", guesses=Path("a")), "--guesses with --spread fill, got --spread reach"),
        (Spreading(guesses=Path("nowhere.tif")), "expected a map or a folder of maps, got no nowhere.tif"),
    ],
)
def test_options_without_effect_are_refused(raster_file, tmp_path, spreading, message):
    with pytest.raises(GeoPointSegError, match=message):
        written(raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1)), tmp_path, spreading=spreading)


@pytest.mark.parametrize("method", ["adaptive", "hers"])
def test_superpixels_grown_from_clicks_hold_no_other_class(raster_file, tmp_path, method):
    path = raster_file(
        np.full((20, 20), 7, np.uint8)
    )  # nothing to see: superpixels of any size would hold both classes
    clicks = layer((9, 5, 0), (9, 14, 1))
    report, labels, _ = written(path, clicks, tmp_path / "free", spreading=Spreading("conflict-free", method, 400))
    assert (labels[9, 5], labels[9, 14]) == (0, 1)
    assert report.conflicts == 0
    assert set(np.unique(labels)) == {0, 1}  # every pixel is grown into one or the other
    report, labels, _ = written(path, clicks, tmp_path / "plain", spreading=Spreading("superpixels", method, 400))
    assert report.conflicts == 2


def test_outputs_that_exist_are_seen_before_the_work_starts(raster_file, tmp_path, small_tiles):
    (tmp_path / "image_regions.tif").touch()
    with pytest.raises(GeoPointSegError, match=r"image_regions\.tif: add --overwrite"):
        written(raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1)), tmp_path)
    assert not small_tiles
    written(raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1)), tmp_path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "image.tif",
        "image_weights.tif",
    ]  # no outlines of another mask


def test_an_interrupted_run_by_reach_leaves_nothing(raster_file, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(painter, "paint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        written(raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1)), tmp_path, spreading=REACH)
    assert list(tmp_path.iterdir()) == []


def test_a_raster_without_data_in_its_middle_is_cut_too(raster_file, tmp_path, monkeypatch):
    monkeypatch.setattr(painter, "SAMPLE", 8)
    array = STRIPES.copy()
    array[:, 14:34] = 0
    points = layer((2, 3, 0), (2, 40, 1))
    _, labels, _ = written(raster_file(array, nodata=0), points, tmp_path, spreading=Spreading("superpixels", size=64))
    assert {0, 1} <= set(np.unique(labels))


def test_regions_can_be_grown_by_affinity_maps_instead_of_colours(raster_file, tmp_path):
    even = raster_file(np.full((32, 32), 100, np.uint8), "even.tif")
    maps = np.full((8, 32, 32), 255, np.uint8)
    maps[[2, 4, 7], :, 15] = maps[[0, 3, 5], :, 16] = 0  # nothing belongs together across the middle
    (tmp_path / "affinities").mkdir()
    raster_file(maps, "even.tif", folder=tmp_path / "affinities")
    points = layer((5, 5, 2), (9, 28, 0))
    spreading = Spreading("reach", affinity=tmp_path / "affinities")
    _, labels, _ = written(even, points, tmp_path / "masks", spreading=spreading)
    assert (labels[:, :16] == 2).all()
    assert (labels[:, 16:] == 0).all()
    _, labels, _ = written(even, points, tmp_path / "colours", spreading=REACH)
    assert (labels != UNLABELLED).sum() == 2  # one even region that holds two classes


def test_affinity_maps_that_do_not_fit_are_refused(raster_file, tmp_path):
    path, points = raster_file(STRIPES), layer((2, 8, 0), (2, 40, 1))
    raster_file(np.zeros((8, 9, 9), np.uint8), "image.tif", folder=tmp_path)
    with pytest.raises(
        GeoPointSegError, match=r"eight affinity maps on the grid of .*image\.tif, got 8 in .*: make them"
    ):
        written(path, points, tmp_path / "masks", spreading=Spreading("reach", affinity=tmp_path))
    with pytest.raises(GeoPointSegError, match=r"a raster that GDAL reads, got .*none/image\.tif"):
        written(path, points, tmp_path / "masks", spreading=Spreading("reach", affinity=tmp_path / "none"))


# the command


def test_masks_of_several_rasters_are_counted_together(raster_file, tmp_path):
    paths = [raster_file(STRIPES, "a.tif"), raster_file(STRIPES, "b.tif", origin=(400_480, 5_800_000))]
    points = write_points(layer((2, 8, 0), (2, 40, 1), (2, 72, 2)), tmp_path / "points.gpkg")
    report = mask([str(p) for p in paths], points=points, spreading=AT_ONCE, out=tmp_path / "masks")
    assert [p.name for p in report.files] == ["a.tif", "a_weights.tif", "b.tif", "b_weights.tif", "mask.json"]
    labels = [rasterio.open(path).read(1) for path in report.files[:-1:2]]
    assert set(np.unique(labels[0])) == {0, 1, 255}
    assert set(np.unique(labels[1])) == {2, 255}
    assert report.pixels == tuple((np.array(labels) == i).sum() for i in range(3))
    assert (report.spread, report.total) == (3, 2 * STRIPES.size)


def test_two_rasters_of_one_name_are_refused(raster_file, tmp_path):
    points = write_points(layer((2, 8, 0), (2, 40, 1)), tmp_path / "points.gpkg")
    with pytest.raises(GeoPointSegError, match="got image more than once"):
        mask([str(raster_file(STRIPES)) for _ in range(2)], points=points, spreading=AT_ONCE, out=tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


def test_nothing_labelled_is_an_error_that_says_why(raster_file, tmp_path):
    points = write_points(layer((2, 3, 0), (9, 8, 1)), tmp_path / "points.gpkg")  # both in one even stripe
    with pytest.raises(GeoPointSegError, match=r"none from 2 training points.*try --spread reach"):
        mask([str(raster_file(STRIPES))], points=points, spreading=AT_ONCE, out=tmp_path / "masks")


def test_masks_need_a_folder_that_can_be_written(raster_file, tmp_path):
    points = write_points(layer((2, 8, 0), (2, 40, 1)), tmp_path / "points.gpkg")
    (tmp_path / "masks").write_text("a file")
    with pytest.raises(GeoPointSegError, match="folder that can be written"):
        mask([str(raster_file(STRIPES))], points=points, spreading=AT_ONCE, out=tmp_path / "masks")


def test_unchecked_points_are_refused(raster_file, points_file, tmp_path):
    with pytest.raises(GeoPointSegError, match="run 'geopointseg check'"):
        mask(
            [str(raster_file(STRIPES))],
            points=points_file([(0, 0, "water")]),
            spreading=AT_ONCE,
            out=tmp_path / "masks",
        )


# guessing the rest


def test_what_no_click_reaches_is_guessed_and_held_out_features_are_left_alone(raster_file, tmp_path):
    rng = np.random.default_rng(0)
    array = np.where(np.arange(160) < 80, 40, 200) + rng.integers(0, 30, (160, 160))  # dark and bright ground, grainy
    clicks = [(int(row), col, int(col > 80)) for row in np.linspace(5, 70, 8) for col in (30, 120)]
    block = gpd.GeoDataFrame({"block": [0]}, geometry=[box(400_000, 5_798_400, 401_600, 5_798_900)], crs="EPSG:32633")
    points = layer(*clicks, (140, 30, 1), held_out=block)
    points.frame.loc[len(clicks), "split"] = "test"  # a held-out point, and a wrong one
    path = raster_file(array.astype(np.uint8))
    _, reached, _ = written(path, points, tmp_path / "reach", spreading=REACH)
    report, labels, weights = written(path, points, tmp_path / "fill", spreading=Spreading())
    clicked = reached != UNLABELLED
    assert (labels[clicked] == reached[clicked]).all()
    assert (reached[110:] == UNLABELLED).all()  # the block
    assert labels[140, 30] == UNLABELLED
    guessed = (labels != UNLABELLED) & ~clicked
    assert (labels == (np.arange(160) >= 80))[guessed].mean() > 0.95
    assert guessed[110:].mean() > 0.95
    assert report.guessed == guessed.sum()
    assert weights[guessed].sum() <= SHARE * (160 * 160 / 400 + 1) * 1.5
    assert (
        f"{report.guessed / labels.size:.1%} more are guessed by how they look, at 0.25 of a click's weight at most"
        in str(report)
    )
    points.frame.loc[len(clicks), "class_id"] = 0  # nothing follows from what is held out
    _, again, weights_again = written(path, points, tmp_path / "again", spreading=Spreading())
    assert (again == labels).all()
    assert (weights_again == weights).all()


def test_nothing_is_guessed_where_a_class_is_known_by_areas_alone_and_the_account_says_so(raster_file, tmp_path):
    rng = np.random.default_rng(0)
    array = np.where(np.arange(96) < 48, 40, 200) + rng.integers(0, 30, (96, 96))
    points = layer(*[(row, col, int(col > 48)) for row in (5, 30, 55, 80) for col in (20, 70)], (90, 90, 2))
    points.frame.loc[8, "geometry"] = points.frame.geometry[8].buffer(30)
    report, _, _ = written(raster_file(array.astype(np.uint8)), points, tmp_path / "fill", spreading=Spreading())
    assert report.guessed == 0
    assert f"; nothing is guessed: no click tells what this looks like: {points.classes.names[2]}" in str(report)


@pytest.fixture
def older(raster_file, tmp_path):
    """`older(names)`: a map on the grid of a raster of 96 x 96: class 0 above, class 1 below, nothing in the first column."""

    def make(names, side=96):
        ids = np.repeat([0, 1], side // 2)[:, None].repeat(side, 1).astype(np.uint8)
        ids[:, 0] = UNLABELLED
        path = raster_file(ids, name="older.tif", nodata=UNLABELLED)
        with rasterio.open(path, "r+") as target:
            target.update_tags(CLASSES=Classes.of(names).to_tag())
        return path

    return make


def test_a_map_that_is_there_guesses_what_no_click_reaches(older, raster_file, tmp_path):
    array = np.repeat([40, 200], 48)[:, None].repeat(96, 1)
    array = array + np.random.default_rng(0).integers(0, 30, (96, 96))
    array[:, 90:] = 0
    path, points = raster_file(array.astype(np.uint8), nodata=0), layer((20, 20, 0), (70, 70, 2))
    spreading = Spreading(guesses=older([CLASSES.names[2], CLASSES.names[0]]))  # in another order
    _, reached, _ = written(path, points, tmp_path / "reach", spreading=REACH)
    report, labels, weights = written(path, points, tmp_path / "fill", spreading=spreading)
    guessed = reached == UNLABELLED
    assert (labels[~guessed] == reached[~guessed]).all()
    assert report.guessed == guessed[:, 1:90].sum() > 0
    assert (labels[:48, 1:90][guessed[:48, 1:90]] == 2).all()
    assert (labels[48:, 1:90][guessed[48:, 1:90]] == 0).all()
    assert np.allclose(weights[:, 1:90][guessed[:, 1:90]], SHARE / 400)
    assert (weights[:, 0][guessed[:, 0]] == 0).all()  # of which the map says nothing
    assert (labels[:, 90:] == UNLABELLED).all()  # no data
    assert f"{report.guessed / labels.size:.1%} more are guessed by older.tif, at" in str(report)


def test_a_map_guesses_where_nobody_clicked_too(older, raster_file, tmp_path, small_tiles):
    points = layer((20, 20, 0))
    names = [CLASSES.names[0], CLASSES.names[2]]
    _, labels, _ = written(
        raster_file(np.full((96, 96), 7, np.uint8)), points, tmp_path, spreading=Spreading(guesses=older(names))
    )
    assert (labels[:16, 1:] == 2).all()  # a tile from the click
    assert (labels[64:, 1:] == 0).all()  # three


def test_a_folder_without_the_map_of_a_raster_is_refused(raster_file, tmp_path):
    with pytest.raises(GeoPointSegError, match=r"expected image_classes.tif or image.tif in .*, got neither"):
        written(raster_file(STRIPES), layer((2, 8, 0)), tmp_path / "fill", spreading=Spreading(guesses=tmp_path))


@pytest.mark.parametrize(
    ("names", "side", "message"),
    [
        (["moss", "water"], 96, "expected a map of the classes water, .*, got moss in"),
        (["water"] * 2, 48, "expected a map on the grid of .*, got .*older.tif: make it from that raster"),
    ],
)
def test_a_map_that_cannot_guess_is_refused(older, raster_file, tmp_path, names, side, message):
    path = raster_file(np.zeros((96, 96), np.uint8))
    spreading = Spreading(guesses=older(names, side))
    with pytest.raises(GeoPointSegError, match=message):
        written(path, layer((20, 20, 0)), tmp_path / "fill", spreading=spreading)


def test_points_beside_the_raster_are_an_error_though_a_map_guesses_everywhere(older, raster_file, tmp_path):
    write_points(layer((500, 500, 0)), tmp_path / "points.gpkg")
    path = raster_file(np.full((96, 96), 7, np.uint8))
    spreading = Spreading(guesses=older([CLASSES.names[0], CLASSES.names[2]]))
    with pytest.raises(GeoPointSegError, match="expected labelled pixels, got none from 1 training points"):
        mask([str(path)], points=tmp_path / "points.gpkg", spreading=spreading, out=tmp_path / "masks")
    assert not list((tmp_path / "masks").iterdir())
