"""LandCover.ai, from download to map and table: `geopointseg landcoverai ROOT --accept-licence --out landcoverai`.

Clicks are drawn in the training tiles of whole orthophotos, the network is trained on what they label there, the orthophotos are
mapped, and the maps are judged on their test tiles. Run it again after a break, or with other options: what is current stays.
"""

from pathlib import Path

from geopointseg.datasets import landcoverai
from geopointseg.datasets.download import download
from geopointseg.datasets.find import require_first
from geopointseg.datasets.write import grid_of
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.pseudomask import Spreading
from pipelines.dense_truth import Plan, StoryReport, story

__all__ = ["run"]

PIXELS = (0.25, 0.5)  # metres, of 33 and of 8 orthophotos


def run(
    root: Path,
    *,
    plan: Plan,
    spreading: Spreading,
    out: Path = Path("landcoverai"),
    accept_licence: bool = False,
    mirror: str | None = None,
    scheme: landcoverai.Scheme = "official",
    tile: int = 512,
    pixel: float = 0.25,
    first: int | None = None,
) -> StoryReport:
    """From LandCover.ai to a land-cover map of its orthophotos and the table of its scores, in one go.

    Args:
        root: Folder of the data set; it is fetched where it does not lie there.
        plan: Clicks and training.
        spreading: How a click becomes more than a pixel.
        out: Folder for everything that is made; each stage is a folder in it, and skipped while it is current.
        accept_licence: You agree to CC BY-NC-SA 4.0, as its owner asks before a download.
        mirror: Address of a folder with its archive, to fetch it from instead.
        scheme: official, by the lists of the archive; lssqps, all tiles shuffled with seed 100, cut at 60 and 80 %.
        tile: Side of the tiles that are split, in pixels.
        pixel: Size of a pixel in metres of the orthophotos that are used: 0.25 (33 of them) or 0.5 (8). A network learns one scale.
        first: Only so many orthophotos, in the order of their names, to try it out.

    Returns:
        The table, the files, and which stages were made.

    Raises:
        GeoPointSegError: the data set is not there and cannot be fetched, or see the stages.
    """
    if pixel not in PIXELS:
        raise GeoPointSegError(f"expected {PIXELS[0]} or {PIXELS[1]} m as --pixel of LandCover.ai, got {pixel}")
    require_first(first)
    download("landcoverai", root, accept_licence=accept_licence, mirror=mirror)
    train = landcoverai.pairs(root, "train", scheme=scheme, tile=tile)
    test = landcoverai.pairs(root, "test", scheme=scheme, tile=tile)
    fitting = [pair.name for pair in train if abs(grid_of(pair).pixel_size[0] - pixel) < 0.01][:first]
    if not fitting:
        raise GeoPointSegError(
            f"expected orthophotos of {pixel} m in {root}, got {len(train)} of others: choose another --pixel, {' or '.join(map(str, PIXELS))}"
        )
    train, test = ([pair for pair in pairs if pair.name in fitting] for pairs in (train, test))
    facts = {
        "data": f"{landcoverai.DATASET.title}, {len(fitting)} orthophotos of {pixel} m",
        "split": f"{scheme}, tiles of {tile}²",
    }
    title = "LandCover.ai from clicks"
    return story(
        title, landcoverai.CLASSES, train, {"truth": test}, out=out, plan=plan, spreading=spreading, facts=facts
    )
