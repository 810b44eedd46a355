"""Propagation: how much of the ground simulated clicks label, and how much of that is right, by every way of spreading.

Clicks are drawn as an analyst might, each class of an image alike. Pseudo-masks are held against the dense truth that the
clicks were drawn from: this judges the spreading, not a map. `reach` runs with one setting for all budgets and both data
sets; it is compared, at the share it labels, with what fixed scales reach (interpolated between them).
"""

import itertools
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

from benchmarks.harness import DATA, finish, options, spread, table
from geopointseg.classes import UNLABELLED
from geopointseg.labels.adaptive import least_area, merge
from geopointseg.labels.edges import edge_weights
from geopointseg.labels.graph import seed_map
from geopointseg.labels.propagate import SCALES, Clicks, Reach, find_reach, hold, leave_out, paint, superpixels_at
from geopointseg.labels.slic import slic
from geopointseg.labels.strategies import draw_points
from geopointseg.raster import valid

BUDGETS = (10, 20, 30, 40, 50)  # clicks per 512 x 512 pixels
LSSQPS = 2621  # pixels of a superpixel, where there are 100 in 512 x 512
LIMITS = (100, 200, 400)  # coarsest scales of the rule that asks for no more than agreement
GROWN = (100, 400)  # scales at which regions are grown from clicks, no class into another's: slow, since anew each time
DISC = 5  # pixels of radius
RIVALS = {"fixed scales": ("superpixels, scale", "majority, scale"), "agreement alone": ("undisputed",)}
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scene:
    """An image with its dense truth, and its superpixels."""

    image: NDArray[np.float32]
    truth: NDArray[np.uint8]
    weights: NDArray[np.float32]
    """Of its edges."""
    ladder: list[NDArray[np.int32]]
    """At every scale of `reach`."""
    slic: NDArray[np.int32]


def dubai(quick: bool) -> tuple[tuple[str, ...], Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]]:
    """The images of tiles 1, 4, 5 and 6, each stretched by its own percentiles: they are photographs."""
    folder = DATA / "dubai_mbrsc"
    paths = [p for p in sorted((folder / "images").glob("*.jpg")) if p.stem[4] in "1456"]

    def read() -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        for path in paths[::8] if quick else paths:
            pixels = np.moveaxis(np.asarray(Image.open(path)), -1, 0).astype(np.float32)
            truth = np.asarray(Image.open(folder / "masks" / f"{path.stem}.png"))
            yield (
                stretched(pixels, np.percentile(pixels, (2, 98), axis=(1, 2))),
                np.where(truth == 0, UNLABELLED, truth - 1),
            )

    return ("building", "land", "road", "vegetation", "water"), read()


def korea(quick: bool) -> tuple[tuple[str, ...], Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]]:
    """The training patches, stretched alike."""
    folder = DATA / "korea_sentinel2"
    stems = json.loads((folder / "split.json").read_text())["train"]
    pairs = [(find(folder / "images", stem), find(folder / "masks", stem)) for stem in stems]
    codes = (10, 30, 50, 70, 100)

    def read() -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        images = [read_bands(image) for image, _ in pairs]
        limits = np.percentile(np.hstack([image.reshape(len(image), -1) for image in images]), (2, 98), axis=1)
        for image, (_, mask) in list(zip(images, pairs, strict=True))[:: 4 if quick else 1]:
            truth = read_bands(mask)[0]
            ids = np.full(truth.shape, UNLABELLED, np.uint8)
            for i, code in enumerate(codes):
                ids[truth == code] = i
            yield stretched(image, limits), ids

    return ("building", "road", "field", "forest", "background"), read()


def find(folder: Path, stem: str) -> Path:
    """The file of this name, wherever it lies in the folder."""
    return next(folder.rglob(f"{Path(stem).stem}.tif"))


def read_bands(path: Path) -> NDArray[np.float32]:
    """(bands, height, width)."""
    with rasterio.open(path) as source:
        pixels: NDArray[np.float32] = source.read().astype(np.float32)
    return pixels


