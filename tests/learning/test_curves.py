"""Tests of the curves' picture."""

import matplotlib.image
import pytest

from geopointseg.learning.curves import draw_curves


@pytest.mark.parametrize(
    "rows",
    [
        ["epoch,step,train_loss,val_miou,val_oa", "0,9,1.5,,", "0,10,,0.4,0.5"],
        ["epoch,step,train_loss", "0,9,1.5"],
        ["epoch,step,val_miou,val_oa", "0,2,0.4,0.5"],
    ],
    ids=["both", "nothing held out", "too short for a loss"],
)
def test_curves_are_drawn_from_what_the_log_holds(tmp_path, rows):
    log = tmp_path / "metrics.csv"
    log.write_text("\n".join(rows))
    height, width, _ = matplotlib.image.imread(draw_curves(tmp_path / "curves.png", log)).shape
    assert 300 < height < width < 1200
