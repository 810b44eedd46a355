"""The report as one HTML page that needs nothing beside it: it opens on a phone, and prints."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geopointseg.files import replacing
from geopointseg.maps.assessment import Assessment

__all__ = ["Comparison", "Extras", "explain", "write_page"]

MEANING = {
    "held-out points": "Points that were kept aside with the ground around them: no click labels it, though guesses "
    "may; nothing was trained or tuned on the points.",
    "dense truth, new place": "Ground that no training chip has reached: how the map does where nobody clicked.",
    "dense truth, same place": "Ground around the training points, which training has seen, though few of its pixels were "
    "clicked: how the map fills in between the clicks; usually better than elsewhere.",
    "dense truth": "Every pixel with truth.",
}
LEADING = (
    ("miou", "mean IoU"),
    ("overall_accuracy", "overall accuracy"),
    ("mean_f1", "mean F1"),
    ("balanced_accuracy", "balanced accuracy"),
    ("kappa", "kappa"),
    ("frequency_weighted_iou", "frequency-weighted IoU"),
    ("miou_without_background", "mean IoU without background"),
)
TABLE = (("iou", "IoU"), ("f1", "F1"), ("precision", "user's (precision)"), ("recall", "producer's (recall)"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recipe, trained and judged under two splits."""

    blocked: Assessment
    """On held-out blocks with a gap around them."""
    random: Assessment
    """On points drawn at random among those of training."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What else a page tells."""

    dropped: Mapping[str, int] = field(default_factory=dict)
    """Reasons, and how many points were not used for each."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """What tells whether another run would be the same."""
    comparison: Comparison | None = None


def write_page(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    tables: Mapping[str, str],
    assessments: Sequence[Assessment],
    pictures: Mapping[str, Path],
    extras: Extras | None = None,
) -> Path:
    """Write one HTML file that holds everything, pictures too.

    Args:
        path: The page.
        title: Its heading.
        facts: Short statements: name and value.
        tables: Longer text tables under their headings, kept as they are.
        assessments: Scores, best known first; each has a table of its own, what they were taken on is never mixed.
        pictures: Captions and PNG files.
        extras: What was dropped, hashes, and the same recipe under another split.
    """
    more = extras or Extras()
    parts = [f"<h1>{html.escape(title)}</h1>", _pairs(facts, "facts")]
    if not assessments:
        parts.append("<p>Nothing to judge the map on: no point was held out, and there is no truth.</p>")
    for assessment in assessments:
        parts += [f"<h2>Scores on {html.escape(assessment.basis)}</h2>", _score_table(assessment)]
    if more.comparison is not None:
        parts += ["<h2>The same recipe under two splits</h2>", _split_table(more.comparison)]
    elif any(assessment.basis == "held-out points" for assessment in assessments):
        parts.append("<p class='note'>How much a random split would flatter this map: run with --compare-splits.</p>")
    for caption, file in pictures.items():
        data = base64.b64encode(file.read_bytes()).decode()
        parts.append(
            f"<figure><img alt='{html.escape(caption)}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    if more.dropped:
        parts += ["<h2>Points that were not used</h2>", _pairs({k: f"{n:,}" for k, n in more.dropped.items()}, "facts")]
    for heading, text in tables.items():
        parts.append(f"<h2>{html.escape(heading)}</h2><pre>{html.escape(text)}</pre>")
    if more.hashes:
        parts += ["<h2>What this was made from</h2>", _pairs(more.hashes, "facts hashes")]
    page = PAGE.format(title=html.escape(title), body="\n".join(parts))
    with replacing(path, overwrite=True) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def explain(comparison: Comparison) -> str:
    """What two splits side by side say, in words."""
    random, blocked = (one.scores()["miou"] for one in (comparison.random, comparison.blocked))
    gap = "" if random is None or blocked is None else f" Here they differ by {random - blocked:+.3f} in mean IoU."
    return (
        "Random: test points drawn among the training points, so that most have a training point next to them; it tells how the "
        "map does on the ground that was clicked, and flatters it. Blocked: whole blocks of ground kept aside with a gap; it "
        "tells how the map does where nobody clicked, and is the figure to report."
        + gap
        + " Both were trained anew with the "
        "same settings, so chance of training is in the difference too; few test points make both uncertain."
    )


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 1.5rem auto 4rem; padding: 0 1rem; color: #222; }}
h1 {{ font-size: 1.6rem; line-height: 1.2; }} h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem; }}
p {{ max-width: 44rem; }} .wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .25rem .9rem .25rem 0; text-align: right; vertical-align: top; }}
th {{ font-weight: 600; }} td:first-child, th:first-child, .facts td, .facts th {{ text-align: left; }}
.facts th {{ white-space: nowrap; font-weight: 500; color: #555; }} .facts td {{ overflow-wrap: anywhere; }}
.hashes td {{ font: .8rem/1.6 ui-monospace, monospace; }}
tr + tr {{ border-top: 1px solid #ddd; }} td {{ font-variant-numeric: tabular-nums; }}
.cards {{ display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; margin: .8rem 0; }}
.cards div {{ display: flex; flex-direction: column; color: #555; font-size: .85rem; }}
.cards b {{ font-size: 1.35rem; color: #111; font-variant-numeric: tabular-nums; font-weight: 600; }}
figure {{ margin: 1.8rem 0; }} img {{ max-width: 100%; height: auto; }} figcaption {{ color: #555; font-size: .9rem; }}
pre {{ background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .8rem; line-height: 1.4; }}
.wide td:first-child {{ padding-left: 1.3em; text-indent: -1.3em; }}
i {{ display: inline-block; text-indent: 0; width: .8em; height: .8em; margin-right: .5em; border: 1px solid #555; }}
.note {{ color: #555; font-size: .9rem; }}
@media (max-width: 34rem) {{
 body {{ font-size: 15px; }} .facts th {{ white-space: normal; }} td, th {{ padding-right: .5rem; }}
 .wide table {{ font-size: .78rem; }} .wide th {{ font-size: .7rem; max-width: 4.6rem; }} .wide td, .wide th {{ padding-right: .4rem; }}
}}
@media print {{
 @page {{ margin: 15mm; }} body {{ font-size: 10pt; max-width: none; margin: 0; padding: 0; }}
 h2 {{ break-after: avoid; }} figure, tr, .cards {{ break-inside: avoid; }} img {{ max-height: 22cm; }}
 pre {{ white-space: pre-wrap; background: none; border: 1px solid #ccc; font-size: 7.5pt; }} .wide {{ overflow: visible; }}
 i {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
}}
</style></head><body>
{body}
</body></html>
"""


