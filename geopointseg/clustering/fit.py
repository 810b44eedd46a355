"""Learning without labels: the network's own answer, evened out within superpixels, is what it learns next.

With `continuity` no superpixels are cut: the answer is learnt as it is, and neighbouring pixels are drawn to answer alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.clustering.network import build, device
from geopointseg.clustering.pixels import MIDDLE, cut_superpixels, seen, tiles
from geopointseg.contingency import adjusted_mutual_information, contingency_table
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning.losses import LOSSES
from geopointseg.maps.pool import vote
from geopointseg.raster import Raster, read
from geopointseg.statistics import Statistics

__all__ = ["USUAL", "Fitted", "Learning", "Network", "fit"]

Network = Literal["fcn", "kanezaki", "continuity"]
SETTLING = 16  # tiles that the statistics of batch normalisation are taken from at the end
PULL = 5.0  # weight of the spatial continuity, as published


@dataclass(frozen=True, slots=True)
class Learning:
    """How a network learns; K-means and ISODATA take no notice."""

    epochs: int = 10
    """Passes over all tiles; an image smaller than a tile is one tile."""
    loss: Literal["cross-entropy", "focal", "lovasz"] = "cross-entropy"
    """What its answer is held against the evened-out answer with."""
    size: int = 200
    """Mean area of the superpixels in pixels."""
    tile: int = 512
    """Side of what the network learns from at once, a multiple of 8; in a small image smaller tiles are more steps."""
    least: int = 3
    """Stop after an epoch with no more clusters than this."""
    agree: float = 1.0
    """Stop when two epochs' answers agree as well as this, by adjusted mutual information."""
    tiles: int | None = None
    """Tiles in an epoch, drawn anew for each; by default all."""


USUAL = Learning()


class Fitted(NamedTuple):
    """A network that has learnt."""

    network: nn.Module
    epochs: int
    """After which it stopped."""
    agreement: float | None
    """Of the last two epochs' answers; None after one."""


class _Tile(NamedTuple):
    """Where a tile lies."""

    raster: Raster
    superpixels: NDArray[np.int32] | None
    window: Window


def fit(
    rasters: Sequence[Raster],
    statistics: Statistics,
    *,
    method: Network = "fcn",
    k: int = 32,
    learning: Learning = USUAL,
    seed: int = 0,
    folder: Path | None = None,
) -> Fitted:
    """Let a network find clusters.

    Args:
        rasters: With the same bands.
        statistics: Of them all.
        method: `fcn` and `kanezaki` are guided by superpixels; `continuity` is Kanezaki's network, drawn to even answers.
        k: Clusters at most, 2 to 254.
        learning: How.
        seed: The same seed gives the same network on the same machine.
        folder: For temporary files, which take five bytes per pixel.

    Returns:
        The network, in evaluation mode.

    Raises:
        GeoPointSegError: an option is out of range.
    """
    _require_sense(learning)
    rng = np.random.default_rng(seed)
    forked = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with TemporaryDirectory(prefix=".clustering-", dir=folder) as made, torch.random.fork_rng(forked):
        torch.manual_seed(seed)
        places: list[_Tile] = []
        for number, raster in enumerate(rasters):
            regions = None
            if method != "continuity":
                regions = cut_superpixels(raster, statistics, Path(made) / f"{number}.npy", size=learning.size)
            places += [_Tile(raster, regions, window) for window in tiles(raster.grid, learning.tile)]
        network = build("fcn" if method == "fcn" else "kanezaki", len(rasters[0].bands), k)
        network = network.to(device()).to(memory_format=torch.channels_last)  # a quarter faster on a CPU
        answers = np.lib.format.open_memmap(
            Path(made) / "answers.npy", "w+", np.uint8, (len(places), learning.tile, learning.tile)
        )
        ended = _learn(network, places, answers, statistics, method, k, learning, rng)
        _settle(network, [places[i] for i in rng.permutation(len(places))[:SETTLING]], statistics)
        del answers, places  # before their files go
    return Fitted(network.eval(), *ended)


