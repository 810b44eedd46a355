"""Training speed: the step, reading from rasters, and drawing chips, each against a named other way in the same run.

Step: the default network at 256 px and batch 8 as `run` trains it (bfloat16 where the processor computes in it, channels
last), against the same network from the same start in plain PyTorch (float32, channels first), on the same batches.
Loop: the same training from compressed rasters with two workers, against batches that already lie in memory.
Chips: our sampler and datasets, which read image, mask and weights, against TorchGeo's RandomGeoSampler on the
IntersectionDataset of two RasterDatasets, which reads image and mask of the same files. Both in the main process.

The rasters are those of dubai_mbrsc with a synthetic georeference; dense truth stands in for pseudo-masks.
"""

import copy
import itertools
import json
import statistics
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import RandomGeoSampler

from benchmarks.harness import DATA, finish, options, race, table
from geopointseg.classes import UNLABELLED
from geopointseg.labels.draw import draw
from geopointseg.labels.points import load_points
from geopointseg.labels.pseudomask import mask_paths
from geopointseg.learning.augment import augment
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.losses import masked_cross_entropy
from geopointseg.learning.precision import precision
from geopointseg.learning.samplers import PointGeoSampler, Shard
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import open_raster

NAMES = ("building", "land", "road", "vegetation", "water")
CHIP, BATCH = 256, 8

Batch = dict[str, Tensor]


class Masks(RasterDataset):
    """TorchGeo's reading of class rasters."""

    is_image = False


def write_study(folder: Path, count: int, steps: int) -> PointDataModule:
    """DEFLATE-compressed tiled GeoTIFFs side by side, their dense masks with weights of 1, and simulated points."""
    source = DATA / "dubai_mbrsc"
    tiles = json.loads((source / "split.json").read_text())["train"]
    pictures = [path for path in sorted((source / "images").glob("*.jpg")) if path.stem.split("_")[0] in tiles]
    images, masks = [], []
    for number, path in enumerate(pictures[:: len(pictures) // count][:count]):
        pixels = np.moveaxis(np.asarray(Image.open(path)), -1, 0)
        index = np.asarray(Image.open(source / "masks" / f"{path.stem}.png"))
        ids = np.where(index == 0, UNLABELLED, index - 1).astype(np.uint8)
        images.append(folder / "images" / f"{path.stem}.tif")
        place = from_origin(300_000 + 2000 * number, 2_800_000, 0.5, 0.5)
        write(images[-1], pixels, place)
        mask, weights = mask_paths(folder / "masks", open_raster(images[-1]))
        write(mask, ids[None], place, nodata=UNLABELLED)
        write(weights, (ids != UNLABELLED)[None].astype(np.float32), place, nodata=0)
        masks.append(mask)
    points = folder / "points.gpkg"
    draw([str(mask) for mask in masks], per_class=20, out=points, names=dict(enumerate(NAMES)), held_out=0)
    for mask in masks:
        with rasterio.open(mask, "r+") as made:
            made.update_tags(CLASSES=load_points(points).classes.to_tag())
    data = PointDataModule(
        [str(image) for image in images],
        folder / "masks",
        points,
        chip=CHIP,
        batch_size=BATCH,
        steps=steps,
        num_workers=2,
    )
    data.setup("fit")
    return data


def write(path: Path, bands: NDArray[Any], place: Affine, *, nodata: float | None = None) -> None:
    """Write a compressed, tiled GeoTIFF."""
    path.parent.mkdir(exist_ok=True)
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "nodata": nodata}
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    with rasterio.open(path, "w", crs="EPSG:32640", transform=place, **profile, **layout) as target:
        target.write(bands)


def trainer(task: PointSegmentationTask) -> Callable[[Batch], float]:
    """Our training step, which returns its loss."""
    adam = torch.optim.AdamW(task.parameters())

    def step(batch: Batch) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision() == "bf16-mixed"):
            loss = masked_cross_entropy(task(batch["image"]), batch["mask"], batch["weight"])
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss.item()

    return step


def plain_trainer(task: PointSegmentationTask) -> Callable[[Batch], float]:
    """A step of the same network in plain PyTorch."""
    model = copy.deepcopy(task.model).to(memory_format=torch.contiguous_format)
    adam = torch.optim.AdamW(model.parameters())
    mean, std = task.band_mean, task.band_std

    def step(batch: Batch) -> float:
        logits = model(torch.nan_to_num((batch["image"] - mean) / std))
        loss = F.cross_entropy(logits, batch["mask"], ignore_index=UNLABELLED)
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss.item()

    return step


