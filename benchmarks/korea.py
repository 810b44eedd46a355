"""Accuracy on real Sentinel-2 patches: 20 points per class and training patch, judged on patches of another place.

The network trained on pseudo-masks from the points, against a random forest on the pixels of the same points, and against the
same network trained on the dense masks. Three seeds: of the points, of the network and of the forest.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.harness import DATA, deviation, finish, options, spread, table
from benchmarks.networks import dense_masks, ids, network
from geopointseg.confusion import confusion_matrix, scores
from geopointseg.grid import Window
from geopointseg.labels.draw import draw
from geopointseg.labels.points import Points, load_points
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.priors import estimate_priors
from geopointseg.learning.sites import sites
from geopointseg.maps.assess import against_truth
from geopointseg.maps.predict import predict
from geopointseg.raster import open_raster, read

Matrix = NDArray[np.int64]
FOLDER = DATA / "korea_sentinel2"
NAMES = {10: "building", 30: "road", 50: "field", 70: "forest", 100: "background"}


def patches(split: str) -> tuple[list[Path], list[Path]]:
    """Images and masks of a split."""
    stems = json.loads((FOLDER / "split.json").read_text())[split]
    return [FOLDER / "images" / f"{s}.tif" for s in stems], [FOLDER / "masks" / f"{s}.tif" for s in stems]


def forests(points: Points, images: list[Path], tests: list[Path], truth: list[Path], seed: int) -> dict[str, Matrix]:
    """Confusion matrices of a random forest on the very pixels that the network's clicks fall on.

    Once as it is, and once with the class shares estimated on the training images, as the network has them.
    """
    rasters = [open_raster(image) for image in images]
    clicks = sites(points, rasters, "train")
    colors = [read(rasters[n], Window(r, c, 1, 1))[:, 0, 0] for n, r, c in zip(*clicks.places, strict=True)]
    model = RandomForestClassifier(200, min_samples_leaf=3, random_state=seed, n_jobs=-1)
    model.fit(np.array(colors), clicks.class_id)
    seen = np.concatenate([flat(image)[::31] for image in images])
    shares = {"pixel forest": 1.0, "pixel forest, class shares": estimate_priors(model.predict_proba(seen))}
    size = len(points.classes)
    found = {name: np.zeros((size, size), np.int64) for name in shares}
    for image, path in zip(tests, truth, strict=True):
        probability, true = model.predict_proba(flat(image)), ids(path, points.classes)
        for name, share in shares.items():
            found[name] += confusion_matrix(true, (probability * share).argmax(axis=1), size)
    return found


def flat(image: Path) -> NDArray[np.uint8]:
    """(pixels, bands) of an image."""
    with rasterio.open(image) as source:
        pixels: NDArray[np.uint8] = source.read()
    return pixels.reshape(len(pixels), -1).T


def main() -> None:
    """Run all methods on all seeds and print the table."""
    chosen = options(__doc__ or "")
    seeds, steps = ((0,), 40) if chosen.quick else ((0, 1, 2), 400)
    (images, masks), (tests, truth) = patches("train"), patches("test")
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            out = Path(folder) / str(seed)
            layer = out / "points.gpkg"
            draw([str(m) for m in masks], per_class=20, out=layer, names=NAMES, held_out=0, seed=seed)
            mask([str(i) for i in images], points=layer, spreading=Spreading(), out=out / "masks")
            points = load_points(layer)
            dense_masks(images, masks, points.classes, out / "dense")
            matrices = forests(points, images, tests, truth, seed)
            for method, labels in (("points", out / "masks"), ("dense masks", out / "dense")):
                data = PointDataModule([str(i) for i in images], labels, layer, steps=steps, seed=seed)
                model, _ = network(data, out / method, steps=steps, seed=seed)
                predict(model, [str(t) for t in tests], out=out / method / "maps")
                maps = [out / method / "maps" / t.name for t in tests]
                matrices[method] = against_truth(maps, truth).matrix
            for method, matrix in matrices.items():
                result = scores(matrix, points.classes.names)
                per_class = {name: one["iou"] for name, one in result["per_class"].items()}
                found.setdefault(method, []).append(
                    {"mIoU": result["miou"], "OA": result["overall_accuracy"], **per_class}
                )
                print(
                    f"seed {seed}: {method}: mIoU {result['miou']:.3f}, OA {result['overall_accuracy']:.3f}", flush=True
                )

    keys = list(found["dense masks"][0])
    rows = [["method", *keys]]
    rows += [[method, *(spread([one[key] for one in each]) for key in keys)] for method, each in found.items()]
    figures = {f"{m}: {k}": float(np.mean([one[k] for one in each])) for m, each in found.items() for k in keys}
    miou = {method: [one["mIoU"] for one in each] for method, each in found.items()}
    ours, peer = miou["points"], max(miou["pixel forest"], miou["pixel forest, class shares"], key=np.mean)
    gain, noise = float(np.mean(ours) - np.mean(peer)), float(deviation(ours) + deviation(peer))
    title = f"korea_sentinel2: {len(images)} training and {len(tests)} test patches, {len(seeds)} seeds, {steps} steps"
    finish(
        f"{title}\n{table(rows)}",
        figures | {"gain over the better forest, mIoU": gain},
        {"gain over the better forest, mIoU": "above the spread of both"},
        met=gain > noise,
        out=chosen.out,
    )


if __name__ == "__main__":
    main()
