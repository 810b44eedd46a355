"""Leak-safe split: what is held out for assessment, and the gap around it that nothing trains on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.warp import transform_bounds

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid
from geopointseg.labels.choose import choose_features, choose_groups
from geopointseg.labels.gap import Shapes, close, pairs

__all__ = ["Split", "hold_out", "parse_length"]

Method = Literal["blocks", "features", "random", "rasters"]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

BLOCK = 256  # pixels: about what the network sees at once
BLOCKS_ACROSS = 6, 64  # at least, so that there is something to choose from; at most, so that choosing comes to an end
SLIVER = 1e-4  # of what is closed: what GEOS leaves of a circle that shrinks by its radius, which should be nothing
NUDGE = 1e-3  # pixels; a point on the border of two blocks is in the one to the north-east, as when they were made
MOST_GROUPS = 20_000  # to choose from, for the same reason


@dataclass(frozen=True, slots=True)
class Split:
    """What is held out for assessment."""

    held_out: float = 0.2
    """Share of the points kept aside for assessment; 0 for none."""
    split: Method = "blocks"
    """What is held out: square blocks of ground; whole features with a gap around each; features at random, without a gap
    unless one is given (neighbours leak: for comparison); or whole rasters."""
    split_field: str | None = None
    """Column to split by instead: its values are train and test, or groups to hold out whole, such as municipalities."""
    block: str | None = None
    """Side of a block in metres or pixels, such as 500m or 256px."""
    gap: str | None = None
    """How near to what is held out nothing trains, such as 60m or 32px; an eighth of a block for blocks and features."""
    held_out_from: Path | None = None
    """Checked points of an earlier round, such as result/points.gpkg: the ground they hold out, and no other, stays held
    out, with its gap, so that scores of rounds can be compared and a model that goes on has not seen what it is judged on."""


def hold_out(
    points: gpd.GeoDataFrame,
    grids: Sequence[Grid],
    plan: Split | None = None,
    *,
    groups: pd.Series | None = None,
    before: gpd.GeoDataFrame | None = None,
    seed: int = 0,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Hold out about the wanted share of the features of each class.

    A class is held out only as far as training features of it remain. Used features that are held out get `split` test;
    others nearer to them than the gap get gap; the rest train. A feature is never cut: it lies where a point inside it
    lies, and what is held out reaches as far as its features do.

    Args:
        points: Checked points with `status` and `class_id`.
        grids: Of the rasters; the first gives the CRS and the pixel size that blocks and gap are measured in.
        plan: What to hold out.
        groups: Values of the column `plan.split_field`, one per point.
        before: What an earlier round held out, as returned then: nothing else is held out, whatever the classes.
        seed: Of the order in which equally good choices are tried.

    Returns:
        The points with `split` filled in, and what is held out with its gap, as polygons in the first grid's CRS; `gap_x`
        and `gap_y` are the gap in its units.

    Raises:
        GeoPointSegError: a share that is none, an unknown column, a length without a unit, only one raster or group, or
            too many to choose from.
    """
    plan = plan or Split()
    _check_plan(plan, seed)
    used = points[points["status"] == "used"]
    groups = None if groups is None else groups.loc[used.index].astype("string").str.strip()
    crs = grids[0].crs.to_wkt()
    shapes = np.array(used.geometry.to_crs(crs).to_numpy(), dtype=object)
    inner = shapely.get_coordinates(shapely.point_on_surface(shapes))
    out = points.copy()
    if before is not None:
        before = before.to_crs(crs)
        out.loc[used.index, "split"] = _as_before(shapes, inner, before, grids[0])
        return out, before
    side = _block_side(inner, grids[0], plan.block)
    gap = side / 8 if plan.split in ("blocks", "features") and plan.split_field is None else np.zeros(2)
    gap = parse_length(plan.gap, grids[0]) if plan.gap else gap

    group, ground = _groups(groups, inner, grids, plan, side)
    if plan.split != "random" and len(ground) > MOST_GROUPS:
        raise GeoPointSegError(
            f"expected at most {MOST_GROUPS} blocks, features or groups to choose from, got {len(ground)}: "
            "choose a larger --block, or --split random"
        )
    closed = close(shapes, group, ground, gap)
    feature, near = pairs(shapes, closed)
    _, class_of = np.unique(used["class_id"].to_numpy(dtype=np.int64), return_inverse=True)
    rng = np.random.default_rng(seed)
    if groups is not None and _says_what_to_do(groups):
        chosen = np.unique(group[(groups.str.lower() == "test").fillna(False).to_numpy(bool)])
    elif plan.split == "random":
        chosen = choose_features(class_of, plan.held_out, rng)
    else:
        held, lost = (np.zeros((len(closed), class_of.max(initial=-1) + 1), np.int64) for _ in range(2))
        np.add.at(held, (group, class_of), 1)
        np.add.at(lost, (near, class_of[feature]), 1)
        chosen = choose_groups(held, np.maximum(held, lost), plan.held_out, rng)

    split = np.where(np.isin(group, chosen), "test", "train").astype(object)
    aside = feature[np.isin(near, chosen)]
    split[aside[split[aside] == "train"]] = "gap"
    out.loc[used.index, "split"] = split
    chosen = chosen[~shapely.is_empty(closed[chosen])]
    columns = {"block": chosen, "gap_x": float(gap[0]), "gap_y": float(gap[1])}
    return out, gpd.GeoDataFrame(columns, geometry=closed[chosen], crs=crs)


