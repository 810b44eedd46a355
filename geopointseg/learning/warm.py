"""A warm start: an encoder that has seen the user's own rasters, without a label, before it learns from points.

TorchGeo's SimCLR (Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020; version 2
at NeurIPS 2020): two views of a chip are to look alike to the encoder, and unlike those of all others. TorchGeo's BYOL is not
taken: in 0.8.1 its target is the trained network itself, not an average of it.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import lightning
import numpy as np
import safetensors.torch
import timm
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchgeo.trainers import SimCLRTask  # in 0.10 another name of one of torchgeo.tasks

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Window
from geopointseg.learning.augment import Augmentation, augment
from geopointseg.learning.quiet import quiet
from geopointseg.raster import Raster, read
from geopointseg.statistics import Statistics, open_rasters

__all__ = ["warm_start"]

EPOCHS = 20  # in which TorchGeo's learning rate warms up for one and then falls
VIEW = Augmentation(scale=2.0, jitter=0.5)  # what two views of a chip differ by
TRIES = 20  # chips drawn in vain before one that is mostly without data is taken
MEMORY = 4096  # earlier views that a view is held against; TorchGeo's 65 000 are more than a raster has chips


def warm_start(
    rasters: Sequence[str],
    *,
    out: Path,
    backbone: str = "resnet18",
    steps: int = 1000,
    chip: int = 96,
    batch_size: int = 32,
    lr: float | None = None,
    seed: int = 0,
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Train an encoder on unlabelled rasters.

    Args:
        rasters: Raster files, folders or globs.
        out: A .safetensors file; the `weights` of a training whose backbone is this one, on rasters with these bands.
        backbone: As in training: a name that both SMP and timm know, such as resnet18 or resnet50, or timm's behind 'tu-'.
        steps: Training steps, rounded up to twenties.
        chip: Side of a chip in pixels.
        batch_size: Chips a step; each is held against all others, so that many are better.
        lr: Highest learning rate of LARS; by default 0.3 for every 256 chips of a batch, as the paper has it.
        seed: Of the start, the chips and the views.
        crs: CRS of rasters that have none.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace an existing file.

    Returns:
        The file.

    Raises:
        GeoPointSegError: a number that cannot work, a backbone that timm does not know, or another ending than .safetensors.
    """
    if steps < 1 or chip < 32 or batch_size < 2 or seed < 0 or (lr is not None and not lr > 0):
        raise GeoPointSegError(
            "expected at least 1 step, chips of 32 pixels, 2 of them in a batch, a seed from 0 on and a rate above 0, got "
            f"{steps}, {chip}, {batch_size}, {seed} and {lr}: change the one that is wrong"
        )
    name = backbone.removeprefix("tu-")
    if not timm.is_model(name):
        raise GeoPointSegError(f"expected a backbone that timm knows, got {backbone!r}: try resnet18 or resnet50")
    if Path(out).suffix != ".safetensors":
        raise GeoPointSegError(f"expected a .safetensors file to write, got {out}: name it so")
    opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    with replacing(Path(out), overwrite=overwrite) as partial:
        lightning.seed_everything(seed, verbose=False)
        task = SimCLRTask(
            model=name,
            in_channels=len(statistics.mean),
            lr=lr or 0.3 * batch_size / 256,
            memory_bank_size=MEMORY,
            size=chip,
            augmentations=_View(len(statistics.mean), seed),
        )
        each = math.ceil(steps / EPOCHS)
        chips = _Chips(opened, statistics, chip, each * batch_size * EPOCHS, seed)
        _fit(task, DataLoader(chips, batch_size, shuffle=True), each)
        state = {key: value.detach().cpu().contiguous() for key, value in task.backbone.state_dict().items()}
        partial.write_bytes(safetensors.torch.save(state))
    return Path(out)


def _fit(task: SimCLRTask, chips: DataLoader[dict[str, Tensor]], steps: int) -> None:
    """Train for `EPOCHS` epochs of so many steps.

    Raises:
        KeyboardInterrupt: the user stopped it.
    """
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        limit_train_batches=steps,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    with quiet(
        "You defined a `validation_step`.*",  # TorchGeo's does nothing
        ".*epoch parameter in `scheduler.step.*",  # torch's own SequentialLR
        ".*lr_scheduler.step.*before `optimizer.step.*",  # likewise, at its start
    ):
        trainer.fit(task, chips)


class _Chips(Dataset[dict[str, Tensor]]):
    """Chips from anywhere on the rasters, each raster by its area: `image` in standard deviations, 0 without data."""

    def __init__(self, rasters: Sequence[Raster], statistics: Statistics, chip: int, length: int, seed: int) -> None:
        self.rasters, self.chip, self.length, self.seed = list(rasters), chip, length, seed
        areas = np.array([raster.grid.height * raster.grid.width for raster in rasters], float)
        self.shares = areas / areas.sum()
        self.mean, self.std = (np.array(v, np.float32)[:, None, None] for v in (statistics.mean, statistics.std))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, number))
        for _ in range(TRIES):
            raster = self.rasters[rng.choice(len(self.rasters), p=self.shares)]
            row, col = (int(rng.integers(max(1, size - self.chip + 1))) for size in raster.grid.shape)
            pixels = read(raster, Window(row, col, self.chip, self.chip))
            if not np.isnan(pixels).all(axis=0).mean() > 0.5:
                break
        return {"image": torch.from_numpy(np.nan_to_num((pixels - self.mean) / self.std))}


class _View(nn.Module):
    """A chip as it could have looked too, in standard deviations; every call draws anew."""

    def __init__(self, bands: int, seed: int) -> None:
        super().__init__()
        self.statistics = Statistics((0.0,) * bands, (1.0,) * bands, (), ())
        self.draw = torch.Generator().manual_seed(seed)

    def forward(self, image: Tensor) -> Tensor:
        none = torch.zeros_like(image[:, 0])
        return augment({"image": image, "mask": none.long(), "weight": none}, VIEW, self.statistics, self.draw)["image"]
