"""The report says what the results files say, in HTML and in a PDF that stays the same."""

import json

import pytest
from matplotlib.figure import Figure

from docs.report.blocks import Heading, Paragraph, Table
from docs.report.chapters import chapters, verdict
from docs.report.page import as_html
from docs.report.sheets import as_pdf

HEAD = "| count | seeds | mIoU | gain in mIoU [95 %] | p | p, Holm | p, Wilcoxon |"
ROW = "| 10 | 3 | 0.4321 ± 0.01 | -0.100 [-0.2, -0.01] | 0.012 | 0.024 | – |"


def compared(p, p_holm):
    return {"level": "count 10", "baseline": "count 50", "pairs": 3, "mean": -0.1, "p": p, "p_holm": p_holm}


@pytest.fixture
def results(tmp_path):
    """One experiment, and one cell of the accuracy benchmark."""
    folder = tmp_path / "experiments" / "points" / "synthetic"
    folder.mkdir(parents=True)
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2])
    figure.savefig(folder / "figure.png")
    (folder / "table.md").write_text("\n".join(["# points", HEAD, "|" + " --- |" * 7, ROW]))
    facts = {
        "name": "points",
        "about": "How many < clicks?",
        "data": "synthetic",
        "setting": "new-place",
        "how": "Learnt from 4 images.",
        "command": "geopointseg experiment configs/experiments/points.yaml",
        "notes": ["1 of 5 cells are not there yet"],
        "dates": ["2026-11-26"],
        "commits": ["abc1234"],
        "devices": ["CPU, 2 cores"],
        "knees": {"network": {"at": 25.0, "low": 20.0, "high": 31.0, "found": 0.9, "seeds": 3}},
        "comparisons": [compared(0.012, 0.024)],
    }
    (folder / "experiment.json").write_text(json.dumps(facts))
    cell = tmp_path / "accuracy" / "dubai" / "new-place" / "50" / "best-0.json"
    cell.parent.mkdir(parents=True)
    matrix = [[90, 10], [10, 90]]
    said = {"method": "best", "budget": "50", "classes": ["a", "b"], "confusion": matrix, "seconds": {"training": 120}}
    cell.write_text(json.dumps(said))
    return tmp_path


def test_tables_knees_and_verdicts_are_those_of_the_files(results):
    blocks = [*chapters(results)]
    tables = [block for block in blocks if isinstance(block, Table)]
    assert tables[0].rows == [["10", "3", "0.4321 ± 0.01", "-0.100 [-0.2, -0.01]", "0.012", "0.024", "–"]]
    assert tables[1].rows == [["50", "best", "1", "0.818", "0.900", "0.900", "2.0"]]
    texts = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert any("knee at 25, 95 % interval 20 to 31" in text for text in texts)
    assert any("1 of 5 cells" in text for text in texts)
    assert any("nothing in them is evidence about real images" in text for text in texts)
    assert [block.text for block in blocks if isinstance(block, Heading) and block.level == 3] == [
        "points, synthetic, new-place",
        "dubai, new-place",
    ]


def test_what_is_not_shown_is_said():
    assert verdict([]).startswith("No comparison could be tested")
    assert verdict([compared(None, None)]).startswith("No comparison could be tested")
    assert "none of 2 differences" in verdict([compared(0.04, 0.08), compared(0.5, 0.5)])
    assert "; 1 would without it" in verdict([compared(0.04, 0.08), compared(0.5, 0.5)])
    assert "1 of 2 differences from the baseline hold" in verdict([compared(0.01, 0.02), compared(0.5, 0.5)])


def test_the_page_needs_nothing_beside_it(results):
    page = as_html(chapters(results))
    assert "How many &lt; clicks?" in page
    assert "data:image/png;base64," in page
    assert "http" not in page


def test_the_pdf_is_the_same_each_time(results, tmp_path):
    blocks = [*chapters(results), *[Table(HEAD.strip("|").split("|"), [["x"] * 7] * 90)]]
    first = as_pdf(blocks, tmp_path / "first.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    assert first.count(b"/Type /Page\n") + first.count(b"/Type /Page ") >= 3  # the long table goes on
    assert as_pdf(blocks, tmp_path / "second.pdf").read_bytes() == first


def test_without_results_there_is_a_report_all_the_same(tmp_path):
    blocks = [*chapters(tmp_path)]
    assert [block.text for block in blocks if isinstance(block, Heading)][-1] == "Limits"
    assert as_pdf(blocks, tmp_path / "empty.pdf").exists()
