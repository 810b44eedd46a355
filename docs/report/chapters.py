"""The chapters: protocol, data, statistics, results and limits, with every figure from the results files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docs.report.blocks import Block, Heading, Paragraph, Picture, Table
from docs.report.results import Found, accuracy_tables, experiments
from pipelines.experiments.knee import Knee
from pipelines.experiments.statistics import ENOUGH

__all__ = ["chapters"]

SIGNIFICANT = 0.05
DATA = {
    "dubai": (
        "dubai_mbrsc: very-high-resolution RGB images of Dubai with hand-drawn dense truth (Mohammed Bin Rashid Space Centre and "
        "Humans in the Loop, CC0), split by tile. Its publisher states no pixel size and no place: both are made up here."
    ),
    "korea": (
        "korea_sentinel2: Sentinel-2 patches of south-west Korea at 10 m in September and December, with dense truth of unstated "
        "origin, split by place (contains modified Copernicus Sentinel data 2023, 2024)."
    ),
    "india": (
        "india_rgb_ir: Sentinel-2 scenes in red, green, blue and infrared with coarse hand-drawn truth, split by scene (contains "
        "modified Copernicus Sentinel data)."
    ),
    "synthetic": (
        "synthetic: scenes that geopointseg.synthetic draws, with exact truth. It shows that all of this runs and how methods "
        "differ on easy ground; it says nothing of any real landscape."
    ),
    "synthetic-seasons": "synthetic-seasons: the same with an infrared band, and again in a made-up December.",
}
BENCHMARKS = {
    "accuracy": "The cells of python -m benchmarks.accuracy that are there; – in its own tables is what is not.",
    "ablations": (
        "The cells of python -m benchmarks.ablations that are there: one change at a time, on the validation images, where choices "
        "are made. -third: learnt from every third image. These choices were not made on the test images, but for one: the "
        "symmetric cross-entropy, which gained on Dubai's validation tile, was tried in the same place, too, and lost its roads there."
    ),
}
PROTOCOL = (
    "Clicks are simulated: they are drawn from dense truth, once per seed, and every method gets the same ones and is judged on the "
    "same pixels. A seed draws other clicks and starts other networks. What is judged was never clicked, no click is spread over it, "
    "and its truth chooses nothing. Same place: every image is cut into a checkerboard, clicks lie in the blocks of one colour, the others are "
    "judged, and a gap is left between them. New place: whole images of other places are judged. The two are never mixed in one "
    "table. All scores come from one confusion matrix, summed over the test images before ratios are taken; mIoU is the mean over "
    "the classes that occur in truth or map, OA the overall accuracy.",
    "Networks start at random weights and train for a fixed number of steps; nothing is stopped or chosen by looking at the judged "
    "pixels. Clicks are spread over regions as geopointseg mask does it, unless the experiment varies that: where no click reaches, a "
    "forest of the clicks guesses from looks, and the network trains on that at a quarter of the weight. In the same place this holds "
    "of judged blocks, too: the default sees their pixels, as an analyst's network sees the raster to be mapped, and never their "
    "truth. Dense supervision, the LSSQPS recipe and the forests see neither. In a new place nothing is guessed.",
)
STATISTICS = (
    "± is the standard deviation over seeds. Gains over the baseline are paired by seed; their interval is Student's at 95 %, p is "
    "that of the two-sided paired t-test, and Holm's correction is over all comparisons of an experiment. Wilcoxon's signed-rank "
    f"test needs {ENOUGH} seeds to be able to fall below {SIGNIFICANT}, and is left out with fewer. A seed varies clicks and "
    "training but not the test images: the intervals say nothing of other landscapes.",
    "The knee of a curve is where two straight lines through it meet (segmented regression), if the second rises at most half as "
    "steeply as the first. Its interval is a percentile bootstrap over seeds; with few seeds there are few different draws, and "
    "the interval is rough. The knee cannot lie before the second or after the last but one of the abscissae.",
)
LIMITS = (
    "Simulated clicks fall on exactly the class they name; people's do so less often, and not at random: the experiment noise "
    "varies both, in part.",
    "Few seeds find large differences only: a p-value above the threshold does not say that there is none.",
    "Networks here start at random weights and train briefly. Longer training and weights from elsewhere change the ranking; what "
    "is compared is what the same short time gives.",
    "Times were taken on machines shared with other work. They are kept in the files and are not compared.",
)


def chapters(results: Path) -> Iterator[Block]:
    """All blocks of the report, from the folder benchmarks/results."""
    found = experiments(results / "experiments")
    cells = {name: list(accuracy_tables(results / name)) for name in BENCHMARKS}
    yield Heading("geopointseg: technical report", 1)
    dates = sorted({date for one in found for date in one.facts["dates"]})
    commits = sorted({commit for one in found for commit in one.facts["commits"]})
    devices = sorted({device for one in found for device in one.facts["devices"]})
    if dates:
        days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        yield Paragraph(
            f"Experiments: {len(found)}, computed {days} on {' and '.join(devices)} by commits {', '.join(commits)}. Built by "
            "python -m docs.report from the files in benchmarks/results; no figure of a result is typed by hand."
        )
    yield Heading("Protocol")
    yield from map(Paragraph, PROTOCOL)
    yield Heading("Data")
    used = dict.fromkeys(one.facts["data"] for one in found)
    used |= dict.fromkeys(data.removesuffix("-third") for tables in cells.values() for data, *_ in tables)
    yield from (Paragraph(DATA[name]) for name in used)
    yield Heading("Statistics")
    yield from map(Paragraph, STATISTICS)
    yield Heading("Experiments")
    for one in found:
        yield from experiment_section(one)
    for name, about in BENCHMARKS.items():
        if cells[name]:
            yield Heading(f"Benchmark: {name}")
            yield Paragraph(about)
        for data, setting, head, rows in cells[name]:
            yield Heading(f"{data}, {setting}", 3)
            yield Table(head, rows)
    yield Heading("Limits")
    if found and all(one.facts["data"].startswith("synthetic") for one in found):
        yield Paragraph(
            "All experiments above (not the benchmarks) ran on synthetic scenes, at a small size. They check the machinery and suggest what to "
            "try; nothing in them is evidence about real images."
        )
    yield from map(Paragraph, LIMITS)


def experiment_section(one: Found) -> Iterator[Block]:
    """One experiment: what was asked, table, picture, and what it does and does not show."""
    facts = one.facts
    yield Heading(f"{facts['name']}, {facts['data']}, {facts['setting']}", 3)
    yield from (Paragraph(facts[key]) for key in ("about", "how") if facts[key])
    yield Table(one.head, one.rows)
    yield Picture(
        one.folder / "figure.png", f"{facts['name']} on {facts['data']}: mean ± standard deviation, and every seed."
    )
    yield Paragraph(verdict(facts["comparisons"]))
    for name, knee in facts["knees"].items():
        yield Paragraph(f"{name}: {Knee(**knee)}.")
    for note in facts["notes"]:
        yield Paragraph(f"Note: {note}.")
    yield Paragraph(facts["command"], code=True)


def verdict(comparisons: Sequence[dict[str, Any]]) -> str:
    """What the paired tests do and do not show, in words."""
    tested = [one for one in comparisons if one["p_holm"] is not None]
    if not tested:
        return "No comparison could be tested: too few seeds, or no baseline beside the others."
    pairs = sorted({one["pairs"] for one in tested})
    seeds = f"{pairs[0]} seeds" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]} seeds"
    shown = [one for one in tested if one["p_holm"] <= SIGNIFICANT]
    alone = sum(one["p"] <= SIGNIFICANT for one in tested)
    if not shown:
        return (
            f"Not shown: with {seeds}, none of {len(tested)} differences from the baseline holds after Holm's correction at "
            f"{SIGNIFICANT:g}; {alone} would without it. This does not say that levels are alike."
        )
    names = "; ".join(f"{one['level']} {one['mean']:+.3f} (baseline: {one['baseline']})" for one in shown)
    return (
        f"Shown: with {seeds}, {len(shown)} of {len(tested)} differences from the baseline hold after Holm's correction at "
        f"{SIGNIFICANT:g}: {names}. Not shown: any other difference."
    )
