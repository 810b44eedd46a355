"""What the benchmark of queries asks in: images as tables of superpixels, an answer for each, and rounds of asking.

The learner is a random forest on superpixels (`pipelines.experiments.forests`), which learns and maps in a second, so that every round of
every strategy is a training of its own. What is asked is chosen by `geopointseg.labels.acquire`, as `geopointseg query` does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.accuracy_data import Data, prepare
from geopointseg.classes import UNLABELLED
from geopointseg.confusion import scores
from geopointseg.grid import Window
from geopointseg.labels.acquire import Candidates, Strategy, choose
from geopointseg.labels.candidates import interior
from geopointseg.labels.looks import TREES, region_looks
from geopointseg.raster import open_raster, raster_classes, read_labels
from pipelines.experiments.active import answer
from pipelines.experiments.forests import cut, looks
from pipelines.experiments.settings import SettingName

__all__ = ["Ground", "forest", "miou", "prepare_ground", "rounds"]

Floats = NDArray[np.floating]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ground:
    """The superpixels of all images of a setting."""

    area: Floats
    """(n,) in pixels."""
    place: Floats
    """(n, 2) middle, in pixels; images lie far apart."""
    features: Floats
    """(n, f) what the forest sees."""
    truth: Ids
    """(n,) class at the most interior pixel; 255 unlabelled."""
    open: NDArray[np.bool_]
    """(n,) whether it may be asked about: on ground that labels may come from."""
    judged: Ids
    """(n, classes) pixels of each class that its map is judged on."""
    names: tuple[str, ...]
    pixels: int
    """Of the ground that labels may come from."""

    @property
    def per_512(self) -> float:
        """Points that are one in every 512² pixels."""
        return self.pixels / 512**2


def prepare_ground(data: Data, name: SettingName, folder: Path) -> Ground:
    """Cut and measure all images, once; the result is kept in `folder`."""
    kept = folder / f"ground-{name}.npz"
    setting = prepare(data, name)
    names = raster_classes(setting.truth[0]).names
    if not kept.exists():
        where = dict.fromkeys([*setting.images, *setting.tests])
        truth = dict(zip(setting.images, zip(setting.truth, setting.ground, strict=True), strict=True))
        judged = dict(zip(setting.tests, setting.judged, strict=True))
        parts = [
            _measured(image, number, truth.get(image), judged.get(image), len(names))
            for number, image in enumerate(where)
        ]
        columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        pixels = sum(window.height * window.width for windows in setting.ground for window in windows)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, pixels=pixels, **columns)
    held = dict(np.load(kept))
    return Ground(names=names, **(held | {"pixels": int(held["pixels"])}))


def _measured(
    image: Path, number: int, learnt: tuple[Path, list[Window]] | None, judged: Path | None, classes: int
) -> dict[str, NDArray[np.generic]]:
    """The columns of Ground for one image."""
    regions = cut(image)
    count = int(regions.max())
    whole = Window(0, 0, *open_raster(image).grid.shape)
    rows, cols = interior(regions, np.arange(1, count + 1))
    area = np.bincount(regions.ravel(), minlength=count + 1)[1:].astype(float)
    known = np.full(count, UNLABELLED, np.int64)
    free = np.zeros(count, bool)
    if learnt:
        known = read_labels(learnt[0], whole)[rows, cols].astype(np.int64)
        for window in learnt[1]:
            inside = (rows >= window.row) & (rows < window.row + window.height)
            free |= inside & (cols >= window.col) & (cols < window.col + window.width)
    pixels = np.zeros((count, classes), np.int64)
    if judged:
        truth = read_labels(judged, whole)
        seen = (truth != UNLABELLED) & (regions > 0)
        np.add.at(pixels, (regions[seen] - 1, truth[seen]), 1)
    return {
        "area": area,
        "place": np.stack([cols + 100_000.0 * number, -rows], axis=1),
        "features": region_looks(looks(image), regions)[1:],
        "truth": known,
        "open": free,
        "judged": pixels,
    }


def forest(ground: Ground, asked: Ids, said: Ids, seed: int) -> Floats:
    """(n, classes) probabilities of a forest that has learnt the answers."""
    model = RandomForestClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1)
    known = said != UNLABELLED
    shares = np.zeros((len(ground.area), len(ground.names)), np.float32)
    if known.any():
        model.fit(ground.features[asked[known]], said[known])
        shares[:, model.classes_] = model.predict_proba(ground.features)
    return shares


def miou(ground: Ground, shares: Floats) -> float:
    """Of the map that these probabilities give, on what is judged."""
    matrix = np.zeros((len(ground.names),) * 2, np.int64)
    np.add.at(matrix.T, shares.argmax(axis=1), ground.judged)
    found = scores(matrix, ground.names)["miou"]
    return float(found) if found is not None else 0.0


def rounds(
    ground: Ground, strategy: Strategy, *, first: float, every: float, last: float, seed: int, error_rate: float = 0.0
) -> Iterator[tuple[float, float]]:
    """Ask, learn, map, and again.

    Args:
        ground: What is asked about.
        strategy: From the second round on; the first is `stratified` for all alike.
        first: Points per 512² of the first round.
        every: Of each further one.
        last: Where it ends.
        seed: Of choice, answers and forest.
        error_rate: Share of answers that are wrong.

    Yields:
        Points asked per 512², those without an answer too, and the mIoU reached with them.
    """
    free = np.flatnonzero(ground.open)
    n = len(free)
    table = Candidates(
        ground.area[free],
        ground.place[free],
        ground.features[free],
        np.zeros((n, 0), np.float32),
        np.zeros(n),
        np.zeros(n, bool),
        np.zeros(n, np.int64),
        np.arange(n, dtype=np.int64),
    )
    asked, said = np.zeros(0, np.int64), np.zeros(0, np.int64)
    points, now = first, "stratified"
    while points <= last + 1e-9:
        wanted = round(points * ground.per_512) - len(asked)
        fresh = choose(table, wanted, strategy=now, seed=seed * 1000 + len(asked))  # type: ignore[arg-type]  # `now` is a plain str to mypy
        asked = np.concatenate([asked, free[fresh]])
        said = np.concatenate([said, answer(ground.truth[free[fresh]], error_rate=error_rate, seed=seed)])
        table.asked[fresh] = True
        shares = forest(ground, asked, said, seed)
        yield points, miou(ground, shares)
        best = np.sort(shares[free], axis=1)[:, -2:]
        table = replace(table, shares=shares[free], doubt=1 - (best[:, 1] - best[:, 0]))
        now, points = strategy, points + every
