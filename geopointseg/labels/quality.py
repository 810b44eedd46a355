"""How good superpixels are, against dense truth.

Everything is kept as sums, which add up over windows and images; ratios come last. Pixels whose truth is 255 and pixels
of region 0 (no data) take no part.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError

__all__ = ["SuperpixelQuality", "ratio", "same_shape", "superpixel_quality"]

Integers = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class SuperpixelQuality:
    """Sums over superpixels; `+` adds those of another image, and a property without anything to divide by is None."""

    count: int = 0
    """Superpixels."""
    area: int = 0
    """Their pixels."""
    round_area: float = 0.0
    """Σ |S|·4π|S|/P² over superpixels S of |S| pixels and P pixel sides to other regions or the image's edge."""
    compared: int = 0
    """Pixels of superpixels whose truth is known."""
    achievable: int = 0
    """Of these, the pixels of each superpixel's most common truth."""
    leaked: int = 0
    """Σ min(|S ∩ G|, |S − G|) over pairs of a superpixel S and a truth segment G that meet."""
    truth_border: int = 0
    """Pixels beside another truth."""
    truth_border_found: int = 0
    """Of these, the ones with a superpixel border near."""
    border: int = 0
    """Pixels beside another superpixel."""
    border_true: int = 0
    """Of these, the ones with a truth border near."""
    colored: int = 0
    """Pixels with data in every band."""
    band_sums: tuple[float, ...] = ()
    """Sum of each band over them; empty without an image."""
    squares: float = 0.0
    """Sum of their squared values, over all bands."""
    within: float = 0.0
    """Sum of their squared distances to the mean colour of their superpixel."""

    def __add__(self, other: "SuperpixelQuality") -> "SuperpixelQuality":
        """The sums of both; borders between the two are not seen, and a superpixel in both counts twice.

        Raises:
            GeoPointSegError: the images differ in the number of bands.
        """
        if self.band_sums and other.band_sums and len(self.band_sums) != len(other.band_sums):
            raise GeoPointSegError(
                f"expected images alike in bands, got {len(self.band_sums)} and {len(other.band_sums)}: add them apart"
            )
        longer, shorter = sorted((self.band_sums, other.band_sums), key=len, reverse=True)
        bands = tuple(a + b for a, b in zip(longer, shorter or (0.0,) * len(longer), strict=True))
        names = [field.name for field in fields(self) if field.name != "band_sums"]
        return SuperpixelQuality(band_sums=bands, **{n: getattr(self, n) + getattr(other, n) for n in names})

    @property
    def achievable_accuracy(self) -> float | None:
        """Σ max_G |S ∩ G| / N: the accuracy if every superpixel got its most common truth (Liu et al., CVPR 2011)."""
        return ratio(self.achievable, self.compared)

    @property
    def undersegmentation_error(self) -> float | None:
        """Σ_G Σ_{S meets G} min(|S ∩ G|, |S − G|) / N, from 0 on (Neubert and Protzel, Forum Bildverarbeitung 2012).

        The *corrected* error of van den Bergh et al. (SEEDS, ECCV 2012) is 1 − achievable accuracy.
        """
        return ratio(self.leaked, self.compared)

    @property
    def boundary_recall(self) -> float | None:
        """Share of the truth's border pixels with a superpixel border near (Martin, Fowlkes and Malik, TPAMI 2004)."""
        return ratio(self.truth_border_found, self.truth_border)

    @property
    def boundary_precision(self) -> float | None:
        """Share of the superpixels' border pixels with a truth border near (Martin, Fowlkes and Malik, TPAMI 2004)."""
        return ratio(self.border_true, self.border)

    @property
    def explained_variance(self) -> float | None:
        """Σ |S|·‖μ_S − μ‖² / Σ ‖x − μ‖², the variance that mean colours keep (Moore et al., CVPR 2008).

        Squared distances run over all bands, so give bands of one scale; μ is the mean of everything added up.
        """
        total = self.squares - sum(s * s for s in self.band_sums) / max(self.colored, 1)
        return None if total <= 1e-12 * self.squares else min(1.0, max(0.0, 1 - self.within / total))

    @property
    def compactness(self) -> float | None:
        """Σ |S|/N · 4π|S|/P², area-weighted isoperimetric quotients (Schick, Fischer and Stiefelhagen, ICPR 2012).

        The perimeter P counts pixel sides, which makes a square the most compact region, with π/4.
        """
        return ratio(self.round_area, self.area)

    def figures(self) -> dict[str, float | int | None]:
        """All measures as plain values, for JSON."""
        return {
            "count": self.count,
            "mean_area": ratio(self.area, self.count),
            "achievable_accuracy": self.achievable_accuracy,
            "undersegmentation_error": self.undersegmentation_error,
            "boundary_recall": self.boundary_recall,
            "boundary_precision": self.boundary_precision,
            "explained_variance": self.explained_variance,
            "compactness": self.compactness,
        }


