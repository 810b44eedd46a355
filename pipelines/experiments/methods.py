"""What computes the maps of a cell: the network and its peers, on the same clicks and the same test pixels."""

import inspect
import time
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from jsonargparse import ArgumentParser
from numpy.typing import NDArray

from geopointseg.confusion import confusion_matrix
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.augment import Augmentation
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.objective import read_loss
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.unlabelled import NOTHING, read_unlabelled
from geopointseg.raster import raster_classes
from pipelines.experiments.clicks import draw_clicks, label_quality, pseudo_masks, read_whole
from pipelines.experiments.dense import dense
from pipelines.experiments.forests import object_forest, pixel_forest, voted
from pipelines.experiments.lssqps import BATCH, CHIP, SPREADING, LssqpsData, lssqps_task
from pipelines.experiments.nearest import nearest_clicks, nearest_place
from pipelines.experiments.orfeo import orfeo_forest
from pipelines.experiments.plan import Effort
from pipelines.experiments.settings import Setting, by_name, every, part, with_bands
from pipelines.experiments.setup import Method, Setup
from pipelines.experiments.training import device, train_and_map

__all__ = ["check_setup", "compute", "matrices"]

Maps = list[NDArray[np.uint8]]
Outcome = tuple[Maps, dict[str, Any]]
OWN = ("rasters", "masks", "points", "steps", "seed", "chip", "card")  # arguments that the experiment gives itself


def compute(
    setting: Setting, setup: Setup, seed: int, effort: Effort
) -> tuple[list[NDArray[np.int64]], dict[str, Any]]:
    """Compute a cell.

    Args:
        setting: All images; those of the setup are taken from it.
        setup: What is to be done.
        seed: Of clicks, shares and training.
        effort: How much is done.

    Returns:
        The confusion matrix of every test image, and the facts of the run.
    """
    named = by_name(every(setting, effort.every), setup.images.train, setup.images.test)
    used = with_bands(part(named, setup.images.share, seed), setup.images.bands)
    start = time.perf_counter()
    maps, facts = RUNS[setup.method](used, setup, seed, effort)
    if setup.vote:
        maps = voted(maps, used.tests)
    whole = {"seconds": {"all": round(time.perf_counter() - start, 1)}, "device": device(cpu=True)} | facts
    return matrices(used, maps), whole | {"images": len(used.images), "test_images": len(used.tests)}


def matrices(setting: Setting, maps: Maps) -> list[NDArray[np.int64]]:
    """Confusion matrices of maps of the test images."""
    size = len(raster_classes(setting.judged[0]))
    pairs = zip(setting.judged, maps, strict=True)
    return [confusion_matrix(read_whole(truth), labels, size) for truth, labels in pairs]


def check_setup(setup: Setup) -> None:
    """Refuse options that data module and task do not have, before anything is computed.

    Raises:
        GeoPointSegError: there is one, or a loss that cannot be.
    """
    for name, values, kind in (("data", setup.data, PointDataModule), ("task", setup.task, PointSegmentationTask)):
        known = [one for one in inspect.signature(kind).parameters if one not in OWN]
        for key in values:
            if key not in known:
                raise GeoPointSegError(
                    f"expected {name}. and one of {', '.join(known)}, got {name}.{key}: change the key"
                )
        if values and setup.method != "network":
            raise GeoPointSegError(
                f"expected {name}.{next(iter(values))} with the method network, got {setup.method}: leave it out"
            )
        _check_values(name, values, kind)
    if "loss" in setup.task:
        read_loss(setup.task["loss"])
    _options(setup)
    read_unlabelled(setup.task.get("unlabelled", NOTHING))


def _check_values(name: str, values: Mapping[str, Any], kind: type) -> None:
    """Refuse values of another type, or that are none of those there are.

    Raises:
        GeoPointSegError: there is one.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, name, skip=set(OWN) & set(inspect.signature(kind).parameters))
    try:
        parser.parse_object({name: dict(values)})
    except ArgumentError as error:
        raise GeoPointSegError(
            f"expected values that {kind.__name__} takes, got others ({' '.join(str(error).split())}): correct them"
        ) from error


def _options(setup: Setup) -> dict[str, Any]:
    """The options of the data module, with augmentation as it takes it."""
    options = dict(setup.data)
    if isinstance(options.get("augmentation"), Mapping):
        options["augmentation"] = Augmentation(**options["augmentation"])
    return options


def _network(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """The network, as `geopointseg run` trains it but for what the setup changes."""
    masks = pseudo_masks(setting, setup.clicks, seed, setup.spreading)
    points = draw_clicks(setting, setup.clicks, seed)
    images = [str(image) for image in setting.images]
    data = PointDataModule(images, masks, points, chip=effort.chip, steps=effort.steps, seed=seed, **_options(setup))
    make = partial(PointSegmentationTask, **setup.task)
    (maps,), facts = train_and_map(setting.tests, data, seed=seed, steps=effort.steps, make=make)
    return maps, facts | label_quality(setting, masks)


def _lssqps(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """The LSSQPS recipe."""
    masks = pseudo_masks(setting, setup.clicks, seed, SPREADING)
    points = draw_clicks(setting, setup.clicks, seed)
    images = [str(image) for image in setting.images]
    chip = min(CHIP, effort.chip)
    steps = round(1.5 * effort.steps)  # its batches have 2.6 times fewer pixels, but take two thirds of the time
    data = LssqpsData(images, masks, points, chip=chip, batch_size=BATCH, steps=steps, seed=seed)
    (maps,), facts = train_and_map(setting.tests, data, seed=seed, steps=steps, make=lssqps_task(data))
    return maps, facts | label_quality(setting, masks)


def _dense(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """The truth of the very ground that clicks may lie on; chips lie where the clicks are."""
    images = [str(image) for image in setting.images]
    points = draw_clicks(setting, setup.clicks, seed)
    data = PointDataModule(images, dense(setting), points, chip=effort.chip, steps=effort.steps, seed=seed)
    (maps,), facts = train_and_map(setting.tests, data, seed=seed, steps=effort.steps)
    return maps, facts


def _pixel_forest(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """A forest on pixels."""
    points = draw_clicks(setting, setup.clicks, seed)
    return pixel_forest(setting.images, points, setting.tests, setting.judged, seed), {}


def _object_forest(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """A forest on superpixels."""
    points = draw_clicks(setting, setup.clicks, seed)
    return object_forest(setting.images, points, setting.tests, seed), {}


def _nearest(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """The clicks that look alike."""
    points = draw_clicks(setting, setup.clicks, seed)
    return nearest_clicks(setting.images, points, setting.tests, setting.judged), {}


def _nearest_place(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """The click that lies nearest."""
    points = draw_clicks(setting, setup.clicks, seed)
    return nearest_place(setting.images, points, setting.tests, setting.judged), {}


def _orfeo_forest(setting: Setting, setup: Setup, seed: int, effort: Effort) -> Outcome:
    """Orfeo ToolBox's forest."""
    points = draw_clicks(setting, setup.clicks, seed)
    return orfeo_forest(setting.images, points, setting.tests, seed)


RUNS: dict[Method, Callable[[Setting, Setup, int, Effort], Outcome]] = {
    "network": _network,
    "lssqps": _lssqps,
    "dense": _dense,
    "pixel-forest": _pixel_forest,
    "object-forest": _object_forest,
    "nearest": _nearest,
    "nearest-place": _nearest_place,
    "orfeo-forest": _orfeo_forest,
}
