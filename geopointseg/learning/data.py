"""Chips for training: TorchGeo datasets over rasters and pseudo-masks, a sampler that draws chips around points.

TorchGeo merges files that overlap. Rasters of one place at two dates must not be merged, so every raster gets a moment
of its own on TorchGeo's time axis: a query names the place and, by its moment, the raster.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import torch
from kornia import augmentation as K
from torch import Tensor
from torchgeo.datamodules import GeoDataModule
from torchgeo.datasets import RasterDataset
from torchgeo.datasets.utils import GeoSlice
from torchgeo.samplers import GeoSampler

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.burn import stations
from geopointseg.labels.points import Points, load_points
from geopointseg.labels.pseudomask import mask_paths
from geopointseg.learning.class_weights import By, ClassWeights, Rule, label_amounts, weigh_classes
from geopointseg.raster import Raster, open_raster, open_rasters, read, read_labels

__all__ = [
    "HeldOut",
    "Imagery",
    "Labels",
    "PointDataModule",
    "PointGeoSampler",
    "Sites",
    "TileGeoSampler",
    "check_plan",
    "sites",
]

SPACING = 32  # pixels between the places of a scribble or an area that chips are drawn around

Sample = dict[str, Any]


class Sites:
    """Where the points of one split lie on the rasters: arrays of one entry per point and raster that holds it."""

    def __init__(self, raster: Sequence[int], row: Sequence[int], col: Sequence[int], class_id: Sequence[int]) -> None:
        """Keep the four columns as integer arrays."""
        columns = (np.asarray(c, dtype=np.int64) for c in (raster, row, col, class_id))
        self.raster, self.row, self.col, self.class_id = columns

    def __len__(self) -> int:
        """How many there are."""
        return len(self.raster)

    @property
    def places(self) -> tuple[list[int], list[int], list[int]]:
        """Rasters, rows and columns as plain numbers."""
        return self.raster.tolist(), self.row.tolist(), self.col.tolist()


def sites(points: Points, rasters: Sequence[Raster], split: str) -> Sites:
    """The points of a split on every raster that holds them; a scribble or an area has one in every few pixels."""
    frame = points.used(split)
    ids = frame["class_id"].to_numpy(dtype=np.int64)
    found = [np.zeros((4, 0), np.int64)]
    for number, raster in enumerate(rasters):
        feature, rows, cols = stations(frame.geometry, raster.grid, SPACING)
        found.append(np.stack([np.full(len(feature), number), rows, cols, ids[feature]]))
    return Sites(*np.hstack(found))


def _moment(number: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The moment of a raster: a day of its own, with a gap before the next."""
    start = pd.Timestamp("2000-01-01") + pd.Timedelta(days=2 * number)
    return start, start + pd.Timedelta(days=1)


def _query(raster: Raster, number: int, window: Window) -> GeoSlice:
    """A window of the raster with this number, as TorchGeo asks for it."""
    west, south, east, north = raster.grid.window_bounds(window)
    yres, xres = raster.grid.pixel_size
    start, stop = _moment(number)
    return slice(west, east, xres), slice(south, north, yres), slice(start, stop, 1)


