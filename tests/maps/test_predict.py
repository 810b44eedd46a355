"""A model that copies its input gives the raster back, however it is cut; a raster the model was not made for is refused."""

import json
import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import rasterio
import torch
from calling import predict
from skimage.measure import label

from geopointseg.errors import GeoPointSegError
from geopointseg.learning import infer
from geopointseg.learning.backends import Computing, predictor, with_torch
from geopointseg.learning.bundle import load, save
from geopointseg.learning.turns import turned
from geopointseg.maps import lattice
from geopointseg.maps import predict as module
from geopointseg.maps.classify import classify
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.maps.verify import judge_map
from geopointseg.raster import open_raster

SIZES = [(1, 1), (1, 90), (90, 1), (5, 7), (31, 33), (64, 64), (65, 64), (100, 170), (128, 96)]


def noise(height, width, seed=0):
    """Class ids without any pattern."""
    return np.random.default_rng(seed).integers(5, size=(height, width), dtype=np.uint8)


def assembled(task, raster, **options):
    """The whole map, each pixel of which must come exactly once."""
    ids, visits = np.zeros((2, *raster.grid.shape), np.uint8)
    for window, part in classify(task, raster, **options):
        assert part.shape == (window.height, window.width)
        assert part.dtype == np.uint8
        area = np.s_[window.row : window.row + window.height, window.col : window.col + window.width]
        ids[area], visits[area] = part, visits[area] + 1
    assert (visits == 1).all()
    return ids


# windows


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("overlap", [0, 1, 8, 31])
def test_a_model_that_copies_gives_the_raster_back(raster_file, copyist, shape, overlap):
    truth = noise(*shape)
    raster = open_raster(raster_file(truth))
    np.testing.assert_array_equal(assembled(copyist, raster, window=64, overlap=overlap, batch_size=3), truth)


@pytest.mark.parametrize(("overlap", "batch_size"), [(0, 4), (64, 1), (64, 7)])
def test_so_it_does_with_the_windows_of_the_default(raster_file, copyist, overlap, batch_size):
    truth = noise(513, 700)
    raster = open_raster(raster_file(truth))
    found = assembled(copyist, raster, window=512, overlap=overlap, batch_size=batch_size)
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("strip", [23, 64, 100])
def test_strips_of_columns_do_not_show(raster_file, classes, monkeypatch, strip):
    raster = open_raster(raster_file(noise(70, 190)))
    whole = assembled(Blur(classes), raster, window=64, overlap=16)
    monkeypatch.setattr(lattice, "STRIP", strip)
    np.testing.assert_array_equal(assembled(Blur(classes), raster, window=64, overlap=16), whole)


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_the_batch_size_does_not_show(raster_file, classes, batch_size):
    raster = open_raster(raster_file(noise(70, 190)))
    whole = assembled(Blur(classes), raster, window=64, overlap=16, batch_size=4)
    np.testing.assert_array_equal(assembled(Blur(classes), raster, window=64, overlap=16, batch_size=batch_size), whole)


@pytest.mark.parametrize("lanes", [2, 3])
def test_threads_that_ask_at_once_do_not_show(raster_file, classes, lanes):
    raster = open_raster(raster_file(noise(70, 190)))
    whole = assembled(Blur(classes), raster, window=64, overlap=16, batch_size=1)
    found = assembled(Blur(classes), raster, window=64, overlap=16, batch_size=1, lanes=lanes)
    np.testing.assert_array_equal(found, whole)


class Blur(torch.nn.Module):
    """A model whose answer depends on where in the window a pixel lies, so that seams would show."""

    def __init__(self, classes):
        super().__init__()
        self.classes, self.device = classes, torch.device("cpu")

    def forward(self, x):
        smooth = torch.nn.functional.avg_pool2d(x[:, :1].float().nan_to_num(0), 9, 1, 4)
        place = (
            torch.linspace(0, 1, x.shape[-1])[None, None, None] + torch.linspace(0, 2, x.shape[-2])[None, None, :, None]
        )
        return -(smooth + place - torch.arange(len(self.classes))[None, :, None, None]).square()


def test_windows_are_asked_for_once_where_one_strip_is_enough(raster_file, copyist):
    raster = open_raster(raster_file(noise(100, 100)))
    assembled(copyist, raster, window=64, overlap=0)
    assert copyist.asked == 4


