"""The peers learn from the clicks, and from nothing that is judged."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import load_points
from geopointseg.labels.pseudomask import Spreading
from pipelines.experiments import orfeo
from pipelines.experiments.clicks import Clicks, draw_clicks, label_quality, pseudo_masks, read_whole
from pipelines.experiments.data import write_data, write_scenes
from pipelines.experiments.forests import object_forest, pixel_forest, voted
from pipelines.experiments.nearest import majority, nearest_clicks, nearest_place
from pipelines.experiments.orfeo import orfeo_forest, orfeo_missing
from pipelines.experiments.settings import by_name, every, part, prepare, with_bands


def drawing(stem):
    """Squares of two classes: one dark, one light, told apart by every pixel's colour."""
    rng = np.random.default_rng(ord(stem[-1]))
    truth = np.kron(rng.integers(2, size=(8, 8)), np.ones((16, 16))).astype(np.uint8)
    return np.stack([truth * 100 + rng.integers(20, size=truth.shape) for _ in range(4)]).astype(np.uint8), truth


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    splits = {"train": ["x_a", "x_b", "y_c"], "val": [], "test": ["x_d", "y_e"]}
    return write_scenes(tmp_path_factory.mktemp("data"), splits, drawing, {0: "dark", 1: "light"}, block=64)


@pytest.fixture(scope="module")
def new_place(data):
    return prepare(data, "new-place")


@pytest.fixture(scope="module")
def same_place(data):
    return prepare(data, "same-place")


def right(setting, maps):
    """The share of the judged pixels that are right; every one of them must have a class."""
    found = []
    for path, labels in zip(setting.judged, maps, strict=True):
        truth = read_whole(path)
        assert labels.shape == truth.shape
        assert (labels[truth != 255] != 255).all()
        found.append((labels == truth)[truth != 255])
    return np.concatenate(found).mean()


@pytest.mark.parametrize("setting", ["new_place", "same_place"])
def test_each_peer_tells_dark_from_light(setting, request):
    setting = request.getfixturevalue(setting)
    points = draw_clicks(setting, Clicks(500), 0)
    places = setting.images, points, setting.tests, setting.judged
    plain = pixel_forest(*places, 0)
    assert right(setting, plain) > 0.97
    assert right(setting, voted(plain, setting.tests)) > 0.8  # superpixels of 400 pixels, squares of 256
    assert right(setting, object_forest(setting.images, points, setting.tests, 0)) > 0.8
    assert right(setting, nearest_clicks(*places)) > 0.97


def test_the_nearest_click_on_the_ground_is_looked_for_where_there_are_clicks(same_place, new_place):
    points = draw_clicks(same_place, Clicks(5000), 0)
    maps = nearest_place(same_place.images, points, same_place.tests, same_place.judged)
    assert right(same_place, maps) > 0.4  # it lies in another block: it can know nothing of this one
    image, click = same_place.tests[0], load_points(points).used("train").iloc[0]
    with rasterio.open(image) as source:
        row, col = source.index(click.geometry.x, click.geometry.y)
    truth = read_whole(same_place.truth[0])
    assert truth[row, col] == click.class_id
    with pytest.raises(GeoPointSegError, match="same-place"):
        nearest_place(new_place.images, draw_clicks(new_place, Clicks(500), 0), new_place.tests, new_place.judged)


def test_most_of_the_neighbours_decide_and_ties_go_to_the_lowest_class():
    np.testing.assert_array_equal(majority(np.array([[2, 2, 0], [1, 1, 1], [2, 0, 1]])), [2, 1, 0])
    assert len(majority(np.zeros((0, 5), int))) == 0


def test_without_orfeo_its_forest_says_what_to_install(monkeypatch, new_place):
    monkeypatch.setattr(orfeo.shutil, "which", lambda program: None)
    assert orfeo_missing() == "otbcli_TrainImagesClassifier"
    with pytest.raises(GeoPointSegError, match="otb-bin"):
        orfeo_forest(new_place.images, draw_clicks(new_place, Clicks(500), 0), new_place.tests, 0)


@pytest.mark.slow
@pytest.mark.skipif(orfeo_missing() is not None, reason="Orfeo ToolBox is not installed: Debian's otb-bin")
def test_orfeos_forest_tells_dark_from_light(new_place):
    maps, facts = orfeo_forest(new_place.images, draw_clicks(new_place, Clicks(500), 0), new_place.tests, 0)
    assert right(new_place, maps) > 0.97
    assert facts["orfeo"]


def test_a_smaller_share_of_the_images_lies_within_a_larger_one(new_place):
    shares = [set(part(new_place, share, 0).images) for share in (0.01, 0.5, 0.7, 1)]
    assert [len(one) for one in shares] == [1, 2, 2, 3]
    assert shares[0] <= shares[1] <= shares[2] <= shares[3]
    folders = {part(new_place, share, seed).folder for share in (0.5, 0.7, 1) for seed in (0, 1)}
    assert len(folders) == 5  # other images, other clicks
    for share in (0, 1.1):
        with pytest.raises(GeoPointSegError, match="share of the images"):
            part(new_place, share, 0)


