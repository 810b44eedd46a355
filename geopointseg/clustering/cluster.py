"""The command: rasters in, clusters out, and classes where points say what clusters are."""

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geopointseg.classes import LIMIT, Classes
from geopointseg.clustering.classes import Naming, count_points, name_clusters
from geopointseg.clustering.find import find_partition, found_in, lumped, pieces
from geopointseg.clustering.fit import USUAL, Learning
from geopointseg.clustering.partition import Method, Partition, digest, load_partition, save_partition, suited
from geopointseg.clustering.render import render
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, require_new, write_json
from geopointseg.labels.points import Points, load_points
from geopointseg.maps.provenance import SOFTWARE, raster_tags
from geopointseg.maps.sieve import sieve
from geopointseg.maps.spool import Windows, spooled
from geopointseg.maps.verify import require_sound
from geopointseg.maps.write import require_new_map, write_map
from geopointseg.raster import Raster, find_rasters, open_raster
from geopointseg.statistics import open_rasters

__all__ = ["ClusterReport", "cluster"]


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What was found and written."""

    files: tuple[Path, ...]
    partition: Partition
    naming: Naming | None

    def __str__(self) -> str:
        """The account for people."""
        options = self.partition.options
        rows = [f"{len(self.partition.means)} clusters by {self.partition.method}"]
        if "epochs_done" in options:
            rows[0] += f", learnt in {options['epochs_done']} of {options['epochs']} epochs"
        return "\n".join(rows if self.naming is None else [*rows, str(self.naming)])

    @property
    def following(self) -> str | None:
        """What to do next, where that is not what the command always says."""
        if self.naming is None:
            return None
        maps = self.files[0].parent if len(self.named) > 1 else self.named[0]
        where = shlex.quote(str(maps)).replace("{", "{{").replace("}", "}}")  # the command line fills in {}
        return f"geopointseg run --raster RASTER --points POINTS --class-field class_name --guesses {where}"

    @property
    def named(self) -> list[Path]:
        """The maps of classes."""
        return [path for path in self.files if path.name.endswith("_classes.tif")]


def cluster(
    rasters: Sequence[str],
    *,
    out: Path = Path("clusters.tif"),
    method: Method = "fcn",
    k: int = 32,
    learning: Learning = USUAL,
    merge: float | None = None,
    mmu: float | None = None,
    points: Path | None = None,
    colors: bool = False,
    model: Path | None = None,
    seed: int = 0,
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> ClusterReport:
    """Map what looks alike, without a label; with points, classes too.

    Args:
        rasters: Raster files, folders or globs, with the same bands; the same clusters are found in all.
        out: The map to write, ending in .tif, or a folder for one map per raster.
        method: A network guided by superpixels (fcn), the one it comes from (kanezaki, and continuity without superpixels),
            or single pixels (kmeans, isodata).
        k: Clusters at most, 2 to 254.
        learning: How a network learns.
        merge: Join clusters whose mean colours differ by less, bands being stretched to 0 to 1; by default 0.12 for networks
            and 0, which joins none, for the others.
        mmu: Minimum mapping unit in m²: smaller patches go to the neighbour with the longest common border.
        points: GeoPackage from 'geopointseg check' or 'draw': write MAP_classes.tif, too, in which clusters have the class
            of the training points that lie in them, or 255.
        colors: Write MAP_colors.tif and .png, too: clusters in their mean colours.
        model: Apply the clusters of this …_model.safetensors instead of finding new ones; what is about finding them is then
            not looked at.
        seed: The same seed gives the same map.
        crs: CRS of rasters that have none.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace existing files.

    Returns:
        The files written: for each raster the map with its .aux.xml, .qml and .json, and what was asked for; at last
        the model.

    Raises:
        GeoPointSegError: an option is out of range, rasters do not go together, or a file exists.
    """
    if not 2 <= k <= LIMIT or seed < 0 or (merge or 0) < 0 or (mmu is not None and not mmu > 0):
        raise GeoPointSegError(
            f"expected 2 to {LIMIT} clusters, a seed and --merge from 0 on and --mmu above 0 m², got {k}, {seed}, {merge} "
            f"and {mmu}: change what is out of range"
        )
    if model is None:
        opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    else:
        partition = load_partition(model)
        opened = [suited(open_raster(path, crs=crs, nodata=nodata), partition) for path in find_rasters(rasters)]
    targets, saved = (
        _targets(out, opened),
        _beside(out, "_model.safetensors") if _is_map(out) else out / "model.safetensors",
    )
    for path in [saved] if model is None else []:
        require_new(path, overwrite=overwrite)
    for target in targets:
        _require_place(target, named=points is not None, colors=colors, overwrite=overwrite)
    loaded = None if points is None else load_points(points)
    near = new_folder(targets[0].parent)
    if model is None:
        partition = find_partition(opened, statistics, method=method, k=k, learning=learning, seed=seed, folder=near)
    files: list[Path] = []
    with ExitStack() as stack:
        raw = [
            stack.enter_context(found_in(raster, partition, near=target))
            for raster, target in zip(opened, targets, strict=True)
        ]
        if model is None:
            partition = lumped(partition, opened, raw, merge)
        naming = None if loaded is None else _naming(loaded, partition, opened, raw)
        tags = {
            "SOFTWARE": SOFTWARE,
            "MODEL": (model or saved).name,
            "MODEL_SHA256": digest(partition),
            "OPTIONS": json.dumps(partition.options | {"mmu": mmu}, sort_keys=True),
        }
        for raster, target, ids in zip(opened, targets, raw, strict=True):
            own = tags | raster_tags(raster)
            table = partition.table
            files += _write(
                target, raster, partition.classes, pieces(ids, raster, table), mmu, own, overwrite=overwrite
            )
            if naming is not None:
                place, kinds = _beside(target, "_classes.tif"), naming.table[table]
                files += _write(
                    place, raster, naming.classes, pieces(ids, raster, kinds), mmu, own, overwrite=overwrite
                )
            if colors:
                place = _beside(target, "_colors.tif")
                files += render(partition, raster, pieces(ids, raster, table), place, overwrite=overwrite)
    if naming is not None:
        files.append(write_json(_beside(targets[0], "_names.json"), naming.figures()))
    if model is None:
        files.append(save_partition(partition, saved, overwrite=overwrite))
    return ClusterReport(tuple(files), partition, naming)


def _is_map(out: Path) -> bool:
    """Whether one map is asked for, not a folder of maps."""
    return out.suffix.lower() in (".tif", ".tiff")


def _beside(path: Path, ending: str) -> Path:
    """A file that belongs to a map."""
    return path.with_name(path.stem + ending)


def _targets(out: Path, rasters: Sequence[Raster]) -> list[Path]:
    """Where the map of each raster goes.

    Raises:
        GeoPointSegError: several maps in one file, or a map in place of a raster.
    """
    if _is_map(out) and len(rasters) > 1:
        raise GeoPointSegError(f"expected a folder as --out for {len(rasters)} rasters, got {out}")
    targets = [out] if _is_map(out) else [out / f"{raster.path.stem}.tif" for raster in rasters]
    sources = {raster.path.resolve() for raster in rasters}
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise GeoPointSegError(
                f"expected rasters of different names, got {target.stem} more than once: rename one of them"
            )
        if target.resolve() in sources:
            raise GeoPointSegError(f"expected a new file, got the raster {target} itself: choose another --out")
    return targets


def _require_place(target: Path, *, named: bool, colors: bool, overwrite: bool) -> None:
    """Refuse a place where a file stands.

    Raises:
        GeoPointSegError: one does, and `overwrite` is false.
    """
    require_new_map(target, overwrite=overwrite)
    if named:
        require_new_map(_beside(target, "_classes.tif"), overwrite=overwrite)
        require_new(_beside(target, "_names.json"), overwrite=overwrite)
    if colors:
        require_new(_beside(target, "_colors.tif"), overwrite=overwrite)
        require_new(_beside(target, "_colors.png"), overwrite=overwrite)


def _naming(points: Points, partition: Partition, rasters: Sequence[Raster], raw: Sequence[Path]) -> Naming:
    """What the points say of the clusters, over all rasters."""
    counts = [
        count_points(points, raster, pieces(ids, raster, partition.table))
        for raster, ids in zip(rasters, raw, strict=True)
    ]
    return name_clusters(np.sum(counts, axis=0)[: len(partition.means)], points.classes)


def _write(
    path: Path,
    raster: Raster,
    classes: Classes,
    windows: Windows,
    mmu: float | None,
    tags: Mapping[str, str],
    *,
    overwrite: bool,
) -> tuple[Path, ...]:
    """Write a map, sieved where that is asked for."""
    with ExitStack() as stack:
        if mmu is not None:
            windows = sieve(stack.enter_context(spooled(windows, raster.grid, near=path)), raster.grid, mmu)

        def check(made: Path) -> None:
            require_sound(made, grid=raster.grid)

        return write_map(path, raster.grid, classes, windows, tags=tags, check=check, overwrite=overwrite)
