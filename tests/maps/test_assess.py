"""Scores are scikit-learn's on the same pairs; sums go over windows and files; truth that does not fit is refused."""

import json

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box
from sklearn import metrics

from geopointseg.classes import Classes
from geopointseg.confusion import scores
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import Points, write_points
from geopointseg.maps import truth as module
from geopointseg.maps.assess import Assessment, Trained, against_points, against_truth, assess, by_place, pair_truth

EMPTY = gpd.GeoDataFrame({"block": np.zeros(0, np.int64)}, geometry=[], crs="EPSG:32633")


@pytest.fixture
def pair():
    """A map and its truth of 60 x 70 pixels: alike in seven of ten, both with holes; class 3 is in neither."""
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 4], size=(60, 70)).astype(np.uint8)
    found = np.where(rng.random((60, 70)) < 0.7, truth, rng.choice([0, 1, 2, 4], size=(60, 70))).astype(np.uint8)
    truth[:5], found[:, :3] = 255, 255
    return found, truth


@pytest.fixture
def plain_truth(raster_file, tmp_path):
    """A class raster of someone else's: no names, the codes 10 to 50."""

    def write(ids, name="truth.tif", **options):
        codes = np.where(np.asarray(ids) == 255, 0, 10 * (np.asarray(ids, int) + 1))
        return raster_file(codes.astype(np.uint8), name, folder=tmp_path, **options)

    return write


@pytest.fixture
def clicks(tmp_path):
    """Checked points on the grid of `class_map`: (row, col, name, split)."""

    def write(rows, crs="EPSG:32633", status="used"):
        r, c, names, split = (list(column) for column in zip(*rows, strict=True))
        classes = Classes.of(set(names))
        columns = {"class_id": [classes.names.index(n) for n in names], "class_name": names, "status": status}
        where = gpd.points_from_xy(400_005 + 10 * np.array(c), 5_799_995 - 10 * np.array(r))
        frame = gpd.GeoDataFrame(columns | {"reason": "", "split": split}, geometry=where, crs="EPSG:32633").to_crs(crs)
        return Points(frame, classes, EMPTY)

    return write


# scores


def test_the_scores_are_scikit_learns(class_map, plain_truth, classes, pair):
    found, truth = pair
    result = against_truth([class_map(found)], [plain_truth(truth)])
    both = (truth != 255) & (found != 255)
    t, p, ids = truth[both], found[both], [0, 1, 2, 4]
    figures = result.figures()
    np.testing.assert_array_equal(result.matrix, metrics.confusion_matrix(t, p, labels=range(5)))
    assert figures["count"] == both.sum()
    assert figures["unmapped"] == ((truth != 255) & (found == 255)).sum()
    assert figures["overall_accuracy"] == pytest.approx(metrics.accuracy_score(t, p))
    assert figures["miou"] == pytest.approx(metrics.jaccard_score(t, p, labels=ids, average="macro"))
    assert figures["mean_f1"] == pytest.approx(metrics.f1_score(t, p, labels=ids, average="macro"))
    oracles = {
        "iou": metrics.jaccard_score,
        "f1": metrics.f1_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }
    for key, oracle in oracles.items():
        ours = [figures["per_class"][classes.names[i]][key] for i in ids]
        assert ours == pytest.approx(oracle(t, p, labels=ids, average=None)), key
    assert figures["per_class"]["water"] == {"iou": None, "f1": None, "precision": None, "recall": None, "count": 0}


def test_windows_do_not_show_in_the_sums(class_map, plain_truth, pair, monkeypatch):
    files = [class_map(pair[0])], [plain_truth(pair[1])]
    whole = against_truth(*files)
    monkeypatch.setattr(module, "TILE", 16)
    parts = against_truth(*files)
    np.testing.assert_array_equal(parts.matrix, whole.matrix)
    assert parts.unmapped == whole.unmapped


def test_files_add_up_before_any_ratio_is_taken(class_map, plain_truth):
    # 1 of 1 right and 0 of 3 right: a quarter, not a half
    maps = [class_map([[0]], "a.tif"), class_map([[1, 1, 1]], "b.tif")]
    truth = [plain_truth([[0]], "ta.tif"), plain_truth([[0, 0, 0]], "tb.tif")]
    result = against_truth(maps, truth)
    assert result.matrix[:2, :2].tolist() == [[1, 3], [0, 0]]
    assert result.figures()["overall_accuracy"] == 0.25


