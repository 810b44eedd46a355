"""Simulated points: as many of each class as asked for, each on a pixel of its class, the same for the same seed."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.draw import draw, draw_points
from geopointseg.labels.points import load_points, locate
from geopointseg.raster import open_raster

TRUTH = np.full((20, 30), 255, np.uint8)
TRUTH[:10, :10], TRUTH[10:, :20], TRUTH[0, 29] = 10, 30, 100


def drawn(path, out, **options):
    """The points, with the row and column of each and the truth there."""
    report = draw([str(path)], **({"per_class": 5, "out": out, "held_out": 0} | options))
    frame = report.points.frame
    frame["row"], frame["col"] = locate(frame, open_raster(path))
    with rasterio.open(path) as source:
        frame["truth"] = source.read(1)[frame["row"], frame["col"]]
    return report.points, frame


@given(
    st.lists(st.lists(st.sampled_from([0, 3, 7, 255]), min_size=6, max_size=6), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_each_class_gives_as_many_pixels_as_asked_or_all_it_has(rows_of_truth, per_class, seed):
    truth = np.array(rows_of_truth, np.uint8)
    rows, cols = draw_points(truth, per_class, np.random.default_rng(seed), ignore=(255, 7))
    assert len({*zip(rows, cols, strict=True)}) == len(rows)
    expected = [code for code in (0, 3) for _ in range(min(per_class, (truth == code).sum()))]
    assert truth[rows, cols].tolist() == expected


def test_every_point_lies_on_a_pixel_of_its_class(raster_file, tmp_path):
    points, frame = drawn(raster_file(TRUTH), tmp_path / "points.gpkg")
    assert points.classes.codes == (10, 30, 100)
    assert frame["code"].tolist() == frame["truth"].tolist()
    assert frame["code"].value_counts().to_dict() == {10: 5, 30: 5, 100: 1}
    assert [points.classes.codes[i] for i in frame["class_id"]] == frame["code"].tolist()
    assert (frame["status"] == "used").all()


def test_points_are_simulated_and_say_so(raster_file, tmp_path):
    report = draw([str(raster_file(TRUTH))], per_class=5, out=tmp_path / "points.gpkg")
    assert any("simulated" in note for note in report.notes)
    loaded = load_points(tmp_path / "points.gpkg")
    assert loaded.frame["class_name"].tolist() == report.points.frame["class_name"].tolist()
    assert loaded.classes == report.points.classes


def test_names_for_codes(raster_file, tmp_path):
    points, frame = drawn(raster_file(TRUTH), tmp_path / "points.gpkg", names={10: "building", 30: "road"})
    assert points.classes.names == ("building", "road", "100")
    assert dict(zip(frame["code"], frame["class_name"], strict=True)) == {10: "building", 30: "road", 100: "100"}


def test_ignored_codes_and_nodata_give_no_points(raster_file, tmp_path):
    _, frame = drawn(raster_file(TRUTH, nodata=100), tmp_path / "points.gpkg", ignore=[10])
    assert set(frame["code"]) == {30}


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_truth_of_other_types_is_drawn_from_too(raster_file, tmp_path, dtype):
    truth = np.where(TRUTH == 100, -1, TRUTH.astype(int) * 10)
    path = raster_file(truth, dtype=dtype, nodata=np.nan if dtype == "float32" else None)
    points, _ = drawn(path, tmp_path / "points.gpkg", ignore=[2550])
    assert points.classes.codes == (-1, 100, 300)


def test_missing_pixels_of_a_float_truth_are_no_class(raster_file, tmp_path):
    truth = np.where(TRUTH == 255, np.nan, TRUTH)
    points, _ = drawn(raster_file(truth, dtype="float32"), tmp_path / "points.gpkg")
    assert points.classes.codes == (10, 30, 100)


@pytest.mark.parametrize(
    ("bounds", "rows", "cols"),
    [
        ((400_000, 5_799_850, 400_100, 5_799_950), (5, 14), (0, 9)),
        ((400_006, 5_799_844, 400_106, 5_799_946), (5, 15), (1, 10)),  # pixels count by their centres
        ((300_000, 5_799_950, 400_030, 5_900_000), (0, 4), (0, 2)),  # reaches beyond the raster
    ],
)
def test_points_are_drawn_within_the_bounds_only(raster_file, tmp_path, bounds, rows, cols):
    _, frame = drawn(raster_file(TRUTH), tmp_path / "points.gpkg", bounds=bounds, per_class=999)
    assert (frame["row"].min(), frame["row"].max()) == rows
    assert (frame["col"].min(), frame["col"].max()) == cols
    part = TRUTH[rows[0] : rows[1] + 1, cols[0] : cols[1] + 1]
    assert len(frame) == (part != UNLABELLED).sum()
    assert frame["code"].tolist() == frame["truth"].tolist()


@pytest.mark.parametrize("bounds", [(0, 0, 1, 1), (400_250, 5_799_800, 400_300, 5_799_900)])
def test_nothing_to_draw_from_is_an_error_that_names_the_options(raster_file, tmp_path, bounds):
    with pytest.raises(GeoPointSegError, match=r"image\.tif, got none: check --ignore and --bounds"):
        drawn(raster_file(TRUTH), tmp_path / "points.gpkg", bounds=bounds)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_beyond_the_bounds_does_not_spoil_the_others(raster_file, tmp_path):
    paths = [raster_file(TRUTH, "far.tif", origin=(500_000, 5_800_000)), raster_file(TRUTH)]
    bounds = (400_000, 5_799_800, 400_300, 5_800_000)
    report = draw([*map(str, paths)], per_class=5, out=tmp_path / "points.gpkg", bounds=bounds)
    assert set(report.points.frame["source"]) == {"image"}
    assert len(report.points.frame) == 11


def test_every_mask_gives_its_share(raster_file, tmp_path):
    paths = [raster_file(TRUTH, "a.tif"), raster_file(TRUTH, "b.tif", crs="EPSG:32634")]
    frame = draw([*map(str, paths)], per_class=5, out=tmp_path / "points.gpkg").points.frame
    assert frame.groupby(["source", "code"]).size().tolist() == [5, 5, 1, 5, 5, 1]
    rows, cols = locate(frame[frame["source"] == "b"], open_raster(paths[1]))
    assert TRUTH[rows, cols].tolist() == frame.loc[frame["source"] == "b", "code"].tolist()


def test_names_and_codes_of_our_own_class_rasters_are_kept(raster_file, tmp_path):
    path = raster_file(np.repeat([[0, 1, 2, 255]], 4, 0), dtype="uint8")  # ids, as our maps and pseudo-masks hold them
    classes = Classes.of([10, 30, 22531], {10: "building", 30: "road"})
    with rasterio.open(path, "r+") as target:
        target.update_tags(CLASSES=classes.to_tag())
    points, frame = drawn(path, tmp_path / "points.gpkg", per_class=2)
    assert points.classes == classes
    assert frame["class_id"].tolist() == frame["truth"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["class_name"].tolist() == ["building"] * 2 + ["road"] * 2 + ["22531"] * 2


def test_a_value_that_the_tags_do_not_name_is_refused(raster_file, tmp_path):
    path = raster_file(np.array([[0, 1, 7]], np.uint8))
    with rasterio.open(path, "r+") as target:
        target.update_tags(CLASSES=Classes.of(["road", "water"]).to_tag())
    with pytest.raises(GeoPointSegError, match=r"values 0 to 1 .*image\.tif name, got \[7\]: .*--ignore"):
        drawn(path, tmp_path / "points.gpkg")
    assert drawn(path, tmp_path / "points.gpkg", ignore=[7])[0].classes.names == ("road", "water")


def test_the_same_seed_draws_the_same_points_and_another_seed_others(raster_file, tmp_path):
    path = raster_file(TRUTH)
    spots = []
    for number, seed in enumerate([0, 0, 1]):
        _, frame = drawn(path, tmp_path / f"{number}.gpkg", seed=seed)
        spots.append(frame[["row", "col"]].to_numpy().tolist())
    assert spots[0] == spots[1] != spots[2]


def test_existing_points_are_kept_unless_told(raster_file, tmp_path):
    path, out = raster_file(TRUTH), tmp_path / "points.gpkg"
    drawn(path, out)
    before = out.read_bytes()
    with pytest.raises(GeoPointSegError, match="--overwrite"):
        drawn(path, out, seed=1)
    assert out.read_bytes() == before
    drawn(path, out, seed=1, overwrite=True)
    assert out.read_bytes() != before


def test_a_damaged_mask_is_an_error_for_users(raster_file, tmp_path):
    path = raster_file(np.random.default_rng(0).integers(0, 4, (256, 256), np.uint8))
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(GeoPointSegError, match="damaged or cut short"):
        drawn(path, tmp_path / "points.gpkg")


def test_korea_keeps_the_codes_of_the_truth(data, tmp_path):
    path = sorted((data / "korea_sentinel2" / "masks").rglob("*.tif"))[0]
    points, frame = drawn(path, tmp_path / "points.gpkg", per_class=20, held_out=0.2)
    with rasterio.open(path) as source:
        codes, counts = np.unique(source.read(1), return_counts=True)
    assert set(points.classes.codes) <= {10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
    assert points.classes.codes == tuple(codes)
    assert frame["code"].tolist() == frame["truth"].tolist()
    assert frame["code"].value_counts().sort_index().tolist() == np.minimum(counts, 20).tolist()
