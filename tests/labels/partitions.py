"""What the tests of region merging share: pictures with ties and gaps, and what holds for every partition."""

import numpy as np
from scipy.ndimage import gaussian_filter, label

from geopointseg.labels.graph import seed_map

EIGHT = np.ones((3, 3), int)


def picture(seed: int, shape: tuple[int, ...] = (3, 17, 23), levels: int = 255) -> np.ndarray:
    """Smooth patches with noise, in few grey levels so that there are ties, and a gap."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.random(shape), (0, 2, 2), mode="nearest") * 4 + rng.random(shape) * 0.1
    image = (np.round(image * levels) / levels).astype(np.float32)
    image[:, rng.random(shape[1:]) < 0.1] = np.nan
    return image


def some_seeds(seed: int, shape: tuple[int, int], count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return seed_map(
        shape, rng.integers(0, shape[0], count), rng.integers(0, shape[1], count), rng.integers(0, 3, count)
    )


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(a)) == len(np.unique(b))


def assert_regions(labels: np.ndarray, inside: np.ndarray) -> None:
    """Numbered 1…n in the order of their first pixels, connected, and exactly on the valid area."""
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels > 0, inside)
    numbers, first = np.unique(labels[inside], return_index=True)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert (np.diff(first) > 0).all()
    for number in numbers:
        assert label(labels == number, EIGHT)[1] == 1


def assert_one_class_each(labels: np.ndarray, seeds: np.ndarray) -> None:
    held = np.unique(np.stack([labels[seeds < 255], seeds[seeds < 255]]), axis=1)
    held = held[:, held[0] > 0]
    assert len(np.unique(held[0])) == held.shape[1]
