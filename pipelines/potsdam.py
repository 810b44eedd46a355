"""ISPRS Potsdam, from its archives to map and table: `geopointseg potsdam ROOT --out potsdam`.

Clicks are drawn from the truth of the 24 training tiles, the network is trained on what they label, the 14 test tiles are mapped,
and the maps are judged on their truth, whole and with boundaries eroded where that lies there, as ISPRS judges. Run it again
after a break, or with other options: what is current stays.
"""

from pathlib import Path

from geopointseg.datasets import isprs, potsdam
from geopointseg.datasets.download import download
from geopointseg.datasets.find import require_first
from geopointseg.labels.pseudomask import Spreading
from pipelines.dense_truth import Plan, StoryReport, story

__all__ = ["run"]


def run(
    root: Path,
    *,
    plan: Plan,
    spreading: Spreading,
    out: Path = Path("potsdam"),
    imagery: potsdam.Imagery = "RGB",
    labels: potsdam.Labels = "full",
    ndsm: bool = False,
    first: int | None = None,
) -> StoryReport:
    """From ISPRS Potsdam to a land-cover map of its test tiles and the table of its scores, in one go.

    Args:
        root: Folder of the data set, or of the archives that ISPRS gives on request, which are unpacked there.
        plan: Clicks and training.
        spreading: How a click becomes more than a pixel.
        out: Folder for everything that is made; each stage is a folder in it, and skipped while it is current.
        imagery: RGB, IRRG or RGBIR.
        labels: Which truth clicks are drawn from: full, or eroded, where none is nearer than 3 pixels to a boundary.
        ndsm: Add the height above ground as one more band.
        first: Only so many tiles of either split, to try it out.

    Returns:
        The tables, the files, and which stages were made.

    Raises:
        GeoPointSegError: the data set is not there, or see the stages.
    """
    require_first(first)
    download("potsdam", root)
    train = potsdam.pairs(root, "train", imagery=imagery, labels=labels, ndsm=ndsm)[:first]
    test = {"truth": potsdam.pairs(root, "test", imagery=imagery, ndsm=ndsm)[:first]}
    eroded = potsdam.pairs(root, "test", imagery=imagery, labels="eroded", ndsm=ndsm)[:first]
    if all(pair.truth for pair in eroded):
        test["eroded"] = eroded
    facts = {
        "data": f"{potsdam.DATASET.title}, {imagery}{' and heights' if ndsm else ''}",
        "split": "official, by tiles",
    }
    title = "ISPRS Potsdam from clicks"
    return story(title, isprs.CLASSES, train, test, out=out, plan=plan, spreading=spreading, facts=facts)
