"""Simulated points: as many of each class as asked for, each on a pixel of its class, the same for the same seed."""

import re

import numpy as np
import pytest
import rasterio

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.burn import locate
from geopointseg.labels.draw import draw, flip_labels, move_points
from geopointseg.labels.points import load_points
from geopointseg.raster import open_raster

TRUTH = np.full((20, 30), 255, np.uint8)
TRUTH[:10, :10], TRUTH[10:, :20], TRUTH[0, 29] = 10, 30, 100


def drawn(path, out, **options):
    """The points, with the row and column of each and the truth there."""
    report = draw([str(path)], **({"per_class": 5, "out": out, "held_out": 0} | options))
    frame = report.points.frame
    frame["row"], frame["col"] = locate(frame.geometry, open_raster(path).grid)
    with rasterio.open(path) as source:
        frame["truth"] = source.read(1)[frame["row"], frame["col"]]
    return report.points, frame


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
    rows, cols = locate(frame.geometry[frame["source"] == "b"], open_raster(paths[1]).grid)
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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"per_class": None}, r"expected a budget, got none: give --per-class .* or --per-image"),
        ({"per_image": 9}, r"expected one budget, got --per-class 5 and --per-image 9: leave one out"),
        ({"per_class": 0}, r"budget of at least 1 point, got 0: raise --per-class or --per-image"),
        ({"per_class": None, "per_image": -1}, r"at least 1 point, got -1: raise"),
        (
            {"strategy": "lssqps"},
            r"expected --per-image with --strategy lssqps, got --per-class 5: its budget is of all",
        ),
        ({"strategy": "per-image"}, r"expected --per-image with --strategy per-image, got --per-class 5"),
        ({"fair": True}, r"expected --fair with --strategy lssqps only, got random: leave it out"),
        ({"min_area": 0}, r"expected at least 1 pixel as --min-area, got 0"),
        ({"noise": 1.1}, r"expected a share of the points from 0 to 1 as --noise, got 1\.1"),
        ({"noise": float("nan")}, r"as --noise, got nan"),
        ({"jitter": -1}, r"expected pixels from 0 on as --jitter, got -1"),
        ({"jitter": float("inf")}, r"as --jitter, got inf"),
        ({"seed": -1}, r"expected a whole number from 0 on as --seed, got -1"),
        (
            {"strategy": "per-object", "min_area": 999},
            r"per-object, got none: too few connected components of --min-area",
        ),
        ({"strategy": "lssqps", "per_class": None, "per_image": 2}, r"lssqps, got none: .* --fair keeps .*more points"),
        ({"ignore": [30, 100], "noise": 0.5}, r"at least two classes for --noise, got one"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(raster_file, tmp_path, options, words):
    with pytest.raises(GeoPointSegError, match=words):
        drawn(raster_file(TRUTH), tmp_path / "points.gpkg", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_continuous_raster_is_no_truth(raster_file, tmp_path):
    with pytest.raises(
        GeoPointSegError, match=r"expected whole numbers in .*image\.tif, got 0\.5: is it a class raster"
    ):
        drawn(raster_file(np.array([[0, 0.5], [np.nan, 2]], np.float32)), tmp_path / "points.gpkg")


@pytest.mark.parametrize(
    ("strategy", "per_code"),
    [
        ("random", {10: 10, 30: 9, 100: 1}),  # the class with one pixel passes its share on
        ("stratified", {10: 10, 30: 9, 100: 1}),
        ("boundary-biased", {10: 10, 30: 9, 100: 1}),
        ("per-object", {10: 1, 30: 1}),
        ("lssqps", {10: 5, 30: 5}),  # four values with 255
    ],
)
def test_a_budget_per_image_goes_to_the_classes(raster_file, tmp_path, strategy, per_code):
    path = raster_file(TRUTH)
    points, frame = drawn(path, tmp_path / "points.gpkg", per_class=None, per_image=20, strategy=strategy)
    assert frame["code"].value_counts().to_dict() == per_code
    assert points.classes.codes == tuple(sorted(per_code))
    assert frame["code"].tolist() == frame["truth"].tolist()


def test_per_image_draws_from_all_classes_of_every_mask(raster_file, tmp_path):
    paths = [raster_file(TRUTH, name) for name in ("a.tif", "b.tif")]
    options = {"per_image": 30, "strategy": "per-image", "out": tmp_path / "points.gpkg"}
    frame = draw([*map(str, paths)], **options).points.frame
    assert frame["source"].value_counts().to_dict() == {"a": 30, "b": 30}


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        ({"ignore": [100]}, ["simulated points, drawn from dense truth: strategy random, 5 points per class, seed 0"]),
        ({}, ["strategy random", "4 of the 15 points asked for not drawn: too few labelled pixels"]),
        (
            {"strategy": "per-object"},
            [
                "strategy per-object, 5",
                "13 of the 15 points .* --min-area pixels or more",
                "no point has the value 100",
            ],
        ),
        (
            {"strategy": "lssqps", "per_class": None, "per_image": 20, "seed": 3},
            ["strategy lssqps, 20 points per image, seed 3", "10 of the 20 .* --fair keeps them", "the value 100$"],
        ),
        ({"strategy": "lssqps", "per_class": None, "per_image": 20, "fair": True}, [r"strategy lssqps \(fair\), 20"]),
        (
            {"ignore": [100], "noise": 0.3, "jitter": 2, "held_out": 0.2},
            [
                "random",
                "noise 0.3: 3 of 10 points have the label of another",
                "jitter 2: points moved",
                "the dense truth",
            ],
        ),
    ],
)
def test_notes_say_what_was_drawn(raster_file, tmp_path, options, notes):
    options = {"per_class": 5, "out": tmp_path / "points.gpkg", "held_out": 0} | options
    found = draw([str(raster_file(TRUTH))], **options).notes
    assert len(found) == len(notes)
    assert all(re.search(words, note) for words, note in zip(notes, found, strict=True))