def _pairs(rows: Mapping[str, str], style: str) -> str:
    """A table of names and values."""
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
    return f"<table class='{style}'>{cells}</table>"


def _score_table(assessment: Assessment) -> str:
    """What the scores mean, the leading ones, and those of each class."""
    figures = assessment.figures()
    parts = [f"<p>{html.escape(MEANING[assessment.basis])}</p>"] if assessment.basis in MEANING else []
    cards = {name: figures[key] for key, name in LEADING}
    if assessment.boundaries is not None:
        cards[f"boundary F within {assessment.boundaries.metres:g} m"] = figures["boundaries"]["mean_f"]
    if assessment.calibration is not None:
        cards["calibration error"] = figures["calibration"]["ece"]
    parts.append(_cards(cards))
    head = "".join(f"<th>{name}" for _, name in TABLE)
    rows = [f"<tr><th>class{head}<th>count</tr>"]
    for name, color in zip(assessment.classes.names, assessment.classes.colors, strict=True):
        one = figures["per_class"][name]
        cells = "".join(f"<td>{_number(one[key])}" for key, _ in TABLE)
        rows.append(f"<tr><td><i style='background:{color}'></i>{html.escape(name)}{cells}<td>{one['count']:,}</tr>")
    parts.append(f"<div class='wide'><table>{''.join(rows)}</table></div>")
    parts.append(
        f"<p class='note'>{figures['count']:,} compared, {figures['unmapped']:,} unmapped, {figures['foreign']:,} of no class of "
        "the map. A class that is in neither truth nor map has no scores and is in no mean.</p>"
    )
    return "".join(parts)


def _split_table(comparison: Comparison) -> str:
    """Two splits side by side, and what they say."""
    both = {"random": comparison.random.figures(), "blocked": comparison.blocked.figures()}
    names = comparison.blocked.classes.names
    rows = ["<tr><th><th>random split<th>blocked split</tr>"]
    for key, name in LEADING[:4]:
        rows.append(f"<tr><td>{name}" + "".join(f"<td>{_number(one[key])}" for one in both.values()) + "</tr>")
    rows.append("<tr><td>test points" + "".join(f"<td>{one['count']:,}" for one in both.values()) + "</tr>")
    for name in names:
        ious = [one["per_class"].get(name, {}).get("iou") for one in both.values()]
        rows.append(f"<tr><td>IoU of {html.escape(name)}" + "".join(f"<td>{_number(iou)}" for iou in ious) + "</tr>")
    return f"<p>{html.escape(explain(comparison))}</p><div class='wide'><table>{''.join(rows)}</table></div>"


def _cards(values: Mapping[str, Any]) -> str:
    """Figures in large, those that exist."""
    cells = "".join(f"<div><b>{_number(v)}</b>{html.escape(k)}</div>" for k, v in values.items() if v is not None)
    return f"<div class='cards'>{cells}</div>"


def _number(value: float | None) -> str:
    """A ratio, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
