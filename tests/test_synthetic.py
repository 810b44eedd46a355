"""The made-up scenes: exact, repeatable, complete, and only solvable by looking around each pixel."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from geopointseg.errors import GeoPointSegError
from geopointseg.synthetic import CLASS_NAMES, draw_scene


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (4, "uint8"), (3, "uint16"), (4, "uint16")])
def test_shapes_and_types(bands: Any, dtype: Any) -> None:
    image, truth = draw_scene(130, 200, bands=bands, dtype=dtype)
    assert image.shape == (bands, 130, 200)
    assert image.dtype == np.dtype(dtype)
    assert truth.shape == (130, 200)
    assert truth.dtype == np.uint8


@pytest.mark.parametrize(("height", "width"), [(128, 128), (128, 700), (600, 129)])
def test_any_size_from_the_smallest(height: int, width: int) -> None:
    image, truth = draw_scene(height, width)
    assert image.shape[1:] == truth.shape == (height, width)
    assert image.std() > 10


def test_same_seed_same_scene() -> None:
    first, again, other = (draw_scene(200, 300, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


def test_bands_and_dtype_do_not_move_the_scene() -> None:
    plain, rich = draw_scene(200, 300), draw_scene(200, 300, bands=4, dtype="uint16")
    assert np.array_equal(plain[1], rich[1])
    assert np.abs(plain[0] / 255 - rich[0][:3] / 4095).max() < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_small_scenes_hold_every_class(seed: int) -> None:
    truth = draw_scene(512, 512, seed=seed)[1]
    share = np.bincount(truth.ravel(), minlength=len(CLASS_NAMES)) / truth.size
    assert len(share) == len(CLASS_NAMES) == 6
    assert share.min() > 0.01, dict(zip(CLASS_NAMES, share, strict=True))


def test_uint16_is_not_stretched_uint8() -> None:
    image = draw_scene(256, 256, dtype="uint16")[0]
    values = np.unique(image)
    assert len(values) > 1000
    assert np.median(np.diff(values)) == 1


def test_near_infrared_is_bright_on_plants_and_black_on_water() -> None:
    image, truth = draw_scene(512, 512, bands=4)
    red, infrared = image[0].astype(float), image[3].astype(float)
    grass, water = truth == CLASS_NAMES.index("grass"), truth == CLASS_NAMES.index("water")
    assert infrared[grass].mean() > 1.2 * red[grass].mean()
    assert infrared[water].mean() < 0.5 * red[water].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 127}, "expected height and width of at least 128 pixels, got 127 x 2048"),
        ({"width": 0}, "expected height and width of at least 128 pixels, got 2048 x 0"),
        ({"bands": 5}, "expected 3 or 4 bands of uint8 or uint16, got 5 of uint8"),
        ({"dtype": "float32"}, "expected 3 or 4 bands of uint8 or uint16, got 3 of float32"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GeoPointSegError, match=message):
        draw_scene(**arguments)


def _surroundings(image: NDArray[Any]) -> NDArray[np.float32]:
    """Value, mean, spread and gradient around each pixel at three scales: (features, height, width)."""
    features = []
    for band in image.astype(np.float32):
        features.append(band)
        for sigma in (1, 3, 8):
            mean = ndimage.gaussian_filter(band, sigma)
            spread = np.sqrt(np.maximum(ndimage.gaussian_filter(band**2, sigma) - mean**2, 0))
            features += [mean, spread, ndimage.gaussian_gradient_magnitude(band, sigma)]
    return np.stack(features)


def _forest_miou(features: NDArray[Any], truth: NDArray[np.uint8]) -> float:
    """Mean IoU on pixels of the right half of a forest trained on as many pixels per class of the left half."""
    rng = np.random.default_rng(0)
    columns = np.arange(truth.size) % truth.shape[1]
    left, right = (np.flatnonzero(half) for half in (columns < truth.shape[1] // 2, columns >= truth.shape[1] // 2))
    flat = truth.ravel()
    train = np.concatenate([rng.choice(left[flat[left] == c], 1000, replace=False) for c in range(6)])
    test = rng.choice(right, 40_000, replace=False)
    table = features.reshape(len(features), -1)
    forest = RandomForestClassifier(50, min_samples_leaf=2, random_state=0, n_jobs=1)
    guess = forest.fit(table[:, train].T, flat[train]).predict(table[:, test].T)
    matrix = np.bincount(flat[test] * 6 + guess, minlength=36).reshape(6, 6)
    both = np.diag(matrix)
    return float((both / (matrix.sum(0) + matrix.sum(1) - both)).mean())


def test_colour_alone_is_not_enough_but_context_helps() -> None:
    image, truth = draw_scene(1024, 1024)
    colour, context = _forest_miou(image, truth), _forest_miou(_surroundings(image), truth)
    assert colour < 0.75
    assert context > colour + 0.1