def _require_sense(learning: Learning) -> None:
    """Refuse what is out of range.

    Raises:
        GeoPointSegError: something is.
    """
    if learning.epochs < 1 or learning.size < 2 or not 0 < learning.agree <= 1:
        raise GeoPointSegError(
            "expected at least 1 epoch, superpixels of at least 2 pixels and an agreement above 0, up to 1, got "
            f"{learning.epochs}, {learning.size} and {learning.agree}: change what is out of range"
        )
    if learning.tile < 8 or learning.tile % 8 or (learning.tiles is not None and learning.tiles < 1):
        raise GeoPointSegError(
            f"expected tiles whose side is a multiple of 8, and at least 1 in an epoch, got {learning.tile} and "
            f"{learning.tiles}: change --tile or --tiles"
        )


def _learn(
    network: nn.Module,
    places: Sequence[_Tile],
    answers: NDArray[np.uint8],
    statistics: Statistics,
    method: Network,
    k: int,
    learning: Learning,
    rng: np.random.Generator,
) -> tuple[int, float | None]:
    """Go over the tiles until it is time to stop: epochs done, and how well the last two agree."""
    optimizer: torch.optim.Optimizer
    if method == "fcn":
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network.train()
    seen_before = np.zeros(len(places), bool)
    agreement: float | None = None
    count = min(learning.tiles or len(places), len(places))
    progress = tqdm(total=count * learning.epochs, desc="learning", unit="tile", disable=None, leave=False)
    done = 0
    while done < learning.epochs:
        both, now = np.zeros((k, k), np.int64), np.zeros(k, np.int64)
        for number in rng.permutation(len(places))[:count]:
            image, inside = _image(places[number], statistics)
            if inside.any():
                answer = network(image)
                ids = answer.detach()[0].max(dim=0).indices.cpu().numpy().astype(np.uint8)
                ids[~inside] = UNLABELLED
                loss = _loss(answer, ids, places[number], method, learning)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                now += np.bincount(ids[inside], minlength=k)
                kept = answers[number, : ids.shape[0], : ids.shape[1]]
                if seen_before[number]:
                    both += contingency_table(kept, ids, (k, k))
                kept[:], seen_before[number] = ids, True
            progress.update()
        done, agreement = done + 1, adjusted_mutual_information(both)
        progress.set_postfix(clusters=int((now > 0).sum()), refresh=False)
        if (now > 0).sum() <= learning.least or (agreement is not None and agreement >= learning.agree):
            break
    progress.close()
    return done, agreement


def _image(place: _Tile, statistics: Statistics) -> tuple[Tensor, NDArray[np.bool_]]:
    """A tile as the network takes it, (1, bands, height, width) around 0, and where there is data."""
    pixels, inside = seen(read(place.raster, place.window), statistics)
    return torch.from_numpy(pixels - np.float32(MIDDLE))[None].to(device()), inside


def _loss(answer: Tensor, ids: NDArray[np.uint8], place: _Tile, method: Network, learning: Learning) -> Tensor:
    """How far the network's answer for a tile is from what it should learn."""
    if place.superpixels is not None:
        ids = vote(ids, _regions(place.superpixels, place.window))
    target = torch.from_numpy(ids.astype(np.int64))[None].to(answer.device)
    loss: Tensor = LOSSES[learning.loss](answer, target)
    if method == "continuity":
        for axis in (-2, -1):
            if answer.shape[axis] > 1:
                loss = loss + PULL * answer.diff(dim=axis).abs().mean()
    return loss


def _regions(superpixels: NDArray[np.int32], window: Window) -> NDArray[np.int32]:
    """The superpixels of a tile, numbered from 0 on without gaps."""
    own = superpixels[window.row : window.row + window.height, window.col : window.col + window.width]
    return np.unique(own, return_inverse=True)[1].reshape(own.shape).astype(np.int32)


def _settle(network: nn.Module, places: Sequence[_Tile], statistics: Statistics) -> None:
    """Take the statistics of batch normalisation anew, over many tiles instead of the last few."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean
    with torch.no_grad():
        for place in places:
            image, inside = _image(place, statistics)
            if inside.any():
                network(image)
