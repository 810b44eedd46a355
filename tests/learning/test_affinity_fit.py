"""`geopointseg train-affinity` learns borders from masks and from points, alike for a seed, and says what it cannot use."""

import numpy as np
import pytest
import torch

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.points import load_points
from geopointseg.learning.affinity import predict_affinity
from geopointseg.learning.affinity_files import load_affinity, read_card
from geopointseg.learning.affinity_fit import (
    fit_affinity,
    mask_chips,
    pair_masks,
    point_chips,
    start_network,
    train_affinity,
)
from geopointseg.raster import open_raster, read
from geopointseg.statistics import open_rasters

HEIGHT, WIDTH, BORDER = 96, 112, 56


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def textures(raster_file, tmp_path):
    """Two textures of one mean, a chequered one and an even noise, side by side; and their mask."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    chequered = 100 + 40 * ((rows // 2 + cols // 2) % 2 * 2 - 1)
    left = cols < BORDER
    image = np.stack([np.where(left, chequered, 100), np.where(left, 60, 70)]) + rng.normal(0, 8, (2, HEIGHT, WIDTH))
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.where(left, 0, 1).astype(np.uint8)
    return (
        raster_file(image.astype(np.uint16), "a.tif", folder=tmp_path / "images"),
        raster_file(mask, "a.tif", folder=tmp_path / "masks", nodata=255),
    )


@pytest.fixture
def clicks(textures, checked_points):
    rng = np.random.default_rng(1)
    rows, cols = rng.integers(HEIGHT, size=60), rng.integers(WIDTH, size=60)
    listed = [(int(r), int(c), int(c >= BORDER), "train") for r, c in zip(rows, cols, strict=True)]
    return checked_points(textures[0], listed, ("chequered", "even"))


def border_and_inside(network, image):
    """Mean affinity to the east across the border, and within both textures."""
    east = predict_affinity(load_affinity(network), image)[4]
    inside = np.concatenate([east[8:-8, 12 : BORDER - 12].ravel(), east[8:-8, BORDER + 12 : -12].ravel()])
    return east[8:-8, BORDER - 1].mean(), inside.mean()


@pytest.mark.slow
def test_masks_teach_where_the_border_is(textures, tmp_path):
    image, mask = textures
    out = train_affinity(
        [str(image)], masks=[str(mask)], out=tmp_path / "net.safetensors", steps=60, chip=64, batch_size=4
    )
    border, inside = border_and_inside(out, read(open_raster(image), Window(0, 0, HEIGHT, WIDTH)))
    assert border < 0.5 < inside
    card = read_card(out)
    assert card["bands"] == ["band_1", "band_2"]
    assert card["mean"] == pytest.approx([100, 65], abs=1)
    assert card["dtype"] == "uint16"
    assert card["pixel_size"] == [10, 10]
    assert card["labels"] == "masks"
    assert card["training"] == {"steps": 60, "chip": 64, "batch_size": 4, "lr": 3e-3, "seed": 0}
    assert card["loss"] < 0.3


@pytest.mark.slow
def test_points_teach_where_the_border_is(textures, clicks, tmp_path):
    out = train_affinity([str(textures[0])], points=clicks, out=tmp_path / "net.pt", steps=60, chip=64, batch_size=4)
    image = read(open_raster(textures[0]), Window(0, 0, HEIGHT, WIDTH))
    places = load_affinity(out).embed(torch.from_numpy(image[None]))[0].detach()
    sides = places[:, 48, 20], places[:, 20, 30], places[:, 48, 90]
    assert (sides[0] - sides[1]).norm() < 0.5 * (sides[0] - sides[2]).norm()
    border, inside = border_and_inside(out, image)
    assert border < inside
    assert read_card(out)["labels"] == "points"


@pytest.mark.slow
def test_the_loss_falls_and_is_the_same_for_a_seed(textures):
    opened, statistics = open_rasters([textures[0]])
    masks = pair_masks(opened, [textures[1]])
    runs = []
    for seed in (0, 0, 1):
        network = start_network(statistics, seed)
        chips = mask_chips(opened, masks, 64, np.random.default_rng(seed))
        runs.append((fit_affinity(network, chips, steps=25, batch_size=2), network.state_dict()))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert all(torch.equal(tensor, runs[1][1][name]) for name, tensor in runs[0][1].items())
    assert np.mean(runs[0][0][-5:]) < 0.7 * np.mean(runs[0][0][:5])
    assert not network.training


def test_a_start_leaves_the_callers_random_numbers_alone(textures):
    statistics = open_rasters([textures[0]])[1]
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    start_network(statistics, 0)
    assert torch.equal(torch.rand(1), expected)


def test_chips_of_masks_are_what_the_files_hold(raster_file, tmp_path):
    rows, cols = np.mgrid[:40, :70]
    mask = (rows % 5).astype(np.int16)
    mask[:, 60:] = -1
    image = np.stack([rows, cols]).astype(np.float32)
    image[:, 3, 5] = np.nan
    opened, _ = open_rasters([raster_file(image, "a.tif")])
    masks = pair_masks(opened, [raster_file(mask, "other.tif", nodata=-1)])
    chips = mask_chips(opened, masks, 64, np.random.default_rng(0))
    for _ in range(20):
        picture, labels = next(chips)
        inside = ~np.isnan(picture[0])
        assert inside.sum() > 64 * 39
        expected = np.where(picture[1] < 60, picture[0] % 5, 255)
        np.testing.assert_array_equal(labels[inside], expected[inside])
        assert (labels[~inside] == 255).all()


def test_chips_of_points_hold_points_of_the_classes_in_turn(raster_file, checked_points):
    rows, cols = np.mgrid[:80, :90]
    raster = raster_file(np.stack([rows, cols]).astype(np.uint16))
    points = checked_points(
        raster, [(4, 5, 0, "train"), (60, 70, 1, "train"), (61, 70, 1, "test"), (9, 80, 1, "train")], ("a", "b")
    )
    chips = point_chips(open_rasters([raster])[0], load_points(points), 32, np.random.default_rng(0))
    for kind in (0, 1, 0, 1, 0, 1):
        picture, labels = next(chips)
        places = {(*picture[:, r, c].astype(int).tolist(), int(labels[r, c])) for r, c in np.argwhere(labels != 255)}
        assert places <= {(4, 5, 0), (60, 70, 1), (9, 80, 1)}  # never the one held out
        assert kind in {place[2] for place in places}


def test_masks_are_paired_by_name_else_by_order(raster_file):
    picture = np.zeros((4, 4), np.uint8)
    rasters = [open_raster(raster_file(picture, name)) for name in ("a.tif", "b.tif")]
    named = [raster_file(picture, name) for name in ("b.tif", "a.tif", "c.tif")]
    assert [mask.path for mask in pair_masks(rasters, named)] == [named[1], named[0]]
    listed = [raster_file(picture, name) for name in ("y.tif", "x.tif")]
    assert [mask.path for mask in pair_masks(rasters, listed)] == listed
    with pytest.raises(GeoPointSegError, match="expected one mask for each of 2 rasters, got 1: name them like"):
        pair_masks(rasters, listed[:1])
    with pytest.raises(GeoPointSegError, match=r"mask on the grid of .* \(4, 4\), got .* \(4, 5\): cut or warp it"):
        pair_masks(rasters, [listed[0], raster_file(np.zeros((4, 5), np.uint8))])


def test_masks_without_a_label_are_refused(textures, raster_file, tmp_path):
    empty = raster_file(np.full((HEIGHT, WIDTH), 255, np.uint8))
    with pytest.raises(GeoPointSegError, match="expected labelled pixels, got none in 200 chips of"):
        train_affinity([str(textures[0])], masks=[str(empty)], out=tmp_path / "net.pt", steps=1, chip=32)
    assert not list(tmp_path.glob("*net*"))


def test_points_of_one_class_are_refused(textures, checked_points, tmp_path):
    points = checked_points(textures[0], [(4, 5, 0, "train"), (9, 9, 0, "train"), (9, 50, 1, "test")], ("a", "b"))
    with pytest.raises(
        GeoPointSegError, match="training points of at least two classes on the rasters, got 2 of 1: add"
    ):
        train_affinity([str(textures[0])], points=points, out=tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": None}, "expected either --masks or --points, got neither: give one"),
        ({"points": "points.gpkg"}, "expected either --masks or --points, got both: leave one out"),
        ({"steps": 0}, "expected at least one step as --steps, got 0: change it"),
        ({"chip": 48}, "expected a chip size that is a multiple of 32 as --chip, got 48"),
        ({"batch_size": 0}, "expected at least one chip per step as --batch-size, got 0"),
        ({"lr": 2.0}, "expected a learning rate between 0 and 1 as --lr, got 2.0"),
        ({"seed": -1}, "expected a whole number from 0 on as --seed, got -1"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(options, message, tmp_path):
    given = {"masks": ["none.tif"], "out": tmp_path / "net.pt"} | options
    with pytest.raises(GeoPointSegError, match=message):
        train_affinity(["none.tif"], **given)


@pytest.mark.slow
def test_the_command_writes_a_network_and_keeps_an_old_one(textures, tmp_path, capsys):
    image, mask = map(str, textures)
    out = tmp_path / "new" / "net.safetensors"
    command = ["train-affinity", image, "--masks", mask, "--out", str(out), "--steps", "2", "--chip", "32"]
    assert main(command) == 0
    shown, err = capsys.readouterr()
    assert str(out) in shown
    assert err == ""
    assert list(out.parent.iterdir()) == [out]
    before = out.read_bytes()
    assert main(command) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*command, "--overwrite"]) == 0
    assert out.read_bytes() == before  # the same seed
