"""The data module: rasters, their pseudo-masks and checked points, as batches on the device."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Trainer
from torch.utils.data import DataLoader
from torchgeo.datamodules import GeoDataModule

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import load_points
from geopointseg.learning.augment import FLIPS_AND_TURNS, Augmentation, augment, numbered_apart
from geopointseg.learning.belonging import require_masks_of
from geopointseg.learning.class_weights import By, ClassWeights, Rule, label_amounts, weigh_classes
from geopointseg.learning.datasets import HeldOut, Imagery, Labels, Regions, Sample
from geopointseg.learning.samplers import Balance, PointGeoSampler, Shard, TileGeoSampler
from geopointseg.learning.sites import share, sites
from geopointseg.learning.unlabelled import NOTHING
from geopointseg.statistics import open_rasters

__all__ = ["EPOCH", "PointDataModule", "check_plan"]

TENSORS = ("image", "mask", "weight", "regions")
EPOCH = 50  # steps at most: from one look at the held-out points to the next


def check_plan(*, chip: int, steps: int, minutes: float | None = None, seed: int = 0) -> None:
    """Refuse a plan of training that cannot work, before anything is done.

    Raises:
        GeoPointSegError: it cannot.
    """
    if chip < 32:  # the coarsest level of most networks; they continue other sizes to what they need
        raise GeoPointSegError(f"expected chips of 32 pixels or more, got {chip}: try 128")
    if steps < 1 or (minutes is not None and minutes <= 0) or seed < 0:
        raise GeoPointSegError(
            f"expected at least one step, more than 0 minutes and a seed from 0 on, got {steps}, {minutes} and {seed}: "
            "change the one that is wrong"
        )


class PointDataModule(GeoDataModule):
    """Rasters, their pseudo-masks and checked points, as Lightning and TorchGeo want them."""

    def __init__(
        self,
        rasters: list[str] | str,
        masks: Path,
        points: Path,
        chip: int = 128,
        batch_size: int = 8,
        steps: int = 600,
        balance: Balance = "class",
        weight_power: float = 0.5,
        train_fraction: float = 1.0,
        augmentation: Augmentation = FLIPS_AND_TURNS,
        crs: str | None = None,
        nodata: float | None = None,
        seed: int = 0,
        num_workers: int | None = None,
        class_weights: Rule = "none",
        class_weights_by: By = "click",
        class_weights_beta: float = 0.999,
    ) -> None:
        """Open everything and check that it fits together.

        Args:
            rasters: Raster file, folder or glob, or several.
            masks: Folder that 'geopointseg mask' wrote.
            points: GeoPackage that 'geopointseg check' wrote.
            chip: Side of a training chip in pixels, 32 or more; multiples of 32 waste nothing.
            batch_size: Chips per training step and process.
            steps: Training steps in all; they are cut into epochs of at most 50.
            balance: Draw chips around the classes in turn, or around all points alike.
            weight_power: α of the pixels' weights, which are 1 / area^α × purity^α of the region that a click was spread
                over: with 1 every click counts the same however far it reaches, with 0 every labelled pixel does.
            train_fraction: Share of the rasters with training points, by area, to train on; the others still count in
                the statistics, which need no labels, and are judged on their held-out points.
            augmentation: What is done to training chips; flips and quarter turns by default.
            crs: CRS of rasters that have none.
            nodata: No-data value of rasters that declare none.
            seed: Of the draw of rasters and chips, and of augmentation.
            num_workers: Processes that read chips ahead; 0 reads in the main process. By default up to 4 where a GPU
                would wait for chips, and 0 where training takes the cores itself.
            class_weights: How much each class weighs in the loss: a rule of how often the pseudo-masks hold it.
            class_weights_by: Count clicks, each by its weight, or labelled pixels.
            class_weights_beta: Of the effective number of labels.

        Raises:
            GeoPointSegError: a number that cannot work, a missing pseudo-mask, one on another grid than its raster or made
                from other points, or, where classes are to be weighed, one without labels or with ids that are no class.
        """
        check_plan(chip=chip, steps=steps, seed=seed)
        if num_workers is None:
            num_workers = min(4, os.cpu_count() or 1) if torch.cuda.is_available() else 0
        if weight_power < 0:
            raise GeoPointSegError(
                f"expected a weight_power from 0 on, got {weight_power}: 1 lets every click count alike"
            )
        if batch_size < 1 or num_workers < 0:
            raise GeoPointSegError(
                f"expected at least one chip in a batch and 0 or more workers, got {batch_size} and {num_workers}: "
                "change the one that is wrong"
            )
        super().__init__(Imagery, batch_size, num_workers=num_workers)
        self.rasters, self.statistics = open_rasters(
            [rasters] if isinstance(rasters, str) else rasters, crs=crs, nodata=nodata
        )
        self.points = load_points(points)
        self.chip, self.seed, self.balance, self.train_fraction = chip, seed, balance, train_fraction
        self.augmentation = augmentation
        self.epoch_steps = min(steps, EPOCH)
        self.pieces = 1
        """In how many parts a batch goes through the network, where memory is too small for all of it."""
        self.weight_power = weight_power
        self.labels = Labels(self.rasters, Path(masks), power=weight_power)
        require_masks_of(self.points, self.rasters, [mask.path for mask, _ in self.labels.pairs])
        clicked = sites(self.points, self.rasters, "train")
        self.train_sites = share(clicked, self.rasters, train_fraction, seed=seed)
        self.notes = self._notes(len(clicked.rasters))
        """What a person should know of the data that are trained on, line by line."""
        names, pairs = self.points.classes.names, [self.labels.pairs[i] for i in self.train_sites.rasters]
        self.class_weights: ClassWeights | None = None
        if class_weights != "none":
            amounts = label_amounts(pairs, len(names), class_weights_by)
            self.class_weights = weigh_classes(
                amounts, names, class_weights, by=class_weights_by, beta=class_weights_beta
            )

    def _notes(self, clicked: int) -> tuple[str, ...]:
        """Which rasters are taken, where not all `clicked` ones are, and which classes nothing teaches."""
        taken = [self.rasters[number].path.name for number in self.train_sites.rasters]
        seen = set(self.train_sites.class_id.tolist())
        unseen = [name for number, name in enumerate(self.points.classes.names) if number not in seen]
        notes = {
            f"trained on {len(taken)} of {clicked} rasters with points: {', '.join(taken)}": len(taken) < clicked,
            f"no training point, so not learnt: {', '.join(unseen)}": bool(unseen),
        }
        return tuple(note for note, holds in notes.items() if holds)

    def cut(self) -> None:
        """Cut batches into more pieces than before: in two, if that gives pieces of one size.

        Raises:
            GeoPointSegError: they are single chips already.
        """
        more = [n for n in range(self.pieces + 1, self.batch_size + 1) if self.batch_size % n == 0]
        if not more:
            raise GeoPointSegError(
                f"expected memory for one chip of {self.chip} × {self.chip} pixels, got too little: take smaller chips or "
                "a smaller network"
            )
        self.pieces = more[0]

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
            "sampling": {
                "seed": self.seed,
                "balance": self.balance,
                "weight_power": self.weight_power,
                "train_fraction": self.train_fraction,
                "train_rasters": [self.rasters[number].path.name for number in self.train_sites.rasters],
                "augmentation": asdict(self.augmentation),
            },
        }

    def setup(self, stage: str) -> None:
        """Make the datasets and samplers of a stage; of several processes each draws its own chips."""
        if stage == "fit":
            ranks = self.trainer.world_size if self.trainer else 1
            task = getattr(self.trainer, "lightning_module", None)
            cuts = getattr(task, "unlabelled", NOTHING).cuts  # superpixels are made only for a task that asks for them
            cut = Regions(self.rasters, self.statistics, self.points.held_out) if cuts else Imagery(self.rasters)
            self.train_dataset = cut & self.labels
            self.train_sampler = PointGeoSampler(
                self.rasters,
                self.train_sites,
                chip=self.chip,
                length=self.epoch_steps * self.batch_size * ranks,
                balance=self.balance,
                seed=self.seed,
                shard=Shard(self._rank, ranks, self.batch_size),
            )
        if stage in ("fit", "validate"):
            held_out = sites(self.points, self.rasters, "test")
            self.val_dataset = HeldOut(self.rasters, held_out)
            self.val_sampler = TileGeoSampler(self.rasters, held_out, chip=self.chip)

    @property
    def _rank(self) -> int:
        """Which of the training processes this is."""
        return self.trainer.global_rank if self.trainer else 0

    def train_dataloader(self) -> Any:
        """Batches of training chips.

        A training that goes on from a checkpoint asks for them when it has read how far it was. Ours are of whole epochs,
        but where steps are counted Lightning 2.6 walks through the last one again, counts it twice, and offers no way to
        say so but these two; and the first chips may be read ahead before it tells the sampler the epoch.
        """
        if isinstance(self.trainer, Trainer) and self.train_sampler:
            loop = self.trainer.fit_loop
            loop._restarting = loop.epoch_loop.restarting = False
            self.train_sampler.set_epoch(loop.epoch_progress.current.processed)  # type: ignore[attr-defined]  # TorchGeo declares its own
        return self._loader(self.train_dataset, self.train_sampler)

    def val_dataloader(self) -> Any:
        """Tiles with held-out points; an empty list, which Lightning understands, where there are none."""
        return self._loader(self.val_dataset, self.val_sampler) if self.val_sampler else []

    def _loader(self, dataset: Any, sampler: Any) -> DataLoader[Sample]:
        """Read ahead in workers that live on from epoch to epoch, into memory from which a GPU copies at once."""
        return DataLoader(
            dataset,
            self.batch_size // self.pieces,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def transfer_batch_to_device(self, batch: Sample, device: torch.device, dataloader_idx: int) -> Sample:
        """Move the tensors the task needs.

        TorchGeo 0.8.1 deletes `crs` and `bounds` here and fails where they are absent; 0.10 no longer does.
        """
        return {k: v.to(device, non_blocking=True) for k, v in batch.items() if k in TENSORS}

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Augment training chips; they are not normalised here: the model does it.

        The draw depends on seed, process and step alone, so that a resumed training goes on as it would have; what the
        network drops at random, too.
        """
        if self.trainer is None or not self.trainer.training:
            return batch
        if "regions" in batch:
            batch = batch | {"regions": numbered_apart(batch["regions"])}
        step = self.trainer.fit_loop.total_batch_idx + 1  # -1 before the first
        seed, dropout = np.random.SeedSequence((self.seed, self._rank, step)).generate_state(2).tolist()
        torch.manual_seed(dropout)
        return augment(batch, self.augmentation, self.statistics, torch.Generator().manual_seed(seed))
