"""How well wrong labels are found: random points on real images, some with another class, ranked by suspicion.

For each share of flipped labels: precision and recall among the first k, of those that are taken for wrong, and the mIoU of a
random forest on superpixels with all points, without those taken for wrong, without all that are wrong (nobody knows them),
and with none flipped.
"""

from pathlib import Path

import numpy as np

from benchmarks.accuracy_data import DATA_SETS, SETTINGS
from benchmarks.harness import finish, parser, spread, table
from benchmarks.query_rounds import Ground, forest, miou, prepare_ground
from geopointseg.classes import UNLABELLED
from geopointseg.labels.draw import flip_labels
from geopointseg.labels.suspicion import leave_one_out, suspicion

FLIPPED = (0.1, 0.2)
DENSITY = 50  # points per 512²
CHOSEN = "the rule that takes a label for wrong was chosen on korea, among seven; nothing was chosen on dubai"


def main() -> None:
    """Flip, rank, remove, learn."""
    given = parser(__doc__.splitlines()[0])
    given.add_argument("--work", type=Path, default=Path("benchmarks/work"), help="images and tables are kept here")
    given.add_argument("--sets", nargs="+", default=["dubai", "korea"], choices=list(DATA_SETS))
    given.add_argument("--setting", default="same-place", choices=SETTINGS)
    given.add_argument("--seeds", type=int, default=3)
    options = given.parse_args()
    if options.quick:
        options.sets, options.seeds = ["synthetic"], 2
    parts, figures = [], {}
    for name in options.sets:
        folder = options.work / name
        ground = prepare_ground(DATA_SETS[name](folder), options.setting, folder)
        for share in FLIPPED:
            tried = [tell(ground, share, seed) for seed in range(options.seeds)]
            columns = {key: [one[key] for one in tried] for key in tried[0]}
            head = f"{name}, {share:.0%} flipped"
            rows = [
                ["figure", "mean ± standard deviation"],
                *([key, spread(values)] for key, values in columns.items()),
            ]
            parts.append(f"{head}\n{table(rows)}\n")
            figures |= {f"{head}: {key}": round(float(np.mean(values)), 4) for key, values in columns.items()}
    if not options.quick:
        parts.append(f"{CHOSEN}\n")
    better = [
        figures[f"{head}: mIoU without suspects"] > figures[f"{head}: mIoU with all"]
        for head in dict.fromkeys(key.split(":")[0] for key in figures)
    ]
    targets = {"mIoU without suspects": "> mIoU with all, for every set and share"}
    finish("\n".join(parts), figures, targets, met=all(better), out=options.out)


def tell(ground: Ground, share: float, seed: int) -> dict[str, float]:
    """The figures of one seed."""
    rng = np.random.default_rng(seed)
    free = np.flatnonzero(ground.open & (ground.truth != UNLABELLED))
    n = min(round(DENSITY * ground.per_512), len(free))
    points = rng.choice(free, n, replace=False, p=ground.area[free] / ground.area[free].sum())
    true = ground.truth[points]
    said = flip_labels(true, share, rng)
    wrong = said != true
    found = suspicion(leave_one_out(ground.features[points], said, len(ground.names), seed=seed), said)
    order = np.argsort(-found.score, kind="stable")
    figures: dict[str, float] = {"points": n, "flipped": int(wrong.sum())}
    for k in (50, 100, int(wrong.sum())):
        what = "as many as are wrong" if k == wrong.sum() else str(k)
        figures[f"precision in the first {what}"] = float(wrong[order[:k]].mean())
        figures[f"recall in the first {what}"] = float(wrong[order[:k]].sum() / wrong.sum())
    figures["suspected"] = int(found.suspected.sum())
    figures["precision of the suspected"] = float(wrong[found.suspected].mean()) if found.suspected.any() else 0.0
    figures["recall of the suspected"] = float(found.suspected[wrong].mean())
    kept = {
        "mIoU with all": (np.ones(n, bool), said),
        "mIoU without suspects": (~found.suspected, said),
        "mIoU without the wrong": (~wrong, said),
        "mIoU with none flipped": (np.ones(n, bool), true),
    }
    return figures | {
        key: miou(ground, forest(ground, points[some], ids[some], seed)) for key, (some, ids) in kept.items()
    }


if __name__ == "__main__":
    main()
