"""bfloat16 is checked on held-out chips, or on those of training where none is held out, and where there are data."""

import numpy as np
import pytest
import torch

from geopointseg.learning.judge import check_bfloat16

CHIP = 32


class Fine(torch.nn.Module):
    """A network that tells 257 from 256, which bfloat16 cannot: it has eight bits of mantissa."""

    def __init__(self):
        super().__init__()
        self.conv, self.device = torch.nn.Conv2d(1, 2, 1), torch.device("cpu")
        with torch.no_grad():
            self.conv.weight[:], self.conv.bias[:] = (
                torch.tensor([0.0, 1.0]).view(2, 1, 1, 1),
                torch.tensor([0, -256.5]),
            )

    def forward(self, x):
        return self.conv(x.nan_to_num())


@pytest.fixture
def field(study):
    """`field(split)`: four chips, a click of that split in each of the upper two; the lower two are not to be looked at."""

    def make(split):
        image = np.full((2 * CHIP, 2 * CHIP), 257, np.uint16)
        image[:CHIP] = 256
        image[:8, :CHIP] = 257  # a quarter of the first chip
        image[:CHIP, CHIP:][:16] = 0  # half of the second has no data
        mask = np.full(image.shape, 255, np.uint8)
        mask[10, 10] = 0
        clicks = [(20, 10, 0, split), (20, 50, 1, split)]
        if split == "test":
            clicks.append((60, 10, 0, "train"))
        return study(
            {"a": (image, mask, (mask == 0).astype(np.float32))}, clicks, raster={"nodata": 0}, chip=CHIP, batch_size=1
        )

    return make


@pytest.mark.parametrize(("split", "chips"), [("test", "held-out chips"), ("train", "training chips")])
def test_bfloat16_is_checked_on_the_right_chips_and_pixels_alone(field, split, chips):
    found = check_bfloat16(Fine(), field(split))
    assert (found.pixels, found.chips) == (CHIP * CHIP * 3 // 2, chips)
    assert found.equal == 1 - (8 * CHIP) / found.pixels
    assert not found.safe