def stretched(pixels: NDArray[np.float32], limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Bands from 0 to 1 between two limits each."""
    low, high = limits[:, :, None, None]
    return np.clip((pixels - low) / (high - low), 0, 1).astype(np.float32)


def drawn(scene: Scene, budget: int, rng: np.random.Generator) -> Clicks:
    """Clicks, each class alike."""
    count = max(1, round(budget * scene.truth.size / 512**2))
    rows, cols = draw_points(scene.truth, count, rng, per="image")
    return Clicks(rows, cols, scene.truth[rows, cols].astype(np.int64), np.ones(len(rows)), np.arange(len(rows)))


def judged(labels: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> Counts:
    """(classes, 3) known pixels of each class, pixels labelled so, and those of them that are right."""
    known = truth != UNLABELLED
    return np.stack(
        [
            np.bincount(truth[known], minlength=classes)[:classes],
            np.bincount(labels[known], minlength=256)[:classes],
            np.bincount(truth[known & (labels == truth)], minlength=classes)[:classes],
        ],
        axis=1,
    )


def by_region(
    regions: NDArray[np.int32], clicks: Clicks, truth: NDArray[np.uint8], classes: int, *, majority: bool
) -> Counts:
    """As `judged`, for regions of one scale that clicks label alone, or by majority."""
    votes = np.zeros((int(regions.max()) + 1, classes), np.int64)
    np.add.at(votes, (regions[clicks.rows, clicks.cols], clicks.class_ids), 1)
    labelled = votes.any(axis=1) if majority else np.count_nonzero(votes, axis=1) == 1
    label_of = np.where(labelled, votes.argmax(axis=1), UNLABELLED).astype(np.uint8)
    return judged(label_of[regions], truth, classes)


def discs(clicks: Clicks, truth: NDArray[np.uint8], classes: int, radius: int) -> Counts:
    """As `judged`, for discs; of several in reach the last click's."""
    labels = np.full(truth.shape, UNLABELLED, np.uint8)
    for dr, dc in itertools.product(range(-radius, radius + 1), repeat=2):
        r, c = clicks.rows + dr, clicks.cols + dc
        here = (dr**2 + dc**2 <= radius**2) & (r >= 0) & (r < len(truth)) & (c >= 0) & (c < truth.shape[1])
        labels[r[here], c[here]] = clicks.class_ids[here]
    return judged(labels, truth, classes)


def run(scenes: list[Scene], classes: int, budget: int, seed: int) -> dict[str, Counts]:
    """What every way labels, and how much of it is right."""
    rng = np.random.default_rng([seed, budget])
    clicks = [drawn(scene, budget, rng) for scene in scenes]
    held = [hold(scene.ladder, at) for scene, at in zip(scenes, clicks, strict=True)]
    trials = (leave_out(cut, at, classes, np.ones(len(at.rows), bool)) for cut, at in zip(held, clicks, strict=True))
    reach = find_reach(trials)
    found: dict[str, Counts] = {}

    def add(name: str, counts: Counts) -> None:
        found[name] = found.get(name, 0) + counts

    for scene, at, cut in zip(scenes, clicks, held, strict=True):
        add("reach", judged(paint(cut, scene.image, at, reach).labels, scene.truth, classes))
        for limit in LIMITS:
            add(
                f"undisputed, to {limit}",
                judged(paint(cut, scene.image, at, up_to(limit, classes)).labels, scene.truth, classes),
            )
        for scale, regions in zip(SCALES, scene.ladder, strict=True):
            add(f"superpixels, scale {scale}", by_region(regions, at, scene.truth, classes, majority=False))
            add(f"majority, scale {scale}", by_region(regions, at, scene.truth, classes, majority=True))
        seeds = seed_map(scene.truth.shape, at.rows, at.cols, at.class_ids)
        for scale in GROWN:
            regions = merge(
                scene.weights, valid(scene.image), scale=scale / 255, minimum=least_area(scale), seeds=seeds, threads=2
            )
            add(f"conflict-free, scale {scale}", by_region(regions, at, scene.truth, classes, majority=False))
        add("majority, slic (as LSSQPS)", by_region(scene.slic, at, scene.truth, classes, majority=True))
        add(f"radius {DISC}", discs(at, scene.truth, classes, DISC))
        add("single-pixel", discs(at, scene.truth, classes, 0))
    return found


def up_to(limit: int, classes: int) -> Reach:
    """All classes reach one scale: every click labels the largest region, up to it, that no other class disputes."""
    allowed = np.repeat((np.array(SCALES) <= limit)[:, None], classes, axis=1)
    return Reach(allowed, allowed.astype(float), allowed.astype(np.int64))


def shares(counts: Counts) -> tuple[float, float]:
    """Labelled share, and correct share of that."""
    known, labelled, right = counts.sum(axis=0)
    return labelled / known, right / max(1, labelled)


def margin(found: dict[str, Counts], *rules: str) -> float:
    """Correctness of `reach` above that of the best of some rules at the share it labels, between their scales.

    A rule that labels less at every scale is no rival.
    """
    labelled, correct = shares(found["reach"])
    rivals = []
    for rule in rules:
        curve = sorted(shares(counts) for name, counts in found.items() if name.startswith(rule))
        rivals.append(float(np.interp(labelled, *np.array(curve).T, right=0)))
    return correct - max(rivals)


def main() -> None:
    """Print a table per data set."""
    given = options(__doc__ or "")
    budgets, seeds = ((10, 50), 1) if given.quick else (BUDGETS, 3)
    texts, figures, margins = [], {}, []
    for place, source in (("dubai", dubai), ("korea", korea)):
        names, images = source(given.quick)
        scenes = [
            Scene(image, truth, edge_weights(image), list(superpixels_at(image)), slic(image, size=LSSQPS))
            for image, truth in images
        ]
        rows = [("clicks per 512²", "spread by", "labelled", "correct", *(f"… {name}" for name in names))]
        for budget in budgets:
            results = [run(scenes, len(names), budget, seed) for seed in range(seeds)]
            for way in results[0]:
                pairs = [shares(result[way]) for result in results]
                per_class = sum(result[way] for result in results)
                each = (f"{n / total:.2f}/{right / n:.2f}" if n else "–" for total, n, right in per_class)
                rows.append((str(budget), way, spread([p[0] for p in pairs]), spread([p[1] for p in pairs]), *each))
            for i, what in enumerate(("labelled", "correct")):
                figures[f"{place}, {budget} clicks, {what}"] = statistics.mean(shares(r["reach"])[i] for r in results)
            for name, rules in RIVALS.items():
                figures[f"{place}, {budget} clicks, above {name}"] = statistics.mean(margin(r, *rules) for r in results)
            margins.append(figures[f"{place}, {budget} clicks, above fixed scales"])
        pixels = sum(int((scene.truth != UNLABELLED).sum()) for scene in scenes)
        texts.append(
            f"{place}: {len(scenes)} images, {pixels / 1e6:.1f} Mpx with truth, {seeds} seeds\n\n{table(rows)}"
        )
    bounds = {(50, "labelled"): 0.62, (50, "correct"): 0.93, (10, "labelled"): 0.45, (10, "correct"): 0.94}
    targets = {f"dubai, {budget} clicks, {what}": f">= {bound}" for (budget, what), bound in bounds.items()}
    targets |= {name: "> 0" for name in figures if name.endswith("fixed scales")}
    met = all(figures[f"dubai, {budget} clicks, {what}"] >= bound for (budget, what), bound in bounds.items())
    text = "\n\n".join(texts) + "\n\nper class: share of its ground that is labelled so / correct share of what is"
    finish(text, figures, targets, met=met and min(margins) > 0, out=given.out)


if __name__ == "__main__":
    main()