def test_the_table_shows_what_the_figures_say(class_map, plain_truth, pair):
    result = against_truth([class_map(pair[0])], [plain_truth(pair[1])])
    text, figures = str(result), result.figures()
    assert f"overall accuracy {figures['overall_accuracy']:.3f}, mean IoU {figures['miou']:.3f}" in text
    assert f"{figures['count']:,} compared, {figures['unmapped']:,} unmapped" in text
    (water,) = (line for line in text.splitlines() if line.startswith("water"))
    assert water.split() == ["water", "–", "–", "–", "–", "0"]


# truth


def test_truth_with_names_is_matched_by_name_not_by_value(class_map):
    other = Classes.of(["water", "bare", "moon"], None)  # sorted: bare 0, moon 1, water 2
    truth = class_map([[0, 1, 2, 2]], "truth.tif", own=other)
    result = against_truth([class_map([[0, 0, 3, 1]])], [truth])  # water is 3 in the map
    assert result.matrix[0].tolist() == [1, 0, 0, 0, 0]
    assert result.matrix[3].tolist() == [0, 1, 0, 1, 0]
    assert result.matrix.sum() == 3  # the moon is not mapped, and so not judged


def test_truth_without_names_is_matched_by_code(class_map, raster_file):
    truth = raster_file(np.array([[10, 40, 40, 3, 0, 255]], np.uint8), "truth.tif")
    result = against_truth([class_map([[0, 3, 1, 0, 0, 0]])], [truth])
    assert result.matrix[0].tolist() == [1, 0, 0, 0, 0]
    assert result.matrix[3].tolist() == [0, 1, 0, 1, 0]
    assert result.matrix.sum() == 3


def test_truth_wider_than_a_byte_keeps_its_codes(class_map, raster_file, classes):
    # 266 is 10 modulo 256: cut to a byte it would pass for the first class
    own = Classes(classes.names, classes.colors, (10, 300, 22531, 40, 50))
    truth = raster_file(np.array([[10, 300, 22531, 266]], np.uint16), "truth.tif")
    result = against_truth([class_map([[0, 1, 2, 0]], own=own)], [truth])
    assert np.diag(result.matrix).tolist() == [1, 1, 1, 0, 0]
    assert result.matrix.sum() == 3


@pytest.mark.parametrize(
    "options", [{"origin": (400_010.0, 5_800_000.0)}, {"crs": "EPSG:32632"}, {"pixel": (5.0, 5.0)}], ids=str
)
def test_truth_on_another_grid_is_refused(class_map, plain_truth, options):
    with pytest.raises(GeoPointSegError, match=r"expected truth on the map's grid, got .*truth\.tif"):
        against_truth([class_map([[0, 1]])], [plain_truth([[0, 1]], **options)])


def test_truth_of_another_size_is_refused(class_map, plain_truth):
    with pytest.raises(GeoPointSegError, match=r"got .*truth\.tif \(1, 3\) for .*map\.tif \(1, 2\)"):
        against_truth([class_map([[0, 1]])], [plain_truth([[0, 1, 1]])])


def test_truth_without_one_class_of_the_map_is_refused(class_map, raster_file):
    truth = raster_file(np.array([[7, 8]], np.uint8), "truth.tif")
    with pytest.raises(GeoPointSegError, match=r"expected the codes \[10, 20, 30, 40, 50\] in .*truth\.tif, got none"):
        against_truth([class_map([[0, 1]])], [truth])


