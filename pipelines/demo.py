"""The main job on a synthetic scene, whose truth is known everywhere."""

from pathlib import Path

from geopointseg.classes import UNLABELLED
from geopointseg.grid import Window
from geopointseg.labels.draw import draw
from geopointseg.labels.pseudomask import Spreading
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.learning.data import check_plan
from geopointseg.raster import creating, open_raster, raster_classes, read_labels
from geopointseg.scene import write_scene
from pipelines.points_to_map import RunReport, run, take_folder

__all__ = ["demo"]


def demo(*, out: Path = Path("demo"), seed: int = 0, steps: int = 500, overwrite: bool = False) -> RunReport:
    """The whole job on a synthetic scene: points on its western half, dense truth on its eastern half.

    Args:
        out: Folder for everything that is made.
        seed: Of the scene and of every random choice.
        steps: Training steps.
        overwrite: Replace the files of an earlier demo.

    Returns:
        The files made, and the account of points, pseudo-mask and scores.
    """
    check_plan(chip=128, steps=steps, seed=seed)
    take_folder(out, overwrite=overwrite)
    scene = write_scene(out / "scene", seed=seed, overwrite=overwrite)
    clicks, unseen = out / "scene" / "points.gpkg", out / "scene" / "truth_east.tif"
    west, south, east, north = open_raster(scene.truth).grid.bounds
    middle = (west + east) / 2
    draw(
        [str(scene.truth)],
        per_class=100,
        out=clicks,
        bounds=(west, south, middle, north),
        seed=seed,
        overwrite=overwrite,
    )
    _blank_west(scene.truth, unseen)
    return run(
        raster=[str(scene.image)],
        source=PointSource(clicks, "class_name"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        truth=[str(unseen)],
        steps=steps,
        seed=seed,
        overwrite=True,
    )


def _blank_west(truth: Path, out: Path) -> None:
    """Copy a truth raster without its western half."""
    raster = open_raster(truth)
    grid, classes = raster.grid, raster_classes(truth)
    ids = read_labels(truth, Window(0, 0, *grid.shape))
    ids[:, : grid.width // 2] = UNLABELLED
    with creating(out, grid, nodata=UNLABELLED, overwrite=True) as target:
        target.write(ids, 1)
        target.update_tags(CLASSES=classes.to_tag())