@pytest.mark.parametrize(("window", "overlap"), [(64, 0), (64, 1), (64, 15), (64, 16), (512, 64), (32, 15)])
def test_the_weights_of_neighbours_sum_to_one(window, overlap):
    taper, stride = Lattice(1, 1, Windowing(window, overlap)).taper(), window - overlap
    total = np.zeros((window + 2 * stride,) * 2)
    for row in range(3):
        for col in range(3):
            total[row * stride : row * stride + window, col * stride : col * stride + window] += taper
    inner = total[overlap : len(total) - overlap, overlap : len(total) - overlap]
    np.testing.assert_allclose(inner, 1, rtol=1e-6)
    edge = overlap // 4
    assert (taper >= 0).all()
    assert (taper[:edge] == 0).all()  # where the network sees least
    assert (np.diff(taper[window // 2])[: window // 2] >= 0).all()
    half = overlap // 2  # so far the first window reaches beyond the raster
    assert taper[half : window - half, half : window - half].min() >= 0.24


def test_beyond_the_raster_lies_its_mirror_image(raster_file, classes):
    seen = []

    class Spy(Blur):
        def forward(self, x):
            seen.append(x.clone())
            return super().forward(x)

    picture = noise(20, 30)
    list(classify(Spy(classes), open_raster(raster_file(picture)), window=32, overlap=0))
    np.testing.assert_array_equal(seen[0][0, 0], np.pad(picture, ((0, 12), (0, 2)), mode="symmetric"))


# no data


def test_a_pixel_without_data_is_255_and_the_rest_is_not(raster_file, copyist):
    truth = noise(70, 100)
    truth[10:30, 20:90] = 200
    found = assembled(copyist, open_raster(raster_file(truth, nodata=200)), window=32, overlap=8)
    np.testing.assert_array_equal(found, np.where(truth == 200, 255, truth))


def test_a_band_without_data_does_not_make_a_pixel_nodata(raster_file, copyist):
    bands = np.stack([noise(40, 40), np.full((40, 40), 9)])
    bands[1, 5:9] = 200
    bands[:, 20:22] = 200
    found = assembled(copyist, open_raster(raster_file(bands, nodata=200)), window=32, overlap=8)
    expected = bands[0].copy()
    expected[20:22] = 255
    np.testing.assert_array_equal(found, expected)


def test_windows_of_nothing_but_nodata_are_255(raster_file, copyist):
    truth = np.full((128, 128), 200, np.uint8)
    truth[:32, :32] = noise(32, 32)
    found = assembled(copyist, open_raster(raster_file(truth, nodata=200)), window=32, overlap=0)
    np.testing.assert_array_equal(found, np.where(truth == 200, 255, truth))
    found = assembled(
        copyist, open_raster(raster_file(np.full((40, 40), 200, np.uint8), nodata=200)), window=32, overlap=8
    )
    assert (found == 255).all()


def test_nan_in_a_float_raster_is_no_data(raster_file, copyist):
    truth = noise(40, 70).astype(np.float32)
    truth[3:20, 30:] = np.nan
    truth[0, 0] = np.inf
    found = assembled(copyist, open_raster(raster_file(truth)), window=32, overlap=8)
    np.testing.assert_array_equal(found, np.where(np.isfinite(truth), np.nan_to_num(truth, posinf=0), 255))


# memory


def peak(task, raster):
    """The most bytes that numpy holds at once while the map is made."""
    tracemalloc.start()
    try:
        for _ in classify(task, raster, window=128, overlap=16):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_raster(raster_file, copyist, monkeypatch):
    monkeypatch.setattr(lattice, "STRIP", 512)
    small, tall, wide = (open_raster(raster_file(noise(*shape))) for shape in ((512, 512), (4096, 512), (512, 4096)))
    peak(copyist, small)  # whatever is only made once
    bound = 1.1 * peak(copyist, small)
    assert bound > 512 * 128 * 5 * 4  # the open band is in it: what is measured is what matters
    assert peak(copyist, tall) < bound
    assert peak(copyist, wide) < bound


# from file to file


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch):
    """Building the network takes longer than all the rest; `load` and `predictor` have tests of their own."""
    monkeypatch.setattr(module, "load", LOADED)
    monkeypatch.setattr(module, "predictor", PREPARED)


LOADED, PREPARED = cache(load), cache(predictor)


@pytest.fixture
def scene(raster_file, tmp_path):
    """Two bands of 70 x 90 pixels with a hole in them."""
    bands = np.random.default_rng(0).integers(1, 200, size=(2, 70, 90), dtype=np.uint8)
    bands[:, 30:40, 50:60] = 0
    return raster_file(bands, "scene.tif")


def test_a_map_lies_on_the_rasters_grid_with_its_names(checkpoint, scene, tmp_path, classes, pixels):
    files = predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", window=64, overlap=16).files
    assert [path.name for path in files] == ["map.tif", "map.tif.aux.xml", "map.qml", "map.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    with rasterio.open(files[0]) as made, rasterio.open(scene) as source:
        assert (made.crs, made.transform, made.shape) == (source.crs, source.transform, source.shape)
        assert made.tags()["CLASSES"] == classes.to_tag()
        assert made.tags()["MODEL"] == "model.ckpt"
        assert made.tags()["SOFTWARE"].startswith("geopointseg ")
        assert made.tags()["RASTER"] == "scene.tif"
        assert json.loads(made.tags()["OPTIONS"]) == {
            "overlap": 16, "window": 64, "pool": None, "pool_size": None, "mmu": None, "tta": False
        }  # fmt: skip
        ids = made.read(1)
        # nodata 0 is not declared in the file: the model remembers it
        np.testing.assert_array_equal(ids == 255, (source.read() == 0).all(axis=0))
    assert set(np.unique(ids)) <= {0, 1, 2, 3, 4, 255}


def test_the_hashes_follow_model_and_raster(checkpoint, scene, raster_file, tmp_path):
    def tags(raster, name):
        with rasterio.open(predict(checkpoint, [str(raster)], out=tmp_path / name).files[0]) as made:
            return made.tags()

    first, other = tags(scene, "a.tif"), tags(raster_file(np.ones((2, 40, 40), np.uint8)), "b.tif")
    bundle = save(load(checkpoint), tmp_path / "model")
    item = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    assert item["assets"]["model"]["file:checksum"] == "1220" + first["MODEL_SHA256"]
    assert first["MODEL_SHA256"] == other["MODEL_SHA256"]
    assert first["RASTER_SHA256"] != other["RASTER_SHA256"]


def test_the_map_is_verified_before_it_takes_its_place(checkpoint, scene, tmp_path, monkeypatch):
    monkeypatch.setattr(module.Classes, "colormap", lambda self: {0: (1, 2, 3, 255)})
    with pytest.raises(GeoPointSegError, match="expected a map that keeps its contract, got one whose palette fails"):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", window=64, overlap=16)
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif.shards"]  # the work so far is not lost


def test_scores_come_from_the_probabilities_of_the_map(checkpoint, scene, tmp_path, pixels):
    out, options = tmp_path / "map.tif", {"window": 64, "overlap": 16}
    files = predict(
        checkpoint, [str(scene)], out=out, confidence=True, probabilities=True, margin=True, **options
    ).files
    assert [path.name for path in files[4:]] == ["map_confidence.tif", "map_probabilities.tif", "map_margin.tif"]
    with rasterio.open(files[5]) as source:
        shares = np.where((raw := source.read()) == 255, np.nan, raw * 0.004)
    ids, known = pixels(out), pixels(out) != 255
    assert np.isnan(shares[:, ~known]).all()
    np.testing.assert_allclose(shares[:, known].sum(axis=0), 1, atol=5 * 0.002 + 1e-6)
    np.testing.assert_allclose((pixels(files[4]) * 0.004)[known], shares.max(axis=0)[known], atol=1e-6)
    mapped = np.take_along_axis(shares, np.where(known, ids, 0)[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(mapped[known], shares.max(axis=0)[known], atol=0.004 + 1e-6)
    ranked = np.sort(shares[:, known], axis=0)
    np.testing.assert_allclose((pixels(files[6]) * 0.004)[known], ranked[-1] - ranked[-2], atol=0.006 + 1e-6)
    for path in files[:4]:
        path.unlink()
    with pytest.raises(GeoPointSegError, match=r"existing .*map_margin\.tif: add --overwrite"):
        predict(checkpoint, [str(scene)], out=out, margin=True, **options)
    assert not out.exists()


def test_no_scores_of_an_earlier_map_are_left(checkpoint, scene, tmp_path):
    out, options = tmp_path / "map.tif", {"window": 64, "overlap": 16}
    predict(checkpoint, [str(scene)], out=out, confidence=True, margin=True, **options)
    predict(checkpoint, [str(scene)], out=out, margin=True, overwrite=True, **options)
    assert {path.name for path in tmp_path.glob("*.tif")} == {"map.tif", "map_margin.tif"}


def test_a_raster_called_like_scores_is_no_scores(checkpoint, scene, raster_file, tmp_path):
    other = raster_file(np.full((2, 40, 40), 99, np.uint8), "scene_margin.tif")
    with pytest.raises(GeoPointSegError, match="got scene and scene_margin, which is the name of the scores"):
        predict(checkpoint, [str(scene), str(other)], out=tmp_path / "maps", margin=True)
    predict(checkpoint, [str(other), str(scene)], out=tmp_path / "maps", window=64, overlap=16)
    assert {path.name for path in (tmp_path / "maps").glob("*.tif")} == {"scene.tif", "scene_margin.tif"}
    assert not judge_map(tmp_path / "maps" / "scene.tif").failed


def test_no_patch_is_smaller_than_the_mapping_unit(checkpoint, scene, tmp_path, pixels):
    options = {"window": 64, "overlap": 16}
    raw = predict(checkpoint, [str(scene)], out=tmp_path / "raw.tif", **options).files[0]
    sieved = predict(checkpoint, [str(scene)], out=tmp_path / "sieved.tif", mmu=900, **options).files[0]
    assert least_patch(pixels(raw)) < 9
    assert least_patch(pixels(sieved)) >= 9
    np.testing.assert_array_equal(pixels(raw) == 255, pixels(sieved) == 255)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    with rasterio.open(sieved) as made:
        assert json.loads(made.tags()["OPTIONS"])["mmu"] == 900


def least_patch(ids):
    return np.bincount(label(ids, background=255, connectivity=1).ravel())[1:].min()


@pytest.mark.parametrize("pool", ["vote", "mean"])
def test_pooling_gives_the_superpixels_one_class_each(checkpoint, raster_file, tmp_path, pixels, pool):
    halves = np.random.default_rng(0).integers(1, 6, size=(2, 60, 80), dtype=np.uint8)
    halves[:, :, 40:] += 180
    path = raster_file(halves, nodata=0)
    options = {"window": 64, "overlap": 16, "pool": pool, "pool_size": 2000, "allow": ["values"]}
    options |= {"confidence": True}
    ids = pixels(predict(checkpoint, [str(path)], out=tmp_path / "map.tif", **options).files[0])
    assert not judge_map(tmp_path / "map.tif").failed
    assert not list(tmp_path.glob(".*"))
    assert len(np.unique(ids[:, :40])) == len(np.unique(ids[:, 40:])) == 1


@pytest.mark.parametrize("options", [{"mmu": 0}, {"mmu": -5}, {"pool": "vote", "pool_size": 1}], ids=str)
def test_units_that_cannot_be_are_refused(checkpoint, scene, tmp_path, options):
    with pytest.raises(
        GeoPointSegError, match=r"expected a minimum mapping unit above 0 m².*change --mmu or --pool-size"
    ):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", **options)


def test_the_same_input_gives_the_same_file(checkpoint, scene, tmp_path):
    one, two = (predict(checkpoint, [str(scene)], out=tmp_path / name / "map.tif").files[0] for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.fixture
def other_model(checkpoint, classes, tmp_path_factory):
    """A factory of models with other random weights, and with a card of their own."""

    def write(name, **card):
        state = torch.load(checkpoint, weights_only=True)
        state["hyper_parameters"]["card"] |= card
        torch.manual_seed(1)
        state["state_dict"] = {
            key: value + 0.02 * torch.randn(value.shape)
            if key.startswith("model.decoder") and value.ndim == 4
            else value
            for key, value in state["state_dict"].items()
        }
        path = tmp_path_factory.mktemp("other") / name
        torch.save(state, path)
        return path

    return write


def test_an_ensemble_maps_the_mean_of_its_models(checkpoint, other_model, scene, tmp_path, pixels):
    other, options = other_model("other.ckpt"), {"window": 64, "overlap": 16, "probabilities": True}
    made = predict(checkpoint, [str(scene)], out=tmp_path / "both.tif", ensemble=[str(other)], **options)
    assert "2 models averaged" in str(made)
    shares = {}
    for name, models in {"one": (checkpoint, []), "two": (other, []), "both": (checkpoint, [str(other)])}.items():
        out = tmp_path / f"{name}.tif"
        predict(models[0], [str(scene)], out=out, ensemble=models[1], overwrite=True, **options)
        with rasterio.open(tmp_path / f"{name}_probabilities.tif") as source:
            shares[name] = source.read().astype(float) * 0.004
    known = pixels(tmp_path / "both.tif") != 255
    mean = (shares["one"] + shares["two"]) / 2
    np.testing.assert_allclose(shares["both"][:, known], mean[:, known], atol=0.004 + 1e-6)
    assert np.abs(shares["one"] - shares["two"])[:, known].max() > 0.02
    with rasterio.open(made.files[0]) as source:
        tags = source.tags()
    assert tags["MODEL"] == "model.ckpt, other.ckpt"
    assert len(set(tags["MODEL_SHA256"].split(", "))) == 2


def test_models_that_do_not_go_together_are_refused(checkpoint, other_model, classes, scene, tmp_path):
    records = [*classes.records()]
    records[0] |= {"name": "sand"}
    for card, message in (
        ({"classes": records}, "expected models of the same classes, got bare .* in .*model.ckpt and sand"),
        ({"pixel_size": [1.0, 1.0]}, "expected pixels of about 1 x 1"),
    ):
        with pytest.raises(GeoPointSegError, match=message):
            predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", ensemble=[str(other_model("o.ckpt", **card))])
    for same in (checkpoint, checkpoint.parent / ".." / checkpoint.parent.name / checkpoint.name):
        with pytest.raises(GeoPointSegError, match="expected every model once"):
            predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", ensemble=[str(same)])
    assert list(tmp_path.iterdir()) == []


def test_flips_and_turns_are_told_on_the_map(checkpoint, scene, tmp_path, pixels):
    options = {"window": 64, "overlap": 16, "probabilities": True}
    made = predict(checkpoint, [str(scene)], out=tmp_path / "tta.tif", computing=Computing(tta=True), **options)
    assert "eight flips and turns averaged" in str(made)
    with rasterio.open(made.files[0]) as source:
        assert json.loads(source.tags()["OPTIONS"])["tta"] is True
    predict(checkpoint, [str(scene)], out=tmp_path / "plain.tif", **options)
    one, other = ((tmp_path / f"{name}_probabilities.tif").read_bytes() for name in ("tta", "plain"))
    assert one != other


@pytest.mark.parametrize("strip", [23, 100])
def test_flips_and_turns_leave_no_seam(raster_file, copyist, classes, monkeypatch, strip):
    truth = noise(70, 190)
    raster, ask = open_raster(raster_file(truth)), turned(with_torch(Blur(classes)))
    whole = assembled(Blur(classes), raster, ask=ask, window=64, overlap=16)
    monkeypatch.setattr(lattice, "STRIP", strip)
    np.testing.assert_array_equal(assembled(Blur(classes), raster, ask=ask, window=64, overlap=16), whole)
    copied = assembled(copyist, raster, ask=turned(with_torch(copyist)), window=64, overlap=16)
    np.testing.assert_array_equal(copied, truth)


def test_reading_and_writing_beside_the_network_changes_no_bit(checkpoint, scene, tmp_path, monkeypatch):
    options = {"window": 64, "overlap": 16, "confidence": True, "pool": "mean", "mmu": 400}
    one = predict(checkpoint, [str(scene)], out=tmp_path / "a" / "map.tif", **options).files
    monkeypatch.setattr(module, "predictor", lambda *given: replace(PREPARED(*given), lanes=2))
    two = predict(checkpoint, [str(scene)], out=tmp_path / "b" / "map.tif", **options).files
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_raster_that_breaks_off_is_told_from_another_thread_too(checkpoint, scene, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "predictor", lambda *given: replace(PREPARED(*given), lanes=2))
    monkeypatch.setattr(infer, "read", lambda *_: (_ for _ in ()).throw(GeoPointSegError("cut short")))
    with pytest.raises(GeoPointSegError, match=r"cut short \(at shard 1 of 1; "):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", window=64, overlap=16)
    assert not (tmp_path / "map.tif").exists()


def test_several_rasters_give_a_folder_of_maps(checkpoint, scene, raster_file, tmp_path):
    other = raster_file(np.full((2, 33, 35), 99, np.uint8), "other.tif")
    files = predict(checkpoint, [str(scene), str(other)], out=tmp_path / "maps", window=64, overlap=16).files
    assert [path.name for path in files if path.suffix == ".tif"] == ["scene.tif", "other.tif"]
    assert all(path.parent == tmp_path / "maps" for path in files)


def test_spare_bands_are_left_out(checkpoint, scene, raster_file, tmp_path, pixels):
    with rasterio.open(scene) as source:
        bands = np.concatenate([source.read(), np.full((1, 70, 90), 7, np.uint8)])
    more = raster_file(bands, nodata=0)
    maps = [
        predict(checkpoint, [str(path)], out=tmp_path / f"{i}.tif").files[0] for i, path in enumerate((scene, more))
    ]
    np.testing.assert_array_equal(*map(pixels, maps))


WRONG = {
    "bands": (np.ones((1, 40, 40), np.uint8), {}, r"expected the bands \[1, 2\] .*, got 1 bands"),
    "type": (np.ones((2, 40, 40), np.uint16), {}, "expected uint8 pixels as in training, got uint16"),
    "fine": (
        np.ones((2, 40, 40), np.uint8),
        {"pixel": (4.0, 4.0)},
        "expected pixels of about 10 .*, got 4 x 4 in .*: .*gdalwarp -tr 10 10",
    ),
    "coarse": (np.ones((2, 40, 40), np.uint8), {"pixel": (21.0, 21.0)}, "expected pixels of about 10 .*, got 21 x 21"),
    "one side": (
        np.ones((2, 40, 40), np.uint8),
        {"pixel": (10.0, 40.0)},
        "expected pixels of about 10 .*, got 10 x 40",
    ),
    "no CRS": (np.ones((2, 40, 40), np.uint8), {"crs": None}, "without one: add --crs"),
}


@pytest.mark.parametrize(("bands", "options", "message"), WRONG.values(), ids=WRONG)
def test_a_raster_the_model_was_not_made_for_is_refused(checkpoint, raster_file, tmp_path, bands, options, message):
    with pytest.raises(GeoPointSegError, match=message):
        predict(checkpoint, [str(raster_file(bands, **options))], out=tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pixel", [5.0, 20.0])
def test_half_and_twice_the_pixel_size_will_do(checkpoint, raster_file, tmp_path, pixel):
    path = raster_file(np.full((2, 40, 40), 99, np.uint8), pixel=(pixel, pixel))
    assert predict(checkpoint, [str(path)], out=tmp_path / "map.tif", window=64, overlap=0).files[0].exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 100}, "expected a window that is a multiple of 32, .*, got 100, 64 and 1"),
        ({"window": 0}, "multiple of 32"),
        ({"window": 64, "overlap": 32}, "overlap below half of it"),
        ({"overlap": -1}, "overlap below half of it"),
        ({"batch_size": 0}, "at least 1 window in a batch, got 768, 64 and 0"),
        ({"batch_size": -1}, "at least 1 window in a batch"),
    ],
    ids=str,
)
def test_windows_that_cannot_work_are_refused(checkpoint, scene, tmp_path, options, message):
    with pytest.raises(GeoPointSegError, match=message):
        predict(checkpoint, [str(scene)], out=tmp_path / "map.tif", **options)


def test_several_rasters_do_not_fit_one_file(checkpoint, scene, raster_file, tmp_path):
    other = raster_file(np.ones((2, 40, 40), np.uint8), "other.tif")
    with pytest.raises(GeoPointSegError, match=r"expected a folder as --out for 2 rasters, got .*map\.tif"):
        predict(checkpoint, [str(scene), str(other)], out=tmp_path / "map.tif")


def test_two_rasters_of_one_name_do_not_overwrite_each_other(checkpoint, scene, raster_file, tmp_path):
    twin = raster_file(np.ones((2, 40, 40), np.uint8), "scene.tif")
    with pytest.raises(GeoPointSegError, match="scene"):
        predict(checkpoint, [str(scene), str(twin)], out=tmp_path / "maps", overwrite=True)


def test_an_existing_map_stays_unless_it_may_go(checkpoint, scene, raster_file, tmp_path):
    (tmp_path / "maps").mkdir()
    old = tmp_path / "maps" / "scene.tif"
    old.write_text("old")
    fresh = raster_file(np.full((2, 40, 40), 99, np.uint8), "a_fresh_one.tif")
    with pytest.raises(GeoPointSegError, match=r"expected a new file, got the existing .*scene\.tif: add --overwrite"):
        predict(checkpoint, [str(fresh), str(scene)], out=tmp_path / "maps")
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["scene.tif"]  # refused before any work
    assert old.read_text() == "old"
    predict(checkpoint, [str(scene)], out=tmp_path / "maps", overwrite=True)
    assert old.stat().st_size > 100


def test_the_raster_itself_is_never_the_target(checkpoint, scene, pixels):
    before = scene.read_bytes()
    with pytest.raises(GeoPointSegError, match=r"scene\.tif"):
        predict(checkpoint, [str(scene)], out=scene.parent, overwrite=True)
    assert scene.read_bytes() == before