def test_truth_is_paired_by_name_else_by_order(tmp_path):
    maps, there = [tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "truth"
    assert pair_truth(maps, [there / "b.tif", there / "c.tif", there / "a.tif"]) == [there / "a.tif", there / "b.tif"]
    assert pair_truth(maps, [there / "x.tif", there / "a.tif"]) == [there / "x.tif", there / "a.tif"]
    with pytest.raises(GeoPointSegError, match="expected one truth raster for each of 2 maps, got 1"):
        pair_truth(maps, [there / "x.tif"])


def test_maps_of_other_classes_are_not_summed_up_with_the_first(class_map, plain_truth):
    other = class_map([[0, 1]], "b.tif", own=Classes.of(["moon", "water"]))
    truth = [plain_truth([[0, 1]], name) for name in ("ta.tif", "tb.tif")]
    with pytest.raises(GeoPointSegError, match=r"b\.tif"):
        against_truth([class_map([[0, 1]], "a.tif"), other], truth)


# points


def test_points_are_judged_at_their_pixel_and_by_name(class_map, clicks):
    ids = np.arange(20).reshape(4, 5) % 5
    ids[3] = 255
    points = clicks(
        [
            *[(0, 0, "bare", "test"), (1, 4, "water", "test"), (2, 3, "water", "test"), (3, 1, "grass", "test")],
            *[(0, 1, "road", "train"), (0, 2, "moon", "test"), (9, 9, "bare", "test")],
        ]
    )
    result = against_points([class_map(ids)], points)
    assert result.matrix[0].tolist() == [1, 0, 0, 0, 0]
    assert result.matrix[3].tolist() == [0, 0, 0, 1, 1]
    assert result.matrix.sum() == 3
    assert result.unmapped == 1
    assert result.basis == "held-out points"


def test_points_in_another_crs_are_judged_at_the_same_pixel(class_map, clicks):
    ids = np.arange(20).reshape(4, 5) % 5
    rows = [
        (r, c, name, "test") for r in range(4) for c, name in enumerate(("bare", "grass", "road", "water", "woodland"))
    ]
    result = against_points([class_map(ids)], clicks(rows, crs="EPSG:4326"))
    assert np.diag(result.matrix).tolist() == [4] * 5


def test_a_point_counts_on_every_map_that_holds_it(class_map, clicks):
    maps = [class_map([[0, 1]], "a.tif"), class_map([[1, 1]], "b.tif")]
    result = against_points(maps, clicks([(0, 0, "bare", "test"), (0, 1, "grass", "test")]))
    assert result.matrix[:2, :2].tolist() == [[1, 1], [0, 2]]


# the command


def test_the_command_writes_its_figures(class_map, plain_truth, tmp_path):
    out = tmp_path / "scores.json"
    result = assess([str(class_map([[0, 1, 1]]))], truth=[str(plain_truth([[0, 1, 0]]))], out=out)
    assert json.loads(out.read_text()) == result.figures()
    assert result.figures()["confusion"][0] == [1, 1, 0, 0, 0]
    with pytest.raises(GeoPointSegError, match="add --overwrite"):
        assess([str(tmp_path / "map.tif")], truth=[str(tmp_path / "truth.tif")], out=out)


@pytest.mark.parametrize(("split", "count"), [("test", 1), ("train", 2), ("all", 4)])
def test_the_command_takes_the_split_it_is_given(class_map, clicks, tmp_path, split, count):
    rows = [(0, 0, "bare", "test"), (0, 1, "grass", "train"), (0, 2, "bare", "train"), (0, 3, "bare", "gap")]
    points = write_points(clicks(rows), tmp_path / "points.gpkg")
    result = assess([str(class_map([[0, 1, 0, 0]]))], points=points, split=split, out=tmp_path / "scores.json")
    assert result.matrix.sum() == count


def test_no_point_of_the_split_on_the_maps_is_refused(class_map, clicks, tmp_path):
    points = write_points(clicks([(0, 0, "bare", "train"), (0, 1, "grass", "train")]), tmp_path / "points.gpkg")
    with pytest.raises(GeoPointSegError, match="expected test points on the maps, got none: choose another --split"):
        assess([str(class_map([[0, 1]]))], points=points, out=tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_neither_or_both_of_truth_and_points_are_refused(tmp_path):
    with pytest.raises(GeoPointSegError, match="expected either --truth or --points, got neither"):
        assess(["map.tif"], out=tmp_path / "scores.json")
    with pytest.raises(GeoPointSegError, match="expected either --truth or --points, got both"):
        assess(["map.tif"], truth=["t.tif"], points=tmp_path / "p.gpkg", out=tmp_path / "scores.json")


def test_a_raster_that_is_no_map_of_ours_is_refused(raster_file, plain_truth, tmp_path):
    foreign = raster_file(np.zeros((1, 2), np.uint8), "foreign.tif")
    with pytest.raises(GeoPointSegError, match=r"expected a class raster written by geopointseg, got .*foreign\.tif"):
        assess([str(foreign)], truth=[str(plain_truth([[0, 1]]))], out=tmp_path / "scores.json")


def test_an_assessment_is_readable_without_any_count(classes):
    empty = Assessment(np.zeros((5, 5), np.int64), classes, "nothing")
    assert "overall accuracy     –, mean IoU     –" in str(empty)
    assert json.loads(json.dumps(empty.figures()))["miou"] is None
    assert empty.figures()["per_class"] == scores(empty.matrix, classes.names)["per_class"]


# areas, places, borders


def test_reference_areas_count_by_every_pixel_where_asked(class_map, clicks):
    ids = np.zeros((6, 8), np.uint8)
    ids[:, 4:] = 1
    points = clicks([(0, 0, "bare", "test"), (5, 7, "grass", "test")])
    points.frame.loc[0, "geometry"] = box(400_000, 5_799_960, 400_060, 5_800_000)  # 4 rows, 6 columns
    whole = against_points([class_map(ids)], points, by="pixel")
    assert whole.matrix[:2, :2].tolist() == [[16, 8], [0, 1]]
    assert whole.basis == "pixels of held-out points, scribbles and areas"


def test_new_ground_is_judged_apart_from_ground_around_training_points(class_map, plain_truth, clicks):
    truth = np.zeros((20, 40), np.uint8)
    found = truth.copy()
    found[:, 30:] = 1  # wrong in the east
    points = clicks([(10, 5, "bare", "train"), (10, 35, "bare", "test")])
    files = [class_map(found)], [plain_truth(truth)]
    whole, (new, same) = by_place(*files, Trained(points, chip=8))
    assert whole.figures() == against_truth(*files).figures()
    assert (new.basis, same.basis) == ("dense truth, new place", "dense truth, same place")
    # a chip of 8 pixels that holds column 5 reaches columns 0 to 12, rows 3 to 17
    assert same.matrix.sum() == 15 * 13
    assert same.figures()["overall_accuracy"] == 1
    assert new.matrix.sum() == 800 - 15 * 13
    assert new.figures()["overall_accuracy"] == pytest.approx((605 - 200) / 605)
    _, (only,) = by_place(*files, Trained(points, chip=400))
    assert only.basis == "dense truth, same place"


def test_borders_are_judged_within_a_distance_and_windows_do_not_show(
    class_map, plain_truth, pair, monkeypatch, tmp_path
):
    maps, truth = [class_map(pair[0])], [plain_truth(pair[1])]
    whole = against_truth(maps, truth, boundary="10m")
    monkeypatch.setattr(module, "TILE", 16)
    parts = against_truth(maps, truth, boundary="1px")
    np.testing.assert_array_equal(parts.boundaries.counts, whole.boundaries.counts)
    np.testing.assert_array_equal(parts.matrix, whole.matrix)
    assert 0 < whole.figures()["boundaries"]["mean_f"] < 1
    assert "boundary F within 10 m" in str(whole)
    with pytest.raises(GeoPointSegError, match="expected --boundary with --truth"):
        assess([str(maps[0])], points=tmp_path / "p.gpkg", boundary="1px", out=tmp_path / "scores.json")


def test_the_micro_iou_is_a_mean_over_maps(class_map, plain_truth):
    maps = [class_map([[0, 1]], "a.tif"), class_map([[1, 1]], "b.tif")]
    result = against_truth(maps, [plain_truth([[0, 1]], "ta.tif"), plain_truth([[0, 1]], "tb.tif")])
    assert result.figures()["lssqps_micro_iou"] == pytest.approx((1 + 1 / 3) / 2)
    named = against_truth(maps[1:], [plain_truth([[0, 1]], "tb.tif")], background="bare")
    assert named.figures()["lssqps_micro_iou"] == pytest.approx(1 / 2)
    assert named.figures()["miou_without_background"] == pytest.approx(1 / 2)
    with pytest.raises(GeoPointSegError, match="as --background, got moon"):
        against_truth(maps[1:], [plain_truth([[0, 1]], "tb.tif")], background="moon")
