"""Anybody's images and masks: pairs by glob, and a file that says which colour or code is which class."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from geopointseg.classes import Classes
from geopointseg.colors import parse_color
from geopointseg.datasets.dataset import Decode, Pair, Place
from geopointseg.datasets.decode import by_codes, by_colors
from geopointseg.datasets.find import made_up_place
from geopointseg.datasets.prepare import PrepareReport, write_pairs
from geopointseg.errors import GeoPointSegError
from geopointseg.legend.classify import Legend, whole
from geopointseg.legend.files import read_legend
from geopointseg.raster import parse_crs

__all__ = ["pair_up", "prepare_folder"]


def prepare_folder(
    *,
    images: str,
    masks: str,
    palette: Path,
    out: Path = Path("prepared"),
    crs: str | None = None,
    pixel: float = 1.0,
    unlabelled: list[str] | None = None,
    lossy: bool = False,
    copy: bool = False,
    overwrite: bool = False,
) -> PrepareReport:
    """Make rasters and class rasters of any folder of images and masks: OUT/images and OUT/truth.

    Args:
        images: Glob of the images, in quotes, such as 'photos/*.jpg'.
        masks: Glob of the masks; they pair by name, whatever all images or all masks have before or behind it.
        palette: Classes with their colours or codes: a .csv (name, code, color), a .yaml, or a QGIS style (.qml). Colours or
            codes under 'drop' in the .yaml are unlabelled; any other that it does not name is an error.
        out: Folder for images/ and truth/.
        crs: CRS of images that have a world file but no CRS.
        pixel: Size of a pixel in metres, for images that do not say where they lie: they get a made-up place.
        unlabelled: Colours or codes in the masks that stand for no class, such as '#9b9b9b' or 0.
        lossy: Colours of the masks are corners of the cube that a lossy compression blurred: cut every channel at 128.
        copy: Write images as tiled GeoTIFFs. By default they are virtual rasters that read the files where they lie.
        overwrite: Replace existing files.

    Returns:
        The account of the pixels.

    Raises:
        GeoPointSegError: no images, a name without partner, a palette without colours or codes, or a mask with others.
    """
    if not pixel > 0:
        raise GeoPointSegError(f"expected a --pixel above 0 metres, got {pixel}")
    matched = pair_up(_globbed(images, "--images"), _globbed(masks, "--masks"))
    legend = read_legend(palette)
    classes = _classes(legend)
    ignored = [v if whole(v) is not None else parse_color(v, "--unlabelled", "the command") for v in unlabelled or ()]
    decoders: dict[bool, Decode] = {}
    advice = f"add a class to {palette}, or say that it is none: --unlabelled; masks that were resized or saved as JPEG are of no use"
    pairs = []
    for number, (name, (image, mask)) in enumerate(matched.items()):
        colored = _is_colored(mask)
        if colored not in decoders:
            decoders[colored] = _by_colors(legend, classes, ignored, lossy) if colored else _by_codes(legend, ignored)
        place = Place(parse_crs(crs)) if crs and _has_transform(image) else made_up_place(number, pixel)
        pairs.append(Pair(name, image, (mask,), decoders[colored], place=place, advice=advice))
    return write_pairs(pairs, classes, out / "images", out / "truth", copy=copy, overwrite=overwrite)


def pair_up(images: Sequence[Path], masks: Sequence[Path]) -> dict[str, tuple[Path, Path]]:
    """Images and masks by name: their stems, else what is left without what all of a kind begin and end with.

    Raises:
        GeoPointSegError: a name is there twice, or has no partner.
    """
    if len(images) == len(masks) == 1:
        return {images[0].stem: (images[0], masks[0])}
    by_stems = [{path.stem: path for path in paths} for paths in (images, masks)]
    by_core = [_cores(paths) for paths in (images, masks)]
    for found, paths in zip(by_stems, (images, masks), strict=True):
        if len(found) < len(paths):
            raise GeoPointSegError(f"expected every name once, got one again among {paths[0].parent}: narrow the glob")
    for one, other in (by_stems, by_core):
        if one.keys() == other.keys():
            return {path.stem: (path, other[key]) for key, path in one.items()}
    lonely = sorted(by_stems[0].keys() ^ by_stems[1].keys())
    return _refuse(len(images), len(masks), lonely)


def _refuse(images: int, masks: int, lonely: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """Say which names have no partner."""
    first = ", ".join(lonely[:4])
    raise GeoPointSegError(
        f"expected a mask for every image, got {images} images and {masks} masks whose names do not pair up, such as {first}: "
        "narrow the globs, or rename"
    )


def _cores(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by what their stems do not share."""
    stems = [path.stem for path in paths]
    before = _shared(stems)
    after = _shared([stem[before:][::-1] for stem in stems])
    return {stem[before : len(stem) - after]: path for stem, path in zip(stems, paths, strict=True)}


