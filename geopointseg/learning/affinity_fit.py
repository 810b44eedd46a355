"""Training an affinity network on pairs of pixels: the same label, or not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from geopointseg import __version__
from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Window
from geopointseg.labels.burn import stations
from geopointseg.labels.points import Points, load_points
from geopointseg.learning.affinity import AffinityNet, neighbour_loss, point_loss
from geopointseg.learning.affinity_files import write_affinity
from geopointseg.raster import Raster, find_rasters, open_raster, read, reading, valid
from geopointseg.statistics import Statistics, open_rasters

__all__ = ["fit_affinity", "mask_chips", "pair_masks", "point_chips", "train_affinity"]

TRIES = 200  # chips drawn in vain before a mask counts as empty
SPACING = 4  # pixels between the places of a scribble or an area whose pairs are compared
WARM_UP = 20  # steps

Chip = tuple[NDArray[np.float32], NDArray[np.int64]]


def train_affinity(
    rasters: Sequence[str],
    *,
    masks: list[str] | None = None,
    points: Path | None = None,
    out: Path,
    steps: int = 500,
    chip: int = 128,
    batch_size: int = 8,
    lr: float = 3e-3,
    seed: int = 0,
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Train a small network that tells which pixels belong together, from masks or from points.

    Args:
        rasters: Raster files, folders or globs.
        masks: Class rasters on the rasters' grids, dense or partly labelled (255 or nodata where not): by name, else by
            order. Neighbouring pixels are compared.
        points: GeoPackage from 'geopointseg check' or 'draw', instead of masks. Pixels of training points, scribbles and
            areas are compared however far apart they lie.
        out: File for the network: .safetensors, or .pt for PyTorch's own format.
        steps: Training steps.
        chip: Side of a training chip in pixels, a multiple of 32.
        batch_size: Chips per training step.
        lr: Highest learning rate of AdamW.
        seed: Of the start and of the draw of chips.
        crs: CRS of rasters that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace an existing file.

    Returns:
        The file.

    Raises:
        GeoPointSegError: neither or both of masks and points, numbers out of range, masks that do not fit, nothing labelled,
            or labels of one class only.
    """
    _check(masks, points, steps=steps, chip=chip, batch_size=batch_size, lr=lr, seed=seed)
    opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    rng = np.random.default_rng(seed)
    if points is not None:
        chips = point_chips(opened, load_points(points), chip, rng)
    else:
        chips = mask_chips(opened, pair_masks(opened, find_rasters(masks or [])), chip, rng)
    network = start_network(statistics, seed)
    card = {
        "bands": list(opened[0].names),
        "mean": list(statistics.mean),
        "std": list(statistics.std),
        "dtype": opened[0].dtype,
        "pixel_size": list(opened[0].grid.ground_size),
        "labels": "masks" if points is None else "points",
        "training": {"steps": steps, "chip": chip, "batch_size": batch_size, "lr": lr, "seed": seed},
        "version": __version__,
    }
    with replacing(out, overwrite=overwrite) as partial:
        losses = fit_affinity(network, chips, steps=steps, batch_size=batch_size, lr=lr, far=points is not None)
        write_affinity(network, card | {"loss": float(np.mean(losses[-WARM_UP:]))}, partial)
    return Path(out)


def start_network(statistics: Statistics, seed: int) -> AffinityNet:
    """A network for rasters of these statistics, with the random start of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = AffinityNet(len(statistics.mean))
    network.set_statistics(statistics.mean, statistics.std)
    return network


def fit_affinity(
    network: AffinityNet, chips: Iterator[Chip], *, steps: int, batch_size: int = 8, lr: float = 3e-3, far: bool = False
) -> list[float]:
    """Train a network in place, with AdamW, a short warm-up and a cosine to zero.

    Args:
        network: Left in evaluation mode, on the CPU.
        chips: Images (bands, height, width) and labels (height, width), 255 = unlabelled, without end.
        steps: Training steps.
        batch_size: Chips per step.
        lr: Highest learning rate.
        far: Compare all labelled pixels of a batch instead of neighbours.

    Returns:
        The loss of every step.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * step / steps))
    )
    losses: list[float] = []
    bar = tqdm(range(steps), "affinity network", unit="step", disable=None, leave=False)
    for _ in bar:
        images, labels = zip(*(next(chips) for _ in range(batch_size)), strict=True)
        x, target = torch.from_numpy(np.stack(images)).to(device), torch.from_numpy(np.stack(labels)).to(device)
        loss: Tensor = point_loss(network, network.embed(x), target) if far else neighbour_loss(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-WARM_UP:]):.3f}", refresh=False)
    network.cpu().eval()
    return losses


def pair_masks(rasters: Sequence[Raster], masks: Sequence[Path]) -> list[Raster]:
    """The mask of each raster: the file of its name where every raster has one, else by order.

    Raises:
        GeoPointSegError: there are not as many as rasters, or one lies on another grid.
    """
    by_name = {path.stem: path for path in masks}
    if all(raster.path.stem in by_name for raster in rasters):
        masks = [by_name[raster.path.stem] for raster in rasters]
    if len(masks) != len(rasters):
        raise GeoPointSegError(
            f"expected one mask for each of {len(rasters)} rasters, got {len(masks)}: name them like the rasters, or "
            "list as many"
        )
    found = []
    for raster, path in zip(rasters, masks, strict=True):
        mask = open_raster(path, crs=raster.grid.crs.to_wkt())
        if not mask.grid.matches(raster.grid):
            raise GeoPointSegError(
                f"expected a mask on the grid of {raster.path} {raster.grid.shape}, got {path} {mask.grid.shape}: "
                "cut or warp it to the raster first"
            )
        found.append(mask)
    return found