def superpixel_quality(
    regions: Integers, truth: Integers, image: NDArray[np.floating] | None = None, *, tolerance: int = 2
) -> SuperpixelQuality:
    """Measure superpixels.

    Args:
        regions: (height, width) superpixels from 1 on; 0 where there is no data.
        truth: (height, width) class ids or numbered segments; 255 where unknown.
        image: (bands, height, width), NaN where there is no data; without it no variance is explained.
        tolerance: How near a border must be, in pixels along rows and along columns: "near" is a square of
            2·tolerance + 1 pixels. A border pixel has another label above, below, left or right of it, so that a border
            is two pixels wide.

    Raises:
        GeoPointSegError: shapes differ, or the tolerance is negative.
    """
    same_shape(regions=regions, truth=truth)
    if tolerance < 0:
        raise GeoPointSegError(f"expected a tolerance of 0 pixels or more, got {tolerance}: try 2")
    if image is not None:
        same_shape(regions=regions, image=image[0])
    regions = _numbered(regions)
    size = np.bincount(regions.ravel())[1:]
    sides = np.maximum(_sides(regions, len(size)), 1)
    counted = (regions > 0) & (truth != UNLABELLED)
    table = _contingency(regions[counted], truth[counted])
    outlines = _border(truth, counted), _border(regions, counted)
    near = [_widened(border, tolerance) for border in outlines]
    return SuperpixelQuality(
        count=int(np.count_nonzero(size)),
        area=int(size.sum()),
        round_area=float((4 * math.pi * size.astype(float) ** 2 / sides**2).sum()),
        compared=int(table.sum()),
        achievable=int(table.max(axis=1).sum()) if table.nnz else 0,
        leaked=_leaked(table),
        truth_border=int(outlines[0].sum()),
        truth_border_found=int((outlines[0] & near[1]).sum()),
        border=int(outlines[1].sum()),
        border_true=int((outlines[1] & near[0]).sum()),
        **({} if image is None else _colors(regions, image)),
    )


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`, or None where there is nothing to divide by."""
    return float(part / whole) if whole else None


def same_shape(**arrays: NDArray[Any]) -> None:
    """Refuse arrays that are no pictures of one size."""
    (first, one), *others = arrays.items()
    for name, array in others:
        if array.shape != one.shape or one.ndim != 2:
            raise GeoPointSegError(
                f"expected {first} and {name} of one height and width, got {one.shape} and {array.shape}: cut them alike"
            )


def _numbered(regions: Integers) -> NDArray[np.int64]:
    """The regions with numbers that fit into a table: afresh where they are sparse, 0 for 0 and below."""
    positive = np.maximum(regions, 0).astype(np.int64)
    if positive.max(initial=0) <= positive.size:
        return positive
    kept = positive > 0
    positive[kept] = np.unique(positive[kept], return_inverse=True)[1] + 1
    return positive


def _contingency(regions: NDArray[np.int64], truth: Integers) -> csr_array:
    """How many pixels each region shares with each truth: sparse, since most pairs never meet."""
    kinds, column = np.unique(truth, return_inverse=True) if truth.dtype.itemsize > 2 else _few(truth)
    shape = (int(regions.max(initial=0)) + 1, max(1, len(kinds)))
    return coo_array((np.ones(len(regions), np.int32), (regions, column)), shape=shape).tocsr().astype(np.int64)


def _few(values: Integers) -> tuple[Integers, Integers]:
    """Values of at most 16 bits and their places among those present, without sorting millions."""
    present = np.flatnonzero(np.bincount(values.astype(np.uint16)))
    place = np.zeros(2**16, np.int32)
    place[present] = np.arange(len(present))
    return present, place[values.astype(np.uint16)]


def _leaked(table: csr_array) -> int:
    """Σ min(|S ∩ G|, |S − G|) over the pairs that meet."""
    whole = np.repeat(np.asarray(table.sum(axis=1)), np.diff(table.indptr))
    return int(np.minimum(table.data, whole - table.data).sum())


def _sides(regions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,) pixel sides of regions 1…count to anything else, the image's edge too."""
    inner = np.zeros(count + 1, np.int64)
    for first, second in _pairs(regions):
        inner += np.bincount(first[first == second], minlength=count + 1)
    return (4 * np.bincount(regions.ravel(), minlength=count + 1) - 2 * inner)[1:]


def _pairs(array: NDArray[Any]) -> tuple[tuple[NDArray[Any], NDArray[Any]], ...]:
    """Views of (height, width) on all pixels that have one below, and on all that have one to the right, with that one."""
    return (array[:-1], array[1:]), (array[:, :-1], array[:, 1:])


def _border(labels: Integers, counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True where a counted pixel has a counted neighbour (of four) with another label."""
    border = np.zeros(labels.shape, bool)
    for pair, both, (first, second) in zip(_pairs(labels), _pairs(counted), _pairs(border), strict=True):
        differ = (pair[0] != pair[1]) & both[0] & both[1]
        first |= differ
        second |= differ
    return border


def _widened(border: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """True within `reach` rows and columns of a true pixel."""
    for _ in range(2):
        wide = border.copy()
        for step in range(1, min(reach, len(border) - 1) + 1):
            wide[step:] |= border[:-step]
            wide[:-step] |= border[step:]
        border = np.ascontiguousarray(wide.T)
    return border


def _colors(regions: NDArray[np.int64], image: NDArray[np.floating]) -> dict[str, Any]:
    """The sums that explained variance is made of."""
    kept = (regions > 0) & np.isfinite(image).all(axis=0)
    region = regions[kept]
    size = np.maximum(np.bincount(region), 1)
    sums, squares, within = [], 0.0, 0.0
    for band in image:
        values = band[kept].astype(np.float64)
        mean = np.bincount(region, values) / size
        sums.append(float(values.sum()))
        squares += float(values @ values)
        values -= mean[region]
        within += float(values @ values)
    return {"colored": len(region), "band_sums": tuple(sums), "squares": squares, "within": within}