def test_images_are_taken_by_their_names(new_place):
    taken = by_name(new_place, "x_", "y_")
    assert [path.stem for path in taken.images] == ["x_a", "x_b"]
    assert [path.stem for path in taken.judged] == ["y_e"]
    assert by_name(new_place, "", "") == new_place
    with pytest.raises(GeoPointSegError, match="got 0 and 2"):
        by_name(new_place, "z", "")
    with pytest.raises(GeoPointSegError, match="got 3 and 0"):
        by_name(new_place, "", "z")


def test_every_second_image(new_place, same_place):
    assert [path.stem for path in every(new_place, 2).images] == ["x_a", "y_c"]
    assert every(new_place, 2).tests == new_place.tests
    assert every(same_place, 2).tests == same_place.tests[::2]
    assert every(new_place, 1) == new_place
    with pytest.raises(GeoPointSegError, match="--every"):
        every(new_place, 0)


def test_bands_are_taken_in_the_order_given(new_place):
    taken = with_bands(new_place, (4, 1))
    for before, after in zip([*new_place.images, *new_place.tests], [*taken.images, *taken.tests], strict=True):
        with rasterio.open(before) as whole, rasterio.open(after) as some:
            np.testing.assert_array_equal(some.read(), whole.read((4, 1)))
            assert some.transform == whole.transform
    assert taken.judged == new_place.judged
    with pytest.raises(GeoPointSegError, match=r"bands among \[1, 2, 3, 4\]"):
        with_bands(new_place, (5,))


def test_noise_and_jitter_change_labels_and_places_of_the_same_clicks(new_place):
    plain, noisy, moved = (
        load_points(draw_clicks(new_place, clicks, 0)).used("train")
        for clicks in (Clicks(500), Clicks(500, noise=0.2), Clicks(500, jitter=2))
    )
    assert len(plain) == len(noisy) == len(moved)
    assert (plain.geometry == noisy.geometry).all()
    assert (plain["class_id"] != noisy["class_id"]).sum() == round(0.2 * len(plain))
    assert (plain["class_id"] == moved["class_id"]).all()
    assert 1 < plain.geometry.distance(moved.geometry).median() < 4


def test_a_click_that_moves_to_judged_ground_is_dropped(same_place):
    points = load_points(draw_clicks(same_place, Clicks(2000, jitter=8), 0))
    assert 0 < len(points.used("train")) < len(load_points(draw_clicks(same_place, Clicks(2000), 0)).used("train"))
    closed = points.held_out.union_all()
    assert not points.used("train").geometry.within(closed).any()


def test_so_many_clicks_of_each_class_on_each_image(new_place):
    frame = load_points(draw_clicks(new_place, Clicks(3, per="class"), 0)).used("train")
    assert frame["class_id"].value_counts().tolist() == [9, 9]
    with pytest.raises(GeoPointSegError, match=r"clicks\.per"):
        draw_clicks(new_place, Clicks(3, per="class", strategy="lssqps"), 0)


def test_how_good_labels_are_is_told_by_the_truth(new_place):
    single = label_quality(new_place, pseudo_masks(new_place, Clicks(500), 0, Spreading("single-pixel")))
    clicks = load_points(draw_clicks(new_place, Clicks(500), 0)).used("train")
    assert single == {"labelled": len(clicks) / (3 * 128**2), "correct": 1.0, "superpixels": None}
    slic = Spreading("majority", method="slic", size=512**2 // 100)
    wide = label_quality(new_place, pseudo_masks(new_place, Clicks(500), 0, slic))
    assert wide["labelled"] > single["labelled"]
    assert 0.4 < wide["correct"] < 1
    assert 50 < wide["superpixels"] < 200


def test_data_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(GeoPointSegError, match="--root"):
        write_data("dubai", None, tmp_path)
    with pytest.raises(GeoPointSegError, match="--root"):
        write_data("korea", tmp_path / "nowhere", tmp_path)
    with pytest.raises(GeoPointSegError, match="data set among"):
        write_data("atlantis", tmp_path, tmp_path)


def test_the_made_up_seasons_differ_in_light_alone(tmp_path):
    data = write_data("synthetic-seasons", None, tmp_path)
    images, truth = data.paths("images", "val"), data.paths("truth", "val")
    assert [path.stem for path in images] == ["202309_scene2", "202412_scene2"]
    np.testing.assert_array_equal(*[read_whole(path) for path in truth])
    summer, winter = (rasterio.open(path) for path in images)
    with summer, winter:
        assert summer.count == winter.count == 4
        assert winter.read(4).mean() < 0.7 * summer.read(4).mean()


REAL = Path(os.environ.get("GEOPOINTSEG_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.skipif(not (REAL / "korea_sentinel2").exists(), reason="needs shared/data/korea_sentinel2")
def test_the_seasons_of_korea_are_told_apart_by_name(tmp_path):
    setting = prepare(write_data("korea", REAL, tmp_path), "new-place")
    autumn = by_name(setting, "202309", "202412")
    assert autumn.images
    assert autumn.tests
    assert {path.name[:6] for path in autumn.images} == {"202309"}
    assert {path.name[:6] for path in autumn.tests} == {"202412"}
    assert set(np.unique(read_whole(autumn.judged[0]))) <= {0, 1, 2, 3, 4, 255}