def mask_chips(
    rasters: Sequence[Raster], masks: Sequence[Raster], chip: int, rng: np.random.Generator
) -> Iterator[Chip]:
    """Chips from anywhere on the rasters that hold a label, flipped and turned, without end.

    Raises:
        GeoPointSegError: none is found.
    """
    area = np.array([raster.grid.height * raster.grid.width for raster in rasters], float)
    while True:
        for _ in range(TRIES):
            number = rng.choice(len(rasters), p=area / area.sum())
            row, col = (int(rng.integers(max(1, size - chip + 1))) for size in rasters[number].grid.shape)
            window = Window(row, col, chip, chip)
            image, labels = read(rasters[number], window), _read_mask(masks[number], window)
            labels[~valid(image)] = UNLABELLED
            if (labels != UNLABELLED).any():
                break
        else:
            raise GeoPointSegError(
                f"expected labelled pixels, got none in {TRIES} chips of {masks[0].path} and its like: check the masks, "
                "or train from --points"
            )
        yield _turned(image, labels, rng)


def point_chips(rasters: Sequence[Raster], points: Points, chip: int, rng: np.random.Generator) -> Iterator[Chip]:
    """Chips around training points, the classes in turn, flipped and turned, without end.

    Raises:
        GeoPointSegError: the points on the rasters are not of two classes.
    """
    frame = points.used("train")
    ids = frame["class_id"].to_numpy(dtype=np.int64)
    places = []
    for number, raster in enumerate(rasters):
        feature, rows, cols = stations(frame.geometry, raster.grid, SPACING)
        places.append(np.stack([np.full(len(feature), number), rows, cols, ids[feature]], axis=1))
    place = np.concatenate(places)
    kinds = np.unique(place[:, 3])
    if len(kinds) < 2:
        raise GeoPointSegError(
            f"expected training points of at least two classes on the rasters, got {len(place)} of {len(kinds)}: "
            "add points, or check that they lie on the rasters"
        )
    while True:
        for kind in kinds:
            number, at_row, at_col, _ = rng.choice(place[place[:, 3] == kind])
            raster = rasters[number]
            row, col = (
                int(np.clip(at - rng.integers(chip), 0, max(0, size - chip)))
                for at, size in zip((at_row, at_col), raster.grid.shape, strict=True)
            )
            image, labels = read(raster, Window(row, col, chip, chip)), np.full((chip, chip), UNLABELLED, np.int64)
            shifted = place[place[:, 0] == number, 1:] - (row, col, 0)
            here = shifted[((shifted[:, :2] >= 0) & (shifted[:, :2] < chip)).all(axis=1)]
            labels[here[:, 0], here[:, 1]] = here[:, 2]
            labels[~valid(image)] = UNLABELLED
            yield _turned(image, labels, rng)


def _read_mask(mask: Raster, window: Window) -> NDArray[np.int64]:
    """The labels of a window, 255 where there is none or the window leaves the mask."""
    inside = window.within(*mask.grid.shape)
    labels = np.full((window.height, window.width), UNLABELLED, np.int64)
    with reading(mask.path, inside) as source:
        found = source.read(1, window=inside.to_rasterio())
    known = np.isfinite(found) if mask.nodata is None else np.isfinite(found) & (found != mask.nodata)
    labels[: inside.height, : inside.width] = np.where(known, found, UNLABELLED)
    return labels


def _turned(image: NDArray[np.float32], labels: NDArray[np.int64], rng: np.random.Generator) -> Chip:
    """A chip in one of its eight positions."""
    quarters, flip = int(rng.integers(4)), slice(None, None, int(rng.choice((1, -1))))
    turned = np.rot90(image, quarters, (-2, -1))[..., flip], np.rot90(labels, quarters, (-2, -1))[..., flip]
    return np.ascontiguousarray(turned[0]), np.ascontiguousarray(turned[1])


def _check(
    masks: list[str] | None, points: Path | None, *, steps: int, chip: int, batch_size: int, lr: float, seed: int
) -> None:
    """Refuse what cannot work, before anything is read."""
    if (masks is None) == (points is None):
        raise GeoPointSegError(
            f"expected either --masks or --points, got {'neither' if masks is None else 'both'}: "
            f"{'give one' if masks is None else 'leave one out'}"
        )
    for option, value, fits, wanted in (
        ("--steps", steps, steps >= 1, "at least one step"),
        ("--chip", chip, chip >= 32 and chip % 32 == 0, "a chip size that is a multiple of 32"),
        ("--batch-size", batch_size, batch_size >= 1, "at least one chip per step"),
        ("--lr", lr, 0 < lr < 1, "a learning rate between 0 and 1"),
        ("--seed", seed, seed >= 0, "a whole number from 0 on"),
    ):
        if not fits:
            raise GeoPointSegError(f"expected {wanted} as {option}, got {value}: change it")
