"""Ensembles: several models of the same classes answer, and their probabilities are averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.learning.backends import AUTO, Computing, Predictor, predictor
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["averaged", "require_alike", "together"]


def require_alike(models: Mapping[str, PointSegmentationTask]) -> None:
    """Refuse models whose probabilities cannot be averaged.

    They may differ in all else: network, statistics of the bands, pixel size, and colours, which the first decides.

    Args:
        models: Loaded, by what the user called them.

    Raises:
        GeoPointSegError: classes (names and codes in their order) or bands are not the same in all.
    """
    (first, one), *others = models.items()
    for name, other in others:
        mine, its = one.classes, other.classes
        if (mine.names, mine.codes) != (its.names, its.codes):
            raise GeoPointSegError(
                f"expected models of the same classes, got {_listed(mine.names, mine.codes)} in {first} and "
                f"{_listed(its.names, its.codes)} in {name}: train them on points with the same classes, or leave one out "
                "of --ensemble"
            )
        bands, others_bands = (task.hparams["card"]["bands"] for task in (one, other))
        if bands != others_bands:
            raise GeoPointSegError(
                f"expected models of the same bands, got {bands} in {first} and {others_bands} in {name}: train them on "
                "rasters with the same bands, or leave one out of --ensemble"
            )


def _listed(names: Sequence[str], codes: Sequence[int]) -> str:
    """Classes in words, with their codes where these are not the ids."""
    if tuple(codes) == tuple(range(len(names))):
        return ", ".join(names)
    return ", ".join(f"{name} ({code})" for name, code in zip(names, codes, strict=True))


def together(tasks: Sequence[PointSegmentationTask], computing: Computing = AUTO) -> Predictor:
    """Make several models ready to be asked as one.

    All are computed in one way: where the choice would differ between them, in float32, and by torch, which takes any.

    Args:
        tasks: Alike, see `require_alike`; in evaluation mode.
        computing: What the user wants.

    Raises:
        GeoPointSegError: see `geopointseg.learning.backends.predictor`.
    """
    made = [predictor(task, computing) for task in tasks]
    formats, backends = {one.precision for one in made}, {one.backend for one in made}
    if len(formats) > 1 or len(backends) > 1:
        common = replace(
            computing,
            backend=made[0].backend if len(backends) == 1 else "torch",
            precision=made[0].precision if len(formats) == 1 else "32-true",
        )
        why = "; ".join(f"model {number}: {one.why}" for number, one in enumerate(made, 1))
        made = [replace(predictor(task, common), why=f"in one way for all ({why})") for task in tasks]
    whys = list(dict.fromkeys(one.why for one in made))
    if len(made) == 1:
        return made[0]
    ask = averaged([one.ask for one in made])
    return replace(made[0], ask=ask, why=f"{len(made)} models averaged; {'; '.join(whys)}")


def averaged(asks: Sequence[Ask]) -> Ask:
    """Ask each in turn, and average what they answer."""

    def asked(pixels: Pixels) -> Pixels:
        total = asks[0](pixels).copy()
        for ask in asks[1:]:
            total += ask(pixels)
        total /= len(asks)
        return total

    return asked
