"""Build docs/report/report.html and report.pdf from benchmarks/results: python -m docs.report."""

import argparse
from pathlib import Path

from docs.report.chapters import chapters
from docs.report.page import as_html
from docs.report.sheets import as_pdf
from geopointseg.files import replacing

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Read the results and write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="what to report on")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    given = parser.parse_args()
    blocks = list(chapters(given.results))
    with replacing(given.out / "report.html", overwrite=True) as partial:
        partial.write_text(as_html(blocks), encoding="utf-8")
    print("wrote", given.out / "report.html", as_pdf(blocks, given.out / "report.pdf"), sep="\n  ")


if __name__ == "__main__":
    main()
