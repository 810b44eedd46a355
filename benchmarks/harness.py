"""What the benchmarks share: options, interleaved timing, tables, and the JSON object of the last line."""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["DATA", "deviation", "finish", "options", "parser", "race", "spread", "table"]

DATA = Path(os.environ.get("GEOPOINTSEG_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
"""Real rasters that are not part of the project."""


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of --quick and --out, to which a benchmark may add its own."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="end within a minute or so; ratios stay meaningful")
    made.add_argument("--out", type=Path, help="keep the table and the figures in this file too")
    return made


def options(description: str) -> argparse.Namespace:
    """Parse --quick and --out."""
    return parser(description).parse_args()


def race(
    rounds: int, *, clock: Callable[[], float] = time.perf_counter, **runners: Callable[[], object]
) -> dict[str, list[float]]:
    """Seconds of each runner by a clock, run in turn after one warm-up of each."""
    for run in runners.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            start = clock()
            run()
            times[name].append(clock() - start)
    return times


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of a sample; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation, which a single value does not have."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {deviation(values):.3f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, the first row as the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def finish(text: str, figures: Mapping[str, float], targets: Mapping[str, str], *, met: bool, out: Path | None) -> None:
    """Print the table and, as the last line, the figures; keep both in `out`."""
    last = json.dumps({"figures": dict(figures), "targets": dict(targets), "met": met})
    print(text, last, sep="\n")
    if out:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        command = f"python -m {Path(sys.argv[0]).parent.name}.{Path(sys.argv[0]).stem} {shlex.join(sys.argv[1:])}"
        out.write_text(f"{command}\n{time.strftime('%Y-%m-%d')}, {machine}\n\n{text}\n\n{last}\n")
