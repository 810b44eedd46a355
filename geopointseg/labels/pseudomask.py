"""Pseudo-masks: points and scribbles label the regions they reach, areas their pixels; the rest is guessed or stays 255."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json
from geopointseg.labels.fill import SHARE, Guesser, by_looks, by_map, lack, learn, looks
from geopointseg.labels.painter import Spreading, painter, refuse_idle, trials
from geopointseg.labels.points import Points, load_points
from geopointseg.labels.propagate import find_reach
from geopointseg.labels.sheet import open_sheet
from geopointseg.labels.write import Counts, mask_paths, require_place, write_mask
from geopointseg.raster import Raster
from geopointseg.statistics import Statistics, open_rasters
from geopointseg.words import counted

__all__ = ["MaskReport", "Spreading", "mask", "mask_paths", "write_masks"]


@dataclass(frozen=True, slots=True)
class MaskReport:
    """What the points became."""

    files: tuple[Path, ...]
    classes: Classes
    pixels: tuple[int, ...]
    """Labelled pixels per class, over all rasters; guessed ones are among them."""
    guessed: int
    """Pixels that no click reaches, labelled by how they look or by a map."""
    guesser: str
    """What says so, in words."""
    silent: str
    """Why none are, where they should be."""
    total: int
    """Pixels of all rasters."""
    spread: int
    """Points that label a region, counted once per raster."""
    conflicts: int
    """Points lost because another class disputes what they would label."""
    reach: tuple[dict[str, Any], ...] = ()
    """How far every class reaches, where that was found out."""
    superpixels: int = 0
    """Superpixels of the windows that hold points, where such of one size are cut."""
    superpixel_area: float = 0.0
    """Their mean area in pixels."""

    def figures(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        return {
            "labelled_pixels": dict(zip(self.classes.names, self.pixels, strict=True)),
            "labelled_share": sum(self.pixels) / self.total,
            "guessed_share": self.guessed / self.total,
            "guessed_by": self.guesser,
            "points_spread": self.spread,
            "points_in_conflict": self.conflicts,
            "reach": list(self.reach),
            "superpixels": self.superpixels,
            "superpixel_area": self.superpixel_area,
        }

    def __str__(self) -> str:
        """The counts in words."""
        rows = [f"{n:>12,} pixels  {name}" for n, name in zip(self.pixels, self.classes.names, strict=True)]
        for i, reach in enumerate(self.reach):
            rows[i] += f"; up to scale {reach['scale']}, by {counted(reach['left_out_clicks'], 'click')} left out"
        if self.superpixels:
            count, area = f"{self.superpixels:>12,} superpixels", f"{self.superpixel_area:.1f} pixels on average"
            rows.append(f"{count}  of {area}, in the windows that hold points")
        lost = f"; {self.conflicts} lost: another class disputes what they would label" if self.conflicts else ""
        label, clicked = counted(self.spread, "point labels", "points label"), sum(self.pixels) - self.guessed
        share = f"{label} {clicked / self.total:.1%} of the raster{lost}"
        if self.guessed:
            share += f"; {self.guessed / self.total:.1%} more are guessed by {self.guesser}, at {SHARE:g} of a click's weight at most"
        if self.silent:
            share += f"; nothing is guessed: {self.silent}"
        return "\n".join([*rows, share])


def mask(
    rasters: Sequence[str],
    *,
    points: Path,
    spreading: Spreading,
    out: Path = Path("masks"),
    outlines: bool = False,
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> MaskReport:
    """Spread checked points over the rasters: a pseudo-mask and its weights for every raster.

    Args:
        rasters: Raster files, folders or globs.
        points: GeoPackage from 'geopointseg check' or 'draw'.
        spreading: How a click becomes more than a pixel.
        out: Folder for the pseudo-masks and their weights.
        outlines: Write the labelled regions, too: as polygons in a GeoPackage that shows in QGIS what each click became,
            and as a raster of their numbers.
        crs: CRS of rasters that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace existing files.

    Returns:
        The account of all rasters.

    Raises:
        GeoPointSegError: two rasters of one name, or nothing labelled.
    """
    refuse_idle(spreading)
    opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    stems = [raster.path.stem for raster in opened]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise GeoPointSegError(f"expected rasters of different names, got {twice} more than once: rename one of them")
    loaded = load_points(points)
    new_folder(out)
    report = write_masks(opened, statistics, loaded, out, spreading, outlines=outlines, overwrite=overwrite)
    if sum(report.pixels) == report.guessed:  # a map guesses wherever the points lie
        for file in report.files:
            file.unlink()
        raise GeoPointSegError(
            f"expected labelled pixels, got none from {len(loaded.used('train'))} training points: every one lies outside "
            f"the rasters or is disputed by another class{'' if spreading.reaches else '; try --spread reach'}"
        )
    write_json(out / "mask.json", report.figures())
    return replace(report, files=(*report.files, out / "mask.json"))


def write_masks(
    rasters: Sequence[Raster],
    statistics: Statistics,
    points: Points,
    folder: Path,
    spreading: Spreading | None = None,
    *,
    outlines: bool = False,
    overwrite: bool = False,
) -> MaskReport:
    """Write the pseudo-mask and the weights of each raster, on exactly its grid, from its training points.

    Points and scribbles label regions, areas the pixels they cover; every feature counts the same. Only windows that hold
    points are segmented. No click's label lies in what is held out, nor in its gap: a guess may. A pixel that a held-out
    feature covers, or features of two classes, stays unlabelled.

    Returns:
        The account of all rasters.
    """
    spreading = spreading or Spreading()
    refuse_idle(spreading)
    for raster in rasters:
        require_place(folder, raster, overwrite=overwrite)
    sheets = [open_sheet(raster, statistics, points, spreading.affinity) for raster in rasters]
    reach, silent = None, ""
    guessers: Sequence[Guesser | None] = [None] * len(sheets)
    if spreading.guesses:
        guessers = [by_map(spreading.guesses, raster, points.classes) for raster in rasters]
    files: list[Path] = []
    parts: list[Counts] = []
    with TemporaryDirectory(prefix=".cuts-", dir=folder) as made:
        kept = [Path(made) / str(i) for i in range(len(sheets))]
        if spreading.reaches and any(len(sheet.clicks.rows) for sheet in sheets):
            reach = find_reach([trial for sheet, at in zip(sheets, kept, strict=True) for trial in trials(sheet, at)])
        if spreading.spread == "fill" and not spreading.guesses:
            seen = list(map(looks, sheets, kept))
            by_area = np.concatenate([sheet.ids[sheet.train & sheet.wide] for sheet in sheets])
            silent = lack(seen, by_area, points.classes.names)
            if not silent:
                guessers = list(map(partial(by_looks, learn(seen, len(points.classes))), seen, kept))
        for sheet, at, guesser in zip(sheets, kept, guessers, strict=True):
            paint = painter(sheet, spreading, reach, guesser, at)
            written, counts = write_mask(
                sheet, paint, folder, mode=spreading.spread, outlines=outlines, overwrite=overwrite
            )
            files.extend(written)
            parts.append(counts)
    all_of = Counts(*(sum(column) for column in zip(*parts, strict=True)))
    return MaskReport(
        files=tuple(files),
        classes=points.classes,
        pixels=tuple(all_of.pixels.tolist()),
        guessed=all_of.guessed,
        guesser=spreading.guesses.name if spreading.guesses else "how they look",
        silent=silent,
        total=all_of.total,
        spread=all_of.spread,
        conflicts=all_of.conflicts,
        reach=reach.records(points.classes.names) if reach else (),
        superpixels=round(all_of.superpixels),
        superpixel_area=round(all_of.cut / max(all_of.superpixels, 1), 1),
    )