def test_noise_flips_that_share_and_keeps_the_truth_beside(raster_file, tmp_path):
    path, frames = raster_file(TRUTH), {}
    for noise in (0, 0.2, 0.6):
        out = tmp_path / f"{noise}.gpkg"
        points, frames[noise] = drawn(path, out, per_class=30, noise=noise, held_out=0.2, names={10: "house"})
        frame, names = load_points(out).frame, dict(zip(points.classes.codes, points.classes.names, strict=True))
        assert frame["truth_class"].tolist() == [names[code] for code in frames[noise]["truth"]]
        assert (frame["class_name"] != frame["truth_class"]).sum() == round(noise * 61)
        assert frame["class_name"].tolist() == [names[code] for code in frame["code"]]
        assert frame["class_name"].tolist() == [points.classes.names[i] for i in frame["class_id"]]
    for frame in frames.values():  # otherwise the same points
        assert frame[["row", "col", "split"]].equals(frames[0][["row", "col", "split"]])
    few = frames[0.2]["class_id"] != frames[0]["class_id"]
    assert frames[0.2]["class_id"][few].equals(frames[0.6]["class_id"][few])


def test_flipped_labels_go_to_every_other_class_alike():
    labels = np.repeat([2, 5, 7], 1000)
    flipped = flip_labels(labels, 1, np.random.default_rng(0))
    assert (flipped != labels).all()
    for label in (2, 5, 7):
        assert np.unique(flipped[labels == label], return_counts=True)[1] == pytest.approx(500, abs=80)


def test_jitter_moves_points_and_keeps_labels(raster_file, tmp_path):
    path = raster_file(TRUTH)
    _, still = drawn(path, tmp_path / "still.gpkg", per_class=100)
    _, moved = drawn(path, tmp_path / "moved.gpkg", per_class=100, jitter=0.5)
    assert moved["code"].tolist() == still["code"].tolist()
    dx = (moved.geometry.x - still.geometry.x) / 10
    inner = still["col"].between(3, 26)  # where the edge reflects nothing
    assert dx[inner].std() == pytest.approx(0.5, abs=0.1)
    assert (moved["code"] != moved["truth"]).any()


@pytest.mark.parametrize("jitter", [3, 500])
@pytest.mark.parametrize("bounds", [None, (400_000, 5_799_850, 400_100, 5_799_950)])
def test_jittered_points_stay_on_the_mask_and_within_the_bounds(raster_file, tmp_path, jitter, bounds):
    _, frame = drawn(raster_file(TRUTH), tmp_path / "p.gpkg", per_class=200, jitter=jitter, bounds=bounds)
    top, bottom, right = (5, 14, 9) if bounds else (0, 19, 29)
    assert frame["row"].between(top, bottom).all()
    assert frame["col"].between(0, right).all()


def test_the_edge_reflects_what_would_leave():
    class Step:
        def standard_normal(self, size):
            return np.array([-1.0, 0.25, 1.0])[:size]

    rows, cols = move_points(np.array([0, 1, 3]), np.array([0, 1, 3]), (4, 9), 2.0, Step())
    np.testing.assert_allclose(rows, [1.0, 1.5, 2.0])  # -2 → -1.5 from the edge at -0.5 → 1 within
    np.testing.assert_allclose(cols, [1.0, 1.5, 5.0])


def test_the_command_draws_by_every_strategy(raster_file, tmp_path, capsys):
    path = str(raster_file(TRUTH))
    for number, strategy in enumerate(["random", "stratified", "per-object", "boundary-biased", "lssqps", "per-image"]):
        out = tmp_path / f"{number}.gpkg"
        options = ["--per-image", "20", "--strategy", strategy, "--noise", "0.1", "--jitter", "1", "--out", str(out)]
        assert main(["draw", path, *options]) == 0
        assert f"strategy {strategy}, 20 points per image" in capsys.readouterr().out
        assert len(load_points(out).frame) > 0
    assert main(["draw", path]) == 2
    assert "give --per-class" in capsys.readouterr().err
    assert main(["draw", path, "--per-image", "5", "--strategy", "chance"]) == 2
    assert "boundary-biased" in capsys.readouterr().err


def test_korea_keeps_the_codes_of_the_truth(data, tmp_path):
    path = sorted((data / "korea_sentinel2" / "masks").rglob("*.tif"))[0]
    points, frame = drawn(path, tmp_path / "points.gpkg", per_class=20, held_out=0.2)
    with rasterio.open(path) as source:
        codes, counts = np.unique(source.read(1), return_counts=True)
    assert set(points.classes.codes) <= {10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
    assert points.classes.codes == tuple(codes)
    assert frame["code"].tolist() == frame["truth"].tolist()
    assert frame["code"].value_counts().sort_index().tolist() == np.minimum(counts, 20).tolist()
