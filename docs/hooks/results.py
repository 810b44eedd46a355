"""Write the page of results from what benchmarks/results/ holds: no figure is typed by hand."""

from __future__ import annotations

import ast
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geopointseg.confusion import scores

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "results.md"
LONG = 60  # lines of a table beyond which the page shows its beginning and leads to the rest
INTRODUCTION = """# Results

Written by a hook from the files in `benchmarks/results/`, each of which says its command, machine and date; bad figures stand
here as good ones do. Each benchmark runs a named peer beside geopointseg in the same process group. Times are of two
hyperthreads of a shared machine: believe the ratios more than the seconds, and run the command on yours.

What each kind of click, spreading and network is worth, with tests and pictures, stands in the
[technical report](report/report.html), made of the same files ([as PDF](report/report.pdf)).
"""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page(Path(config.config_file_path).parent)))
    return files


def page(root: Path) -> str:
    """The whole page in Markdown."""
    folder = root / "benchmarks" / "results"
    parts = [INTRODUCTION, summary(folder)]
    parts += cells(folder)
    parts += [section(root, path) for path in sorted(folder.glob("*.txt"))]
    return "\n".join(parts)


def last_line(path: Path) -> dict[str, Any]:
    """The figures and targets of a benchmark: its line of JSON."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith('{"figures"')]
    return dict(json.loads(lines[0])) if lines else {}


def summary(folder: Path) -> str:
    """Which targets are met."""
    rows = ["## At a glance", "", "| benchmark | target | all met |", "|---|---|---|"]
    for path in sorted(folder.glob("*.txt")):
        found = last_line(path)
        aims = "<br>".join(aim(name, bound, found) for name, bound in found.get("targets", {}).items()) or "none set"
        met = {True: "yes", False: "**no**"}.get(found.get("met"), "–")  # type: ignore[arg-type]  # JSON: of any type
        rows.append(f"| [{path.stem}](#{path.stem}) | {aims} | {met} |")
    return "\n".join([*rows, ""])


def aim(name: str, bound: str, found: dict[str, Any]) -> str:
    """A target, and what was measured where one figure has its name."""
    figure = found["figures"].get(name)
    return f"{name}: {bound}" + ("" if figure is None else f" (measured: {figure:,.4g})")


def section(root: Path, path: Path) -> str:
    """One file of results."""
    module = root / "benchmarks" / f"{path.stem.split('_')[0]}.py"
    about = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "") if module.exists() else ""
    lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    shown = [line for line in lines if not line.startswith('{"figures"')]
    rest = f"[All {len(shown)} lines](results/{path.name})." if len(shown) > LONG else ""
    shown = shown[:LONG] if rest else shown
    return "\n".join(
        [f"## {path.stem} {{#{path.stem}}}", "", about.split("\n\n")[0], "", "```text", *shown, "```", "", rest, ""]
    )


def cells(folder: Path) -> list[str]:
    """Scores of every confusion matrix that is kept, over the seeds."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for path in sorted(folder.rglob("*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(cell, dict) and {"confusion", "classes"} <= set(cell):
            where = path.relative_to(folder).parts
            key = (where[1] if len(where) > 2 else "", *(str(cell.get(k, "")) for k in ("setting", "budget", "method")))
            found.setdefault(key, []).append(cell)
    if not found:
        return []
    rows = [
        "## Accuracy {#accuracy}",
        "",
        "From confusion matrices of dense truth; mean ± standard deviation over the seeds, `python -m benchmarks.accuracy`.",
        "",
        "| data | setting | clicks per 512² | method | mean IoU | overall accuracy | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, same in sorted(found.items()):
        judged = [scores(np.array(cell["confusion"]), cell["classes"]) for cell in same]
        figures = [spread([float(one[name]) for one in judged]) for name in ("miou", "overall_accuracy")]
        rows.append(f"| {' | '.join([*key, *figures, str(len(same))])} |")
    return ["\n".join([*rows, ""])]


def spread(values: list[float]) -> str:
    """Mean, and deviation where there are several."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.3f}"