def _check_plan(plan: Split, seed: int) -> None:
    """Refuse what does not go together."""
    if not 0 <= plan.held_out < 1:
        raise GeoPointSegError(f"expected a held-out share from 0 to below 1, got {plan.held_out}")
    if seed < 0:
        raise GeoPointSegError(f"expected a seed from 0 on, got {seed}")
    if plan.split_field is not None and plan.split != "blocks":
        raise GeoPointSegError(
            f"expected --split {plan.split} or --split-field {plan.split_field}, got both: choose one"
        )
    if plan.block is not None and (plan.split != "blocks" or plan.split_field is not None):
        raise GeoPointSegError("expected --block with --split blocks only: leave it out")
    others = plan.split != "blocks" or plan.split_field or plan.block or plan.gap or not plan.held_out
    if plan.held_out_from is not None and others:
        raise GeoPointSegError(
            f"expected --held-out-from {plan.held_out_from} alone, which says what is held out, and with which gap, got other "
            "options of the split beside it: leave out --held-out 0, --split, --split-field, --block and --gap"
        )


def _as_before(shapes: Shapes, inner: Floats, before: gpd.GeoDataFrame, grid: Grid) -> Shapes:
    """The split of features under what an earlier round held out, in the CRS of the grid.

    Raises:
        GeoPointSegError: it held out nothing, or single features, or does not say with which gap.
    """
    if before.empty or not {"gap_x", "gap_y"} <= {*before.columns}:
        got = "none" if before.empty else "ground without its gap"
        raise GeoPointSegError(
            f"expected held-out ground in the points of --held-out-from, got {got}: run 'geopointseg check' on the points of "
            "that round again, or leave it out"
        )
    closed, gap = before.geometry.to_numpy(), before[["gap_x", "gap_y"]].to_numpy()[0]
    ground = closed
    if gap.any():
        smaller = shapely.buffer(shapely.transform(closed, lambda xy: xy / gap), -1.0, join_style="mitre")
        ground = shapely.transform(smaller, lambda xy: xy * gap)
    if (shapely.area(ground) < SLIVER * shapely.area(closed)).any():
        raise GeoPointSegError(
            "expected held-out blocks in the points of --held-out-from, got single features with a gap around each: leave it "
            "out, or hold out blocks from the first round on"
        )
    split = np.full(len(shapes), "train", object)
    split[pairs(shapes, closed)[0]] = "gap"
    nudged = inner + NUDGE * np.array(grid.pixel_size[::-1])
    split[pairs(shapely.points(nudged), ground)[0]] = "test"
    return split


