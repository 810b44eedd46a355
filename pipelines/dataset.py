"""Any public data set, from download to map and table: `geopointseg dataset zurich ROOT --out zurich`.

Where the owner keeps the truth of the test images, a fifth of the training images is kept for judging instead.
"""

from pathlib import Path
from types import ModuleType

import numpy as np

from geopointseg.datasets.dataset import Pair
from geopointseg.datasets.download import download
from geopointseg.datasets.find import require_first
from geopointseg.datasets.prepare import classes_at, find_pairs
from geopointseg.datasets.table import find_dataset
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.pseudomask import Spreading
from pipelines.dense_truth import Plan, StoryReport, story

__all__ = ["run"]

KEPT = 0.2  # of the training images, where there are no others to judge on
LEARN, JUDGE = ("train", "trainval", "all"), ("test", "val")  # names of splits, best first


def run(
    name: str,
    root: Path,
    *,
    plan: Plan,
    spreading: Spreading,
    out: Path = Path("dataset"),
    train: str | None = None,
    test: str | None = None,
    imagery: str | None = None,
    labels: str | None = None,
    accept_licence: bool = False,
    mirror: str | None = None,
    first: int | None = None,
) -> StoryReport:
    """From a public data set to land-cover maps of its test images and the table of their scores, in one go.

    Args:
        name: Data set, as 'geopointseg datasets' lists it.
        root: Folder of the data set; it is fetched where it does not lie there, if its owner lets it.
        plan: Clicks and training.
        spreading: How a click becomes more than a pixel.
        out: Folder for everything that is made; each stage is a folder in it, and skipped while it is current.
        train: Split to learn from; train by default.
        test: Split to judge on; by default test, else val, else a fifth of the training images.
        imagery: Which bands, where there is a choice, as in 'geopointseg prepare'.
        labels: Which truth to learn from, where there is a choice; the maps are judged on the full one.
        accept_licence: You agree to the terms that its owner asks one to agree to.
        mirror: Address of a folder of its archives, to fetch them from instead.
        first: Only so many images of either split, to try it out.

    Returns:
        The table, the files, and which stages were made.

    Raises:
        GeoPointSegError: the data set is not there and cannot be fetched, or see the stages.
    """
    require_first(first)
    download(name, root, accept_licence=accept_licence, mirror=mirror)
    adapter = find_dataset(name)
    splits = adapter.DATASET.splits
    learn = train or next((split for split in LEARN if split in splits), splits[0])
    learnt = find_pairs(adapter, root, learn, imagery=imagery, labels=labels)
    judge, judged = "", list[Pair]()
    for judge in [test] if test else [split for split in JUDGE if split in splits]:
        judged = _with_truth(adapter, root, judge, imagery)
        if judged:
            break
    if not judged and test:
        raise GeoPointSegError(
            f"expected truth of the split {test} of {adapter.DATASET.title}, got none: choose another --test"
        )
    if not judged:
        order = np.random.default_rng(0).permutation(len(learnt))
        kept = set(order[: max(1, round(KEPT * len(learnt)))].tolist())
        judge = f"{len(kept)} of the images of {learn}, by chance"
        judged = [pair for i, pair in enumerate(learnt) if i in kept]
        learnt = [pair for i, pair in enumerate(learnt) if i not in kept]
    if not learnt:
        raise GeoPointSegError(
            f"expected two images or more of {adapter.DATASET.title}, got one: there is none to judge on"
        )
    facts = {
        "data": adapter.DATASET.title,
        "licence": adapter.DATASET.licence,
        "learnt from": learn,
        "judged on": judge,
    }
    return story(
        f"{adapter.DATASET.title} from clicks",
        classes_at(adapter, root),
        learnt[:first],
        {"truth": judged[:first]},
        out=out,
        plan=plan,
        spreading=spreading,
        facts=facts,
    )


def _with_truth(adapter: ModuleType, root: Path, split: str, imagery: str | None) -> list[Pair]:
    """The images of a split whose truth lies here; none where the split does not."""
    try:
        return [pair for pair in find_pairs(adapter, root, split, imagery=imagery) if pair.truth]
    except GeoPointSegError:
        return []
