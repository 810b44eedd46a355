"""The page says what every score was taken on, what was dropped and what a random split would have said."""

from dataclasses import replace

import numpy as np
import pytest

from geopointseg.maps.assess import Assessment
from geopointseg.maps.boundaries import Boundaries
from geopointseg.maps.calibration import Calibration
from geopointseg.maps.page import Comparison, Extras, explain, write_page


@pytest.fixture
def judged(classes):
    """Assessments on three bases; of five classes one is nowhere."""

    def make(basis, right=4):
        matrix = np.diag([right, 4, 3, 0, 2])
        matrix[0, 1] = 2
        return Assessment(matrix, classes, basis)

    return make


def test_each_place_has_a_table_of_its_own_and_a_meaning(judged, tmp_path):
    bases = ["dense truth, new place", "dense truth, same place", "held-out points"]
    page = write_page(tmp_path / "r.html", "T", {}, {}, [judged(basis) for basis in bases], {}).read_text()
    for basis in bases:
        assert f"<h2>Scores on {basis}</h2>" in page
    assert page.count("<th>class<th>IoU") == 3
    assert page.index("no training chip has reached") < page.index("which training has seen")
    assert "user's (precision)" in page.replace("&#x27;", "'")
    assert "run with --compare-splits" in page


def test_splits_stand_side_by_side_with_their_meaning(judged, tmp_path):
    both = Comparison(judged("held-out points"), judged("held-out points", right=40))
    page = write_page(tmp_path / "r.html", "T", {}, {}, [both.blocked], {}, Extras(comparison=both)).read_text()
    blocked, random = (one.scores()["miou"] for one in (both.blocked, both.random))
    assert f"<tr><td>mean IoU<td>{random:.3f}<td>{blocked:.3f}</tr>" in page
    assert f"differ by {random - blocked:+.3f} in mean IoU" in page
    assert "run with --compare-splits" not in page
    nothing = Comparison(*(Assessment(np.zeros((5, 5), np.int64), both.blocked.classes, "held-out points"),) * 2)
    assert "differ by" not in explain(nothing)


def test_what_was_dropped_and_hashes_are_on_the_page(judged, tmp_path):
    extras = Extras({"outside <every> raster": 1234}, {"points": "ab" * 32})
    page = write_page(tmp_path / "r.html", "T", {}, {}, [judged("held-out points")], {}, extras).read_text()
    assert "outside &lt;every&gt; raster</th><td>1,234" in page
    assert "ab" * 32 in page
    empty = write_page(tmp_path / "e.html", "T", {}, {}, [], {}).read_text()
    assert "Nothing to judge the map on" in empty
    assert "Points that were not used" not in empty


def test_borders_and_calibration_are_shown_where_they_were_judged(judged, tmp_path):
    counts = np.tile([4, 2, 4, 2], (5, 1))
    sure = np.zeros((251, 2), np.int64)
    sure[250] = 10, 6
    one = replace(judged("dense truth"), boundaries=Boundaries(3.0, counts), calibration=Calibration(sure))
    page = write_page(tmp_path / "r.html", "T", {}, {}, [one], {}).read_text()
    assert "<b>0.500</b>boundary F within 3 m" in page
    assert "<b>0.400</b>calibration error" in page


def test_it_fits_phones_and_paper(judged, tmp_path):
    page = write_page(tmp_path / "r.html", "T", {}, {}, [judged("held-out points")], {}).read_text()
    for rule in (
        "width=device-width, initial-scale=1",
        "@media print",
        "@media (max-width: 34rem)",
        "overflow-x: auto",
    ):
        assert rule in page
