"""A raster that differs from those of training is refused with the fix named, unless the difference is allowed by name."""

import json
import re

import numpy as np
import pytest

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.maps.accept import accept
from geopointseg.raster import open_raster

CARD = {
    "bands": [1, 2],
    "band_names": ["red", "green"],
    "dtype": "uint16",
    "low": [200.0, 100.0],
    "high": [3000.0, 2500.0],
    "pixel_size": [10.0, 10.0],
    "geographic": False,
}


def noise(low, high, dtype="uint16", shape=(2, 40, 50), seed=0):
    """Values from low to high in every band."""
    return np.random.default_rng(seed).uniform(low, high, size=shape).astype(dtype)


@pytest.fixture
def opened(raster_file):
    """A raster of two bands as it is opened for prediction."""
    return lambda array, **options: open_raster(raster_file(array, **options))


def test_a_raster_like_those_of_training_is_taken_with_the_bands_of_training(opened):
    raster = opened(noise(100, 3000, shape=(4, 40, 50)), names=("red", "green", "blue", "nir"))
    found = accept(raster, CARD)
    assert (found.bands, found.names) == ((1, 2), ("red", "green"))
    assert found.path == raster.path


# bands


def test_too_few_bands_are_refused_whatever_is_allowed(opened):
    with pytest.raises(GeoPointSegError, match=r"expected the bands \[1, 2\] .*, got 1 bands in .*gdalbuildvrt"):
        accept(opened(noise(100, 3000, shape=(1, 40, 50))), CARD, ["band-names", "type", "pixel-size", "values"])


@pytest.mark.parametrize(
    ("names", "fix"),
    [
        (("green", "red"), r"reorder it with 'gdal_translate -b 2 -b 1'"),
        (("blue", "green", "red"), r"reorder it with 'gdal_translate -b 3 -b 2'"),
        (("green", "blue"), "give it the bands of training, in their order"),
    ],
    ids=str,
)
def test_bands_in_other_places_are_refused(opened, names, fix):
    raster = opened(noise(100, 3000, shape=(len(names), 40, 50)), names=names)
    with pytest.raises(GeoPointSegError, match=rf"expected the bands red, green .*, got .*: {fix}, or add --allow"):
        accept(raster, CARD)
    assert accept(raster, CARD, ["band-names"]).bands == (1, 2)


@pytest.mark.parametrize("names", [(), ("2021 B4", "2021 B3"), ("red", ""), ("red", "green", "red")], ids=str)
def test_names_that_contradict_nothing_are_taken(opened, names):
    accept(opened(noise(100, 3000, shape=(max(2, len(names)), 40, 50)), names=names), CARD)


# type and values


def test_another_type_is_refused_with_its_fix(opened):
    raster = opened(noise(100, 3000, "float32"))
    with pytest.raises(GeoPointSegError, match=r"expected uint16 pixels .*, got float32 .*gdal_translate -ot UInt16"):
        accept(raster, CARD)
    accept(raster, CARD, ["type"])


SCALES = {
    "reflectance for 0 to 10000": ((0.02, 0.3), "float32", ["type"], 0.3),
    "16 full bits for 0 to 10000": ((6000, 65_000), "uint16", [], 64_000),
    "0 to 10000 for reflectance": ((200, 3000), "float32", [], 3000),
}


@pytest.mark.parametrize(("limits", "dtype", "allowed", "found"), SCALES.values(), ids=SCALES)
def test_values_of_another_scale_are_refused(opened, limits, dtype, allowed, found):
    card = CARD | ({"dtype": dtype, "low": [0.02] * 2, "high": [0.3] * 2} if not allowed and dtype == "float32" else {})
    raster = opened(noise(*limits, dtype))
    with pytest.raises(GeoPointSegError, match=r"expected values of up to about .* in band 1 .*--allow values") as told:
        accept(raster, card, allowed)
    assert float(re.search(r"got up to about (\S+) in", str(told.value))[1]) == pytest.approx(found, rel=0.05)
    assert f"-ot {'Float32' if card['dtype'] == 'float32' else 'UInt16'} " in str(told.value)
    accept(raster, card, [*allowed, "values"])