def race_steps(data: PointDataModule, steps: int) -> tuple[float, float, float, float]:
    """Median seconds of a step, ours and plain, and the mean loss of the last quarter of the steps of each."""
    torch.manual_seed(0)
    task = PointSegmentationTask(data.card)
    batches = list(itertools.islice(data.train_dataloader(), min(steps, 8)))
    runners = {"plain": plain_trainer(task), "ours": trainer(task)}
    losses: dict[str, list[float]] = {name: [] for name in runners}

    def run(name: str) -> None:
        losses[name].append(runners[name](batches[len(losses[name]) % len(batches)]))

    times = race(steps, ours=lambda: run("ours"), plain=lambda: run("plain"))
    ours, plain = (statistics.median(times[name]) for name in ("ours", "plain"))
    last = {name: statistics.mean(each[-max(1, steps // 4) :]) for name, each in losses.items()}
    return ours, plain, last["ours"], last["plain"]


def race_loops(data: PointDataModule, rounds: int) -> tuple[float, float]:
    """Median seconds of an epoch of training, from rasters and from memory."""
    loader = data.train_dataloader()
    ready = list(loader)
    step = trainer(PointSegmentationTask(data.card))

    def epoch(batches: Iterable[Batch]) -> None:
        generator = torch.Generator().manual_seed(0)
        for batch in batches:
            step(augment(batch, data.augmentation, data.statistics, generator))

    times = race(rounds, rasters=lambda: epoch(loader), memory=lambda: epoch(ready))
    return statistics.median(times["rasters"]), statistics.median(times["memory"])


def race_chips(data: PointDataModule, rounds: int, chips: int) -> tuple[float, float]:
    """Median seconds of reading so many chips in batches, ours and TorchGeo's."""
    images = [str(raster.path) for raster in data.rasters]
    masks = [str(mask.path) for mask, _ in data.labels.pairs]
    stock = RasterDataset(images) & Masks(masks)
    plain_sampler = RandomGeoSampler(stock, size=CHIP, length=chips)  # in pixels
    plain = DataLoader(stock, BATCH, sampler=plain_sampler, collate_fn=stack_samples)
    plan = {"chip": CHIP, "length": chips, "shard": Shard(batch=BATCH)}
    our_sampler = PointGeoSampler(data.rasters, data.train_sites, **plan)
    ours = DataLoader(data.train_dataset, BATCH, sampler=our_sampler)

    def read(loader: DataLoader[Batch]) -> None:
        for batch in loader:
            assert batch["image"].shape[2:] == (CHIP, CHIP)

    times = race(rounds, ours=lambda: read(ours), plain=lambda: read(plain))
    return statistics.median(times["ours"]), statistics.median(times["plain"])


def main() -> None:
    """Race all three and print the ratios."""
    chosen = options(__doc__ or "")
    count, steps, length, rounds, chips = (3, 8, 10, 2, 80) if chosen.quick else (12, 40, 40, 3, 400)
    with tempfile.TemporaryDirectory() as name:
        data = write_study(Path(name), count, length)
        reading, stock_reading = race_chips(data, rounds, chips)
        step, plain_step, loss, plain_loss = race_steps(data, steps)
        loop, memory_loop = race_loops(data, rounds)
    figures = {
        "step: times plain PyTorch": round(plain_step / step, 2),
        "step: last losses, ours / plain": round(loss / plain_loss, 3),
        "loop: times tensors in memory": round(memory_loop / loop, 3),
        "chips: times TorchGeo's samplers": round(stock_reading / reading, 2),
    }
    targets = {
        "step: times plain PyTorch": ">= 5 where the processor computes in bfloat16",
        "step: last losses, ours / plain": "0.9 to 1.1",
        "loop: times tensors in memory": ">= 0.95",
        "chips: times TorchGeo's samplers": ">= 3",
    }
    bounds = (5 if precision() == "bf16-mixed" else 0, 0.9, 0.95, 3)
    met = all(value >= bound for value, bound in zip(figures.values(), bounds, strict=True))
    met = met and figures["step: last losses, ours / plain"] <= 1.1
    rows = [
        ["job", "ours", "other way", "ratio", "the other way"],
        [
            "step, ms",
            f"{step * 1e3:.0f}",
            f"{plain_step * 1e3:.0f}",
            f"{plain_step / step:.2f}",
            "plain PyTorch, float32",
        ],
        [f"loss after {steps} steps", f"{loss:.3f}", f"{plain_loss:.3f}", f"{loss / plain_loss:.3f}", "the same"],
        ["loop, chips/s", *rate(length * BATCH, loop, memory_loop), "tensors in memory"],
        ["reading, chips/s", *rate(chips, reading, stock_reading), "RandomGeoSampler, IntersectionDataset"],
    ]
    title = f"{count} rasters of dubai_mbrsc, {BATCH} chips of {CHIP} px, number format {precision()}, medians"
    finish(f"{title}\n{table(rows)}", figures, targets, met=met, out=chosen.out)


def rate(chips: int, ours: float, other: float) -> tuple[str, str, str]:
    """Chips per second, of both, and their ratio."""
    return f"{chips / ours:.0f}", f"{chips / other:.0f}", f"{other / ours:.3f}"


if __name__ == "__main__":
    main()