class Imagery(RasterDataset):
    """Rasters with a moment each; `image` is (bands, height, width) float32, NaN where there is no data.

    TorchGeo indexes the rasters; their pixels are read by `geopointseg.raster.read`, as in prediction: TorchGeo knows
    neither a CRS nor a nodata value given by the user, and fills what lies beyond a raster with 0.
    """

    def __init__(self, rasters: Sequence[Raster]) -> None:
        """Index the rasters; all must share CRS and pixel size."""
        self.rasters = list(rasters)
        first = self.rasters[0].grid
        for raster in self.rasters[1:]:
            if raster.grid.crs != first.crs or not np.allclose(raster.grid.pixel_size, first.pixel_size, rtol=1e-6):
                raise GeoPointSegError(
                    f"expected training rasters of one CRS and pixel size, got {self.rasters[0].path} ({first.crs}, "
                    f"{first.pixel_size}) and {raster.path} ({raster.grid.crs}, {raster.grid.pixel_size}): "
                    "bring them together with 'gdalwarp -t_srs … -tr …'"
                )
        self.paths = [str(raster.path) for raster in self.rasters]
        self.transforms = None
        self._res = first.pixel_size[::-1]
        moments = [_moment(i) for i in range(len(self.rasters))]
        self.index = gpd.GeoDataFrame(
            {"filepath": self.paths},
            index=pd.IntervalIndex.from_tuples(moments, closed="both", name="datetime"),
            geometry=[shapely.box(*raster.grid.bounds) for raster in self.rasters],
            crs=first.crs.to_wkt(),
        )

    def locate(self, query: GeoSlice) -> tuple[int, Window]:
        """The number of the raster and the window that a query names: the inverse of `_query`."""
        x, y, t = self._disambiguate_slice(query)
        number = int(self.index.index.get_loc(t.start))
        grid = self.rasters[number].grid
        yres, xres = grid.pixel_size
        west, _, _, north = grid.bounds
        return number, Window(
            row=round((north - y.stop) / yres),
            col=round((x.start - west) / xres),
            height=round((y.stop - y.start) / yres),
            width=round((x.stop - x.start) / xres),
        )

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window that the query names."""
        number, window = self.locate(query)
        return {"image": torch.from_numpy(read(self.rasters[number], window))}


class Labels(Imagery):
    """The pseudo-masks of rasters, under the same moments.

    `mask` is (height, width) int64 with 255 = unlabelled, `weight` (height, width) float32 with 0 where unlabelled.
    """

    is_image = False

    def __init__(self, rasters: Sequence[Raster], folder: Path) -> None:
        """Find the pseudo-masks and check that each lies on its raster's grid.

        Raises:
            GeoPointSegError: one is missing, unreadable, or on another grid.
        """
        super().__init__(rasters)
        paths = [mask_paths(folder, raster) for raster in rasters]
        self.pairs = [
            (_on_grid(raster, mask), _on_grid(raster, weights))
            for raster, (mask, weights) in zip(rasters, paths, strict=True)
        ]

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window that the query names."""
        number, window = self.locate(query)
        mask, weights = self.pairs[number]
        return {
            "mask": torch.from_numpy(read_labels(mask.path, window)).long(),
            "weight": torch.from_numpy(np.nan_to_num(read(weights, window)[0])),
        }


