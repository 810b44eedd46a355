"""The split keeps held-out ground apart from what is trained on, and leaves every class something to learn from."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid
from geopointseg.labels.split import Split, hold_out, parse_length

GRID = Grid(CRS.from_epsg(32633), Affine(2, 0, 400_000, 0, -1, 5_800_000), 3000, 3000)


def layer(rows, cols, class_ids, status="used"):
    x, y = GRID.xy(rows, cols)
    frame = gpd.GeoDataFrame({"class_id": class_ids}, geometry=gpd.points_from_xy(x, y), crs=GRID.crs.to_wkt())
    frame["status"] = status
    frame["split"] = np.where(frame["status"] == "used", "train", "")
    return frame


def scattered(count, classes=4, size=3000, seed=0):
    rng = np.random.default_rng(seed)
    return layer(rng.integers(0, size, count), rng.integers(0, size, count), rng.integers(0, classes, count))


def rules_hold(points, out, areas):
    used = out[out["status"] == "used"]
    assert set(used["split"]) <= {"train", "test", "gap"}
    assert len(out) == len(points)
    closed = areas.union_all()
    near = used.intersects(closed)
    assert not near[used["split"] == "train"].any(), "a training point lies in a held-out block or its gap"
    assert near[used["split"] != "train"].all(), "a point is set aside far from any held-out block"
    assert set(used.loc[used["split"] == "train", "class_id"]) == set(used["class_id"]), "a class has nothing to train"


places = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3)), min_size=1, max_size=60)


@given(places, st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.integers(0, 5))
def test_the_rules_of_the_split_hold(rows_cols_ids, share, seed):
    points = layer(*np.array(rows_cols_ids).T)
    rules_hold(points, *hold_out(points, [GRID], Split(share), seed=seed))


def in_blocks(*places):
    """Points at (x, y, class) in blocks of 100 x 100 pixels, counted from the south-west: 6 blocks in each direction."""
    x, y, ids = np.array([(0, 0, 9), (599, 599, 9), *places]).T
    return layer(599 - y, x, ids)


SINGLE = [(50 + 100 * i, 50 + 100 * j) for i in range(6) for j in range(6) if i + j > 2]  # one in each of many blocks


def test_a_class_that_sits_in_one_block_is_not_held_out_whole():
    # The block at the south-west serves classes 1, 2 and 3 better than any other, but it holds all of class 0.
    spots = [(x, y, c) for c in (1, 2, 3) for x, y in [(40, 40), (50, 50), (60, 60), *SINGLE[:12]]]
    served = in_blocks(*spots)
    out, _ = hold_out(served, [GRID])
    assert set(out["split"].iloc[[2, 3, 4, 17, 18, 19, 32, 33, 34]]) == {"test"}
    points = in_blocks(*spots, *[(x, 30, 0) for x in (40, 45, 50, 55, 60)])
    rules_hold(points, *hold_out(points, [GRID]))


def test_a_class_that_sits_in_the_gap_of_one_block_is_not_set_aside_whole():
    spots = [(x, x, 1) for x in (40, 45, 50, 55, 60)] + [(x, y, 1) for x, y in SINGLE[:20]]
    out, _ = hold_out(in_blocks(*spots), [GRID])
    assert out["split"].iloc[2:7].tolist() == ["test"] * 5
    points = in_blocks(*spots, (103, 40, 0), (103, 50, 0), (103, 60, 0))
    rules_hold(points, *hold_out(points, [GRID]))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_about_the_share_of_each_class_is_held_out(share):
    out, areas = hold_out(scattered(800), [GRID], Split(share))
    rules_hold(scattered(800), out, areas)
    tested = (out["split"] == "test").groupby(out["class_id"]).mean()
    assert tested.between(share * 0.6, share * 1.4).all()


def test_the_gap_is_an_eighth_of_a_block():
    out, areas = hold_out(scattered(800), [GRID])
    west, south, east, north = areas.bounds.to_numpy().T
    np.testing.assert_allclose(east - west, 256 * 1.25 * 2)  # pixels are 2 wide and 1 high
    np.testing.assert_allclose(north - south, 256 * 1.25)
    gap = 256 / 8
    blocks = shapely.box(west + 2 * gap, south + gap, east - 2 * gap, north - gap)
    tested, trained = (out[out["split"] == name].geometry for name in ("test", "train"))
    assert tested.intersects(shapely.union_all(blocks).buffer(0.01)).all()
    for block in blocks:
        outside = [abs(trained.x - block.centroid.x) / 2 - 128, abs(trained.y - block.centroid.y) - 128]
        assert np.maximum(*outside).min() >= gap - 1e-6


def test_blocks_shrink_with_the_extent_of_the_points():
    _, areas = hold_out(scattered(200, size=120), [GRID])
    width = areas.bounds["maxx"] - areas.bounds["minx"]
    assert (width / 2 / 1.25 <= 120 / 6).all()


def test_no_share_holds_nothing_out():
    out, areas = hold_out(scattered(50), [GRID], Split(0))
    assert (out["split"] == "train").all()
    assert areas.empty
    assert areas.crs == GRID.crs.to_wkt()


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    splits = [hold_out(scattered(300), [GRID], seed=seed)[0]["split"].tolist() for seed in (0, 0, 1, 2, 3)]
    assert splits[0] == splits[1]
    assert any(split != splits[0] for split in splits[2:])


def test_points_not_in_use_are_left_alone():
    points = scattered(100)
    points.loc[::3, ["status", "split"]] = ["outside", ""]
    out, _ = hold_out(points, [GRID])
    assert (out.loc[::3, "split"] == "").all()
    used = points[points["status"] == "used"]
    assert out.loc[used.index, "split"].tolist() == hold_out(used, [GRID])[0]["split"].tolist()


def test_points_in_degrees_are_split_like_those_in_metres():
    points = scattered(300)
    metres, _ = hold_out(points, [GRID])
    degrees, areas = hold_out(points.to_crs(4326), [GRID])
    assert degrees["split"].tolist() == metres["split"].tolist()
    assert areas.crs == GRID.crs.to_wkt()
    assert degrees.crs == "EPSG:4326"


def test_the_input_is_not_changed():
    points = scattered(100)
    before = points.copy()
    hold_out(points, [GRID])
    assert points.equals(before)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points_all_train(count):
    out, areas = hold_out(scattered(count), [GRID])
    assert out["split"].tolist() == ["train"] * count
    assert areas.empty


@pytest.mark.parametrize("share", [-0.1, 1, 20])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(GeoPointSegError, match=f"from 0 to below 1, got {share}"):
        hold_out(scattered(5), [GRID], Split(share))


# other ways to split


def of(frame, split):
    return frame[frame["split"] == split]


@given(places, st.sampled_from(["40m", "10px"]), st.integers(0, 3))
def test_whole_features_are_held_out_with_a_gap_around_each(rows_cols_ids, gap, seed):
    points = layer(*np.array(rows_cols_ids).T)
    out, areas = hold_out(points, [GRID], Split(0.3, "features", gap=gap), seed=seed)
    rules_hold(points, out, areas)
    reach = np.array([40, 40] if gap == "40m" else [20, 10])  # pixels are 2 wide and 1 high
    train, test = (np.c_[of(out, name).geometry.x, of(out, name).geometry.y] for name in ("train", "test"))
    if len(train) and len(test):
        apart = np.hypot(*np.moveaxis((train[:, None] - test[None]) / reach, -1, 0))
        assert apart.min() > 0.98  # the circle is a polygon


def test_areas_are_held_out_whole_and_nothing_trains_near_them():
    boxes = [shapely.box(400_000 + 60 * i, 5_799_000, 400_050 + 60 * i, 5_799_050) for i in range(20)]
    frame = gpd.GeoDataFrame({"class_id": [0, 1] * 10, "status": "used", "split": "train"}, geometry=boxes, crs=32633)
    out, areas = hold_out(frame, [GRID], Split(0.3, "features", gap="15m"))
    held = of(out, "test")
    assert len(held) >= 2
    assert held.within(areas.union_all()).all()
    for shape in of(out, "train").geometry:
        assert held.distance(shape).min() > 14.7
    assert (of(out, "gap").distance(held.union_all()) < 15).all()


def test_an_area_across_the_edges_of_blocks_takes_its_ground_with_it():
    points = scattered(300, classes=2, size=600).to_crs(32633)
    wide = shapely.box(400_000, 5_799_380, 401_200, 5_799_420)  # across all blocks of a row
    wide = gpd.GeoDataFrame({"class_id": [0], "status": "used", "split": "train"}, geometry=[wide], crs=32633)
    frame = gpd.GeoDataFrame(pd.concat([points, wide], ignore_index=True), crs=32633)
    for seed in range(6):
        rules_hold(frame, *hold_out(frame, [GRID], Split(0.3), seed=seed))


def test_a_random_split_draws_the_share_of_each_class_and_has_no_gap():
    points = scattered(400)
    out, areas = hold_out(points, [GRID], Split(0.25, "random"))
    wanted = (points.groupby("class_id").size() * 0.25).round()
    assert of(out, "test").groupby("class_id").size().tolist() == wanted.tolist()
    assert set(out["split"]) == {"train", "test"}
    assert areas.empty


@pytest.mark.parametrize("split", ["random", "blocks"])
def test_many_points_are_split_too(split):
    out, _ = hold_out(scattered(100_000), [GRID], Split(0.2, split))
    assert (out["split"] == "test").mean() == pytest.approx(0.2, abs=0.03)


def test_whole_rasters_are_held_out():
    east, third = (Grid(GRID.crs, GRID.transform @ Affine.translation(shift, 0), 3000, 3000) for shift in (3000, 6000))
    rng = np.random.default_rng(0)
    number = np.repeat([0, 1, 2], 100)
    points = layer(rng.integers(0, 3000, 300), 3000 * number + rng.integers(0, 3000, 300), rng.integers(0, 2, 300))
    out, areas = hold_out(points, [GRID, east, third], Split(0.3, "rasters"))
    assert [set(out["split"][number == i]) for i in range(3)].count({"test"}) == 1
    assert set(out["split"]) == {"train", "test"}
    assert areas.area.tolist() == pytest.approx([6000 * 3000])
    with pytest.raises(GeoPointSegError, match=r"points on at least two rasters .* on one: choose --split blocks"):
        hold_out(points[number == 0], [GRID, east, third], Split(0.3, "rasters"))


def test_a_column_that_says_train_and_test_is_followed():
    points = scattered(50)
    points["role"] = np.where(np.arange(50) % 3 == 0, "test", "train").astype(object)
    points.loc[1, "role"] = None
    out, _ = hold_out(points, [GRID], Split(split_field="role"), groups=points["role"])
    assert out["split"].tolist() == points["role"].fillna("train").tolist()


def test_groups_of_a_column_are_held_out_whole():
    points = scattered(200)
    points["site"] = np.arange(200) % 10
    out, _ = hold_out(points, [GRID], Split(0.2, split_field="site"), groups=points["site"])
    assert set(out.groupby("site")["split"].agg("-".join).str.replace(r"^(\w+)(-\1)*$", r"\1", regex=True)) == {
        "train",
        "test",
    }
    assert (out["split"] == "test").mean() == pytest.approx(0.2, abs=0.06)
    near, _ = hold_out(points, [GRID], Split(0.2, split_field="site", gap="30px"), groups=points["site"])
    assert (near["split"] == "gap").any()


def test_a_column_to_split_by_must_have_groups():
    points = scattered(20)
    with pytest.raises(GeoPointSegError, match="at least two groups in 'site', got one: nothing would train"):
        hold_out(points, [GRID], Split(split_field="site"), groups=pd.Series(["one"] * 20))


def test_a_column_that_says_more_than_train_and_test_is_refused():
    roles = pd.Series(["Train", "TEST", "val", None] * 5)
    with pytest.raises(GeoPointSegError, match=r"or train and test alone, .* got test, train, val: .*--where"):
        hold_out(scattered(20), [GRID], Split(split_field="role"), groups=roles)
    out, _ = hold_out(scattered(20), [GRID], Split(split_field="role"), groups=roles.replace("val", "Test "))
    assert out["split"].tolist() == ["train", "test", "test", "train"] * 5


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Split(split="random", split_field="site"), "--split random or --split-field site, got both: choose one"),
        (Split(split="features", block="9m"), "--block with --split blocks only"),
        (Split(split_field="site", block="9m"), "--block with --split blocks only"),
        (Split(block="0m"), "blocks of some size, got --block 0m: write for example 500m"),
    ],
)
def test_options_that_do_not_go_together_are_refused(plan, message):
    with pytest.raises(GeoPointSegError, match=message):
        hold_out(scattered(20), [GRID], plan)


def test_a_seed_below_zero_is_refused():
    with pytest.raises(GeoPointSegError, match="a seed from 0 on, got -1"):
        hold_out(scattered(20), [GRID], seed=-1)


def test_too_many_single_features_are_refused(monkeypatch):
    monkeypatch.setattr("geopointseg.labels.split.MOST_GROUPS", 99)
    with pytest.raises(GeoPointSegError, match=r"at most 99 .* got 100: choose a larger --block, or --split random"):
        hold_out(scattered(100), [GRID], Split(0.2, "features"))


def test_block_and_gap_are_what_the_user_says():
    _, areas = hold_out(scattered(800), [GRID], Split(0.2, block="300m", gap="20px"))
    west, south, east, north = areas.bounds.to_numpy().T
    np.testing.assert_allclose(east - west, 300 + 2 * 20 * 2)
    np.testing.assert_allclose(north - south, 300 + 2 * 20 * 1)


DEGREES = Grid(CRS.from_epsg(4326), Affine(1e-4, 0, 13.0, 0, -1e-4, 60.0), 100, 100)


def test_metres_are_converted_where_the_raster_is_in_degrees():
    width, height = parse_length("1km", DEGREES)
    assert height == pytest.approx(1000 / 111_412, rel=1e-3)  # at 60° north a degree of latitude is 111.41 km long,
    assert width == pytest.approx(1000 / 55_802, rel=1e-3)  # one of longitude 55.80 km
    np.testing.assert_allclose(parse_length("16px", DEGREES), 16e-4)


@pytest.mark.parametrize("text", ["0.01", "30", "m", "", "-5m", "5 miles", "1e3m"])
def test_a_length_needs_its_unit(text):
    with pytest.raises(GeoPointSegError, match=r"a length with its unit, such as 30m, 1\.5km or 16px, got"):
        parse_length(text, DEGREES)


@pytest.mark.parametrize("grid", [DEGREES, GRID], ids=["degrees", "metres"])
def test_a_length_in_degrees_is_refused_with_what_to_write(grid):
    with pytest.raises(GeoPointSegError, match=r"metres or pixels, got 0\.01deg, .* write about 1110m"):
        parse_length("0.01deg", grid)


@given(places, places, st.sampled_from([0.2, 0.5]), st.integers(0, 3))
def test_what_was_held_out_stays_so_when_points_are_added(first, more, share, seed):
    old = layer(*np.array(first).T)
    before, ground = hold_out(old, [GRID], Split(share), seed=seed)
    if ground.empty:
        return
    both = pd.concat([old, layer(*np.array(more).T - [[300], [100], [0]])], ignore_index=True)  # beyond them, too
    after, again = hold_out(both, [GRID], Split(share, held_out_from=Path("p.gpkg")), before=ground, seed=seed)
    assert after["split"][: len(old)].tolist() == before["split"].tolist()
    assert again.geometry.equals(ground.geometry)
    near = after.intersects(ground.union_all())
    assert (near == (after["split"] != "train")).all()
    third, _ = hold_out(both, [GRID], Split(held_out_from=Path("p.gpkg")), before=again)
    assert third["split"].tolist() == after["split"].tolist()


def test_held_out_ground_that_cannot_stay_so_is_refused():
    plan, points = Split(held_out_from=Path("p.gpkg")), scattered(60)
    _, nothing = hold_out(points, [GRID], Split(0))
    with pytest.raises(GeoPointSegError, match=r"expected held-out ground in .*, got none: run 'geopointseg check'"):
        hold_out(points, [GRID], plan, before=nothing)
    _, single = hold_out(points, [GRID], Split(split="features"))
    with pytest.raises(GeoPointSegError, match=r"expected held-out blocks in .*, got single features"):
        hold_out(points, [GRID], plan, before=single)
    for other in ({"gap": "30m"}, {"block": "30m"}, {"split": "random"}, {"held_out": 0}):
        with pytest.raises(GeoPointSegError, match=r"expected --held-out-from p\.gpkg alone"):
            hold_out(points, [GRID], Split(**other, held_out_from=Path("p.gpkg")), before=nothing)