def _shared(texts: Sequence[str]) -> int:
    """How many characters all texts begin with."""
    return next(
        (i for i, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), min(map(len, texts))
    )


def _globbed(pattern: str, option: str) -> list[Path]:
    """The files that a glob names, sorted."""
    path = Path(pattern)
    found = sorted(p for p in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))) if p.is_file())
    if not found:
        how = f"name the files in the folder: '{pattern}/*.png'" if path.is_dir() else "put it in quotes, and check it"
        raise GeoPointSegError(f"expected files, got {option} {pattern}, which matches none: {how}")
    return found


def _classes(legend: Legend) -> Classes:
    """The classes in the order of the palette, with its codes, or else their ids."""
    names = [name for name in legend.names if name not in legend.dropped]
    if not names:
        raise GeoPointSegError(f"expected some classes in {legend.source}, got none: list them with colours or codes")
    has_codes = all(name in legend.codes for name in names)
    codes = [legend.codes[name] for name in names] if has_codes else list(range(len(names)))
    return Classes.colored(names, codes, legend.colors)


def _by_colors(legend: Legend, classes: Classes, unlabelled: Sequence[str], lossy: bool) -> Decode:
    """Masks in colours."""
    if lacking := [name for name in classes.names if name not in legend.colors]:
        raise GeoPointSegError(
            f"expected a colour for every class in {legend.source}, as the masks are in colours, got none for {lacking[0]}: add it"
        )
    dropped = [legend.colors.get(value, value) for value in legend.dropped]
    ignored = [parse_color(value, "drop", legend.source) for value in dropped if whole(value) is None]
    ignored += [value for value in unlabelled if whole(value) is None]
    return by_colors(classes, ignored=ignored, snapped=lossy)


def _by_codes(legend: Legend, unlabelled: Sequence[str]) -> Decode:
    """Masks with codes."""
    kept = [name for name in legend.names if name not in legend.dropped]
    ids: Mapping[str, int] = {name: i for i, name in enumerate(kept)}
    codes = {
        number: ids[name]
        for value, name in legend.values.items()
        if name in ids and (number := whole(value)) is not None
    }
    if lacking := [name for name in kept if ids[name] not in codes.values()]:
        raise GeoPointSegError(
            f"expected a code for every class in {legend.source}, as the masks hold codes, got none for {lacking[0]}: add it"
        )
    dropped = [
        *unlabelled,
        *legend.dropped,
        *(value for value, name in legend.values.items() if name in legend.dropped),
    ]
    ignored = [number for value in dropped if (number := whole(value)) is not None]
    return by_codes(codes, ignored=ignored)


def _is_colored(mask: Path) -> bool:
    """Whether a mask has three bands; one band, with a palette or without, holds codes."""
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning), rasterio.open(mask) as source:
        bands: int = sum(color != ColorInterp.alpha for color in source.colorinterp)
    return bands >= 3


def _has_transform(image: Path) -> bool:
    """Whether an image has a place, if only by a world file."""
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning), rasterio.open(image) as source:
        transform: Affine = source.transform
    return bool(transform != Affine.identity())