def _says_what_to_do(groups: pd.Series) -> bool:
    """Whether a column says train and test, rather than naming groups.

    Raises:
        GeoPointSegError: it says so, and other things.
    """
    values = {*groups.dropna().str.lower()} - {""}
    if "test" not in values or values <= {"train", "test"}:
        return "test" in values
    raise GeoPointSegError(
        f"expected groups, or train and test alone, in the field to split by, got {', '.join(sorted(values))}: "
        "what is neither to be trained on nor tested on is left out with --where"
    )


def parse_length(text: str, grid: Grid) -> Floats:
    """A length such as 30m, 1.5km or 16px as (x, y) in units of the grid's CRS.

    Raises:
        GeoPointSegError: it has no unit, or is in degrees, which are of no fixed length.

    Examples:
        >>> from affine import Affine
        >>> from rasterio.crs import CRS
        >>> ten_metres = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), height=100, width=100)
        >>> parse_length("1.5km", ten_metres).tolist(), parse_length("16px", ten_metres).tolist()
        ([1500.0, 1500.0], [160.0, 160.0])
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(m|km|px|deg|°|)\s*", text)
    number, unit = (float(match[1]), match[2]) if match else (0.0, "")
    pixel: Floats = np.array(grid.pixel_size[::-1])
    ground: Floats = np.array(grid.ground_size[::-1])
    if unit == "px":
        return number * pixel
    if unit in ("m", "km"):
        return number * (1000 if unit == "km" else 1) / ground * pixel
    if unit:
        raise GeoPointSegError(
            f"expected a length in metres or pixels, got {text}, and a degree is longer from south to north than from "
            f"west to east: write about {number * 111_000:.0f}m"
        )
    raise GeoPointSegError(f"expected a length with its unit, such as 30m, 1.5km or 16px, got {text}")


def _block_side(inner: Floats, grid: Grid, wanted: str | None) -> Floats:
    """The side of a block as (x, y): what the user says, else as suits the network and the points' extent."""
    if wanted is not None:
        side = parse_length(wanted, grid)
        if not side.all():
            raise GeoPointSegError(f"expected blocks of some size, got --block {wanted}: write for example 500m")
        return side
    pixel = np.array(grid.pixel_size[::-1])
    extent = float((np.ptp(inner, axis=0) / pixel).max()) if len(inner) else 0.0
    fewest, most = BLOCKS_ACROSS
    return max(1.0, min(BLOCK, extent / fewest), extent / most) * pixel


def _groups(
    groups: pd.Series | None, inner: Floats, grids: Sequence[Grid], plan: Split, side: Floats
) -> tuple[Integers, Shapes]:
    """What is held out or trained on together.

    Returns:
        The group of every feature, from 0 on; the ground of every group as a polygon, empty where it has none but its
        features.
    """
    if groups is not None:
        names, group = np.unique(groups.fillna("").to_numpy(str), return_inverse=True)
        if len(names) < 2:
            raise GeoPointSegError(
                f"expected at least two groups in {plan.split_field!r}, got {', '.join(names)}: nothing would train"
            )
        return group, np.full(len(names), shapely.Polygon())
    if plan.split == "rasters":
        ground = np.array([shapely.box(*transform_bounds(g.crs, grids[0].crs, *g.bounds)) for g in grids])
        feature, raster = shapely.STRtree(ground).query(shapely.points(inner), predicate="intersects")
        group = np.full(len(inner), len(grids))
        np.minimum.at(group, feature, raster)  # the first, where rasters overlap
        present, group = np.unique(group, return_inverse=True)
        if len(present) < 2:
            raise GeoPointSegError(
                "expected points on at least two rasters to hold one out, got them on one: choose --split blocks"
            )
        return group, ground[present]
    if plan.split == "blocks":
        origin = inner.min(axis=0) if len(inner) else np.zeros(2)
        block, group = np.unique(np.floor((inner - origin) / side).astype(np.int64), axis=0, return_inverse=True)
        corner = origin + block * side
        return group.ravel(), shapely.box(*corner.T, *(corner + side).T)
    return np.arange(len(inner)), np.full(len(inner), shapely.Polygon())