def test_a_dark_or_a_bright_place_is_no_other_scale(opened):
    """Water in one band, snow in all: a sixth and five times of what training saw."""
    water = np.concatenate([noise(20, 60, shape=(1, 40, 50)), noise(50, 400, shape=(1, 40, 50))])
    accept(opened(water), CARD)
    accept(opened(noise(8000, 15_000)), CARD)


def test_a_raster_without_data_or_of_one_value_tells_no_scale(opened):
    accept(opened(np.zeros((2, 40, 50), np.uint16), nodata=0), CARD)
    accept(opened(np.zeros((2, 40, 50), np.uint16)), CARD)


def test_pixels_without_data_do_not_enter(opened):
    picture = noise(100, 3000)
    picture[:, :, 10:] = 65_535
    with pytest.raises(GeoPointSegError, match="expected values"):
        accept(opened(picture), CARD)
    accept(opened(picture, nodata=65_535), CARD)


def test_a_large_raster_is_looked_at_in_places(opened, monkeypatch):
    seen = []
    from geopointseg.maps import accept as module

    read = module.read
    monkeypatch.setattr(module, "read", lambda raster, window: seen.append(window) or read(raster, window))
    accept(opened(noise(100, 3000, shape=(2, 400, 700))), CARD)
    assert len(seen) == 25
    assert {(w.height, w.width) for w in seen} == {(64, 64)}
    assert max(w.row + w.height for w in seen) == 400
    assert max(w.col + w.width for w in seen) == 700


def test_a_model_that_does_not_know_its_values_takes_any(opened):
    card = {key: value for key, value in CARD.items() if key not in ("low", "high")}
    accept(opened(noise(30_000, 60_000)), card)


# pixel size


@pytest.mark.parametrize("pixel", [(4.0, 4.0), (21.0, 21.0), (10.0, 40.0)], ids=str)
def test_pixels_of_another_size_are_refused(opened, pixel):
    raster = opened(noise(100, 3000), pixel=pixel)
    with pytest.raises(
        GeoPointSegError, match=r"about 10 x 10 .*, got .* in .*gdalwarp -tr 10 10'.*--allow pixel-size"
    ):
        accept(raster, CARD)
    accept(raster, CARD, ["pixel-size"])


def test_degrees_and_metres_are_not_compared(opened):
    accept(opened(noise(100, 3000), crs="EPSG:4326", origin=(10.0, 50.0), pixel=(1e-4, 1e-4)), CARD)


# from the command line


def test_a_difference_is_allowed_by_its_name(checkpoint, raster_file, tmp_path, capsys):
    path = raster_file(noise(5, 200, "uint8"), pixel=(40.0, 40.0))
    given = ["predict", str(checkpoint), str(path), "--out", str(tmp_path / "map.tif"), "--window", "64"]
    given += ["--overlap", "0"]
    assert main(given) == 2
    assert "--allow pixel-size" in capsys.readouterr().err
    assert main([*given, "--allow", "pixel-size", "values"]) == 0
    assert (tmp_path / "map.tif").exists()
    assert main([*given, "--allow", "everything"]) == 2
    assert "see 'geopointseg predict --help'" in capsys.readouterr().err


def test_a_model_folder_predicts_as_the_checkpoint_does(checkpoint, raster_file, tmp_path, pixels):
    from geopointseg.learning.bundle import load, save

    folder = save(load(checkpoint).cpu(), tmp_path / "model")
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["type"] == "Feature"
    path = raster_file(noise(5, 200, "uint8"))
    for model, name in ((checkpoint, "a.tif"), (folder, "b.tif")):
        assert main(["predict", str(model), str(path), "--out", str(tmp_path / name), "--window", "64"]) == 2  # overlap
        given = ["--window", "64", "--overlap", "16"]
        assert main(["predict", str(model), str(path), "--out", str(tmp_path / name), *given]) == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), pixels(tmp_path / "b.tif"))