class HeldOut(Imagery):
    """Rasters with the held-out points alone as `mask`: one pixel each, 255 elsewhere."""

    def __init__(self, rasters: Sequence[Raster], sites: Sites) -> None:
        """Keep the points."""
        super().__init__(rasters)
        self.sites = sites

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window and mark its points."""
        number, window = self.locate(query)
        mask = torch.full((window.height, window.width), UNLABELLED)
        s = self.sites
        rows, cols = s.row - window.row, s.col - window.col
        here = (s.raster == number) & (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
        mask[rows[here], cols[here]] = torch.from_numpy(s.class_id[here])
        return super().__getitem__(query) | {"mask": mask}


class PointGeoSampler(GeoSampler):
    """Draws chips around points: classes in turn, the points of a class in shuffled order, at a random place in the chip.

    The draw depends on the seed and the epoch alone. Chips stay on the raster unless it is smaller than a chip.
    """

    def __init__(self, rasters: Sequence[Raster], sites: Sites, *, chip: int, length: int, seed: int = 0) -> None:
        """Plan `length` chips of `chip` x `chip` pixels per epoch."""
        if not len(sites):
            raise GeoPointSegError("expected training points on the rasters, got none: check the points' split column")
        self.rasters, self.sites, self.chip, self.length, self.seed = rasters, sites, chip, length, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Chips per epoch."""
        return self.length

    def __iter__(self) -> Iterator[GeoSlice]:
        """The chips of the next epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        turns = [_endless(np.flatnonzero(self.sites.class_id == c), rng) for c in np.unique(self.sites.class_id)]
        for i in range(self.length):
            site = next(turns[i % len(turns)])
            number = int(self.sites.raster[site])
            grid = self.rasters[number].grid
            row = self.sites.row[site] - rng.integers(self.chip)
            col = self.sites.col[site] - rng.integers(self.chip)
            row = int(np.clip(row, 0, max(0, grid.height - self.chip)))
            col = int(np.clip(col, 0, max(0, grid.width - self.chip)))
            yield _query(self.rasters[number], number, Window(row, col, self.chip, self.chip))


def _endless(items: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    """The items in shuffled order, again and again."""
    while True:
        yield from rng.permutation(items)


class TileGeoSampler(GeoSampler):
    """Every tile of the rasters that holds a point, once: so that each held-out point is judged once."""

    def __init__(self, rasters: Sequence[Raster], sites: Sites, *, chip: int) -> None:
        """Find the tiles."""
        self.rasters, self.chip = rasters, chip
        self.tiles = sorted({*zip(sites.raster, sites.row // chip, sites.col // chip, strict=True)})

    def __len__(self) -> int:
        """How many tiles there are."""
        return len(self.tiles)

    def __iter__(self) -> Iterator[GeoSlice]:
        """The tiles, raster by raster."""
        for number, row, col in self.tiles:
            window = Window(int(row) * self.chip, int(col) * self.chip, self.chip, self.chip)
            yield _query(self.rasters[number], int(number), window)


def check_plan(*, chip: int, steps: int, minutes: float | None = None, seed: int = 0) -> None:
    """Refuse a plan of training that cannot work, before anything is done.

    Raises:
        GeoPointSegError: it cannot.
    """
    if chip < 32 or chip % 32:
        raise GeoPointSegError(f"expected a chip size that is a multiple of 32, got {chip}: try 128")
    if steps < 1 or (minutes is not None and minutes <= 0) or seed < 0:
        raise GeoPointSegError(
            f"expected at least one step, more than 0 minutes and a seed from 0 on, got {steps}, {minutes} and {seed}: "
            "change the one that is wrong"
        )


class PointDataModule(GeoDataModule):
    """Rasters, their pseudo-masks and checked points, as Lightning and TorchGeo want them."""

    def __init__(
        self,
        rasters: list[str],
        masks: Path,
        points: Path,
        chip: int = 128,
        batch_size: int = 8,
        steps: int = 600,
        crs: str | None = None,
        nodata: float | None = None,
        seed: int = 0,
        num_workers: int = 0,
        class_weights: Rule = "none",
        class_weights_by: By = "click",
        class_weights_beta: float = 0.999,
    ) -> None:
        """Open everything and check that it fits together.

        Args:
            rasters: Raster files, folders or globs.
            masks: Folder that 'geopointseg mask' wrote.
            points: GeoPackage that 'geopointseg check' wrote.
            chip: Side of a training chip in pixels, a multiple of 32.
            batch_size: Chips per training step.
            steps: Training steps in all; they are cut into epochs of at most 50.
            crs: CRS of rasters that have none.
            nodata: No-data value of rasters that declare none.
            seed: Of the draw of chips.
            num_workers: Processes that read chips; 0 reads in the main process.
            class_weights: How much each class weighs in the loss: a rule of how often the pseudo-masks hold it.
            class_weights_by: Count clicks, each by its weight, or labelled pixels.
            class_weights_beta: Of the effective number of labels.

        Raises:
            GeoPointSegError: chip size, a missing pseudo-mask, one on another grid than its raster, or, where classes
                are to be weighed, one without labels or with ids that are no class.
        """
        check_plan(chip=chip, steps=steps)
        super().__init__(Imagery, batch_size, num_workers=num_workers)
        self.rasters, self.statistics = open_rasters(rasters, crs=crs, nodata=nodata)
        self.points = load_points(points)
        self.chip, self.seed = chip, seed
        self.epoch_length = batch_size * min(steps, 50)
        self.turn = K.AugmentationSequential(
            K.RandomHorizontalFlip(p=0.5),
            K.RandomVerticalFlip(p=0.5),
            K.RandomRotation90((0, 3), resample="nearest", p=1.0),  # bilinear would shift values and spread NaN
            data_keys=None,
            keepdim=True,
        )
        self.labels = Labels(self.rasters, Path(masks))
        self.class_weights: ClassWeights | None = None
        if class_weights != "none":
            names = self.points.classes.names
            amounts = label_amounts(self.labels.pairs, len(names), class_weights_by)
            self.class_weights = weigh_classes(
                amounts, names, class_weights, by=class_weights_by, beta=class_weights_beta
            )

    @property
    def card(self) -> dict[str, Any]:
        """What a model must know about its input and output, as plain values that travel in the checkpoint."""
        first = self.rasters[0]
        weighed = {} if self.class_weights is None else {"class_weights": self.class_weights.figures()}
        return weighed | {
            "bands": list(first.bands),
            "band_names": list(first.names),
            "mean": list(self.statistics.mean),
            "std": list(self.statistics.std),
            "low": list(self.statistics.low),
            "high": list(self.statistics.high),
            "dtype": first.dtype,
            "nodata": first.nodata,
            "pixel_size": list(first.grid.pixel_size),
            "crs": first.grid.crs.to_string(),
            "geographic": first.grid.crs.is_geographic,
            "classes": self.points.classes.records(),
            "chip": self.chip,
        }

    def setup(self, stage: str) -> None:
        """Make the datasets and samplers of a stage."""
        if stage == "fit":
            self.train_dataset = Imagery(self.rasters) & self.labels
            train = sites(self.points, self.rasters, "train")
            self.train_sampler = PointGeoSampler(
                self.rasters, train, chip=self.chip, length=self.epoch_length, seed=self.seed
            )
        if stage in ("fit", "validate"):
            held_out = sites(self.points, self.rasters, "test")
            self.val_dataset = HeldOut(self.rasters, held_out)
            self.val_sampler = TileGeoSampler(self.rasters, held_out, chip=self.chip)

    def val_dataloader(self) -> Any:
        """Tiles with held-out points; an empty list, which Lightning understands, where there are none."""
        return super().val_dataloader() if self.val_sampler else []

    def transfer_batch_to_device(self, batch: Sample, device: torch.device, dataloader_idx: int) -> Sample:
        """Move the tensors the task needs.

        TorchGeo 0.8.1 deletes `crs` and `bounds` here and fails where they are absent; 0.10 no longer does.
        """
        return {k: v.to(device, non_blocking=True) for k, v in batch.items() if k in ("image", "mask", "weight")}

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Flip and turn training chips; they are not normalised here: the model does it.

        Kornia turns only keys it knows by name: mask and weight travel as two channels of one `mask`.
        """
        if self.trainer is None or not self.trainer.training:
            return batch
        stacked = torch.stack([batch["mask"].float(), batch["weight"]], dim=1)
        turned: dict[str, Tensor] = self.turn({"image": batch["image"], "mask": stacked})
        labels, weight = turned["mask"].unbind(dim=1)
        return {"image": turned["image"], "mask": labels.long(), "weight": weight}


def _on_grid(raster: Raster, path: Path) -> Raster:
    """A class raster that lies on the grid of a raster.

    Raises:
        GeoPointSegError: it is missing, unreadable, or on another grid.
    """
    if not path.exists():
        raise GeoPointSegError(f"expected {path} for {raster.path}, got no such file: run 'geopointseg mask' first")
    found = open_raster(path, crs=raster.grid.crs.to_wkt())
    if not found.grid.matches(raster.grid):
        raise GeoPointSegError(
            f"expected {path} on the grid of {raster.path}, got another grid: run 'geopointseg mask' again"
        )
    return found
