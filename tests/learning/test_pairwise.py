"""The pairwise term is its formula on pictures of a few pixels, and nothing passes the gate."""

import math

import pytest
import torch

from geopointseg.learning.pairwise import gated_crf

NAN = float("nan")
FLAT = {"colour": 1.0, "distance": 1.0}


def picture(rows, bands=1):
    """One image of one band, or of more that repeat it."""
    return torch.tensor(rows, dtype=torch.float32)[None, None].expand(1, bands, -1, -1)


def sure(rows, classes=2):
    """Logits of a prediction without doubt."""
    return 1000 * torch.nn.functional.one_hot(torch.tensor(rows), classes).movedim(-1, 0)[None].float()


def test_by_hand_on_four_pixels():
    """Colours 0 0 2 2, classes 0 0 0 1; neighbours one pixel away: only the last pair has two classes."""
    logits, image = sure([[0, 0, 0, 1]]), picture([[0, 0, 2, 2]])
    kernel = math.exp(-1 / 2)  # no difference in colour, one pixel
    found = gated_crf(logits, image, radius=1, step=1, **FLAT)
    assert found.item() == pytest.approx(2 * kernel / 4)  # seen from both ends, over four pixels

    logits = sure([[0, 0, 1, 1]])  # a border where the colour changes by 2 costs less
    found = gated_crf(logits, image, radius=1, step=1, **FLAT)
    assert found.item() == pytest.approx(2 * math.exp(-3 * 2**2 / 2 - 1 / 2) / 4)


def test_by_hand_with_doubt():
    """Probabilities .8 .2 and .5 .5: a disagreement of 1 - (.4 + .1), although the classes may be one."""
    logits = torch.tensor([[[[0.8, 0.5]], [[0.2, 0.5]]]]).log()
    found = gated_crf(logits, picture([[3, 3]]), radius=1, step=1, **FLAT)
    assert found.item() == pytest.approx(2 * 0.5 * math.exp(-1 / 2) / 2)


def test_the_middle_of_nine_pixels_has_eight_neighbours():
    logits = sure([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    found = gated_crf(logits, torch.zeros(1, 3, 3, 3), radius=1, step=1, colour=1.0, distance=2.0)
    beside, across = math.exp(-1 / 8), math.exp(-2 / 8)
    assert found.item() == pytest.approx(2 * 4 * (beside + across) / 9)


def test_every_second_neighbour_stands_for_four():
    logits, image = sure([[0, 1, 1, 1, 0]]), torch.zeros(1, 1, 1, 5)
    found = gated_crf(logits, image, radius=3, step=2, **FLAT)  # pairs two pixels apart: 0-2 and 2-4 disagree
    assert found.item() == pytest.approx(4 * 2 * 2 * math.exp(-(2**2) / 2) / 5)


def test_one_class_everywhere_costs_nothing():
    rng = torch.Generator().manual_seed(0)
    logits = sure(torch.ones(6, 7, dtype=torch.long).tolist(), classes=3)
    assert gated_crf(logits, torch.randn(1, 4, 6, 7, generator=rng)) == 0


def test_bands_do_not_add_up():
    logits = sure([[0, 1]])
    costs = [gated_crf(logits, picture([[0, 1]], bands)).item() for bands in (1, 3, 12)]
    assert costs == pytest.approx(costs[:1] * 3)


def test_pixels_without_data_neither_give_nor_take():
    rng = torch.Generator().manual_seed(0)
    logits, image = torch.randn(1, 2, 4, 6, generator=rng), torch.randn(1, 3, 4, 6, generator=rng)
    image[:, 1, :, 4:] = NAN  # they lack one band
    logits.requires_grad_()
    found = gated_crf(logits, image)
    torch.testing.assert_close(found, gated_crf(logits[..., :4], image[..., :4]))
    found.backward()
    assert not logits.grad[..., 4:].any()
    assert logits.grad[..., :4].all()

    nothing = gated_crf(logits, torch.full_like(image, NAN))
    assert nothing == 0


def test_the_gradient_is_that_of_the_formula():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    image = torch.randn(2, 2, 4, 5, generator=rng, dtype=torch.float64)
    image[0, 0, 1, 1] = NAN
    assert torch.autograd.gradcheck(lambda z: gated_crf(z, image), logits)


def test_it_is_the_double_sum():
    rng = torch.Generator().manual_seed(1)
    logits, image = torch.randn(1, 3, 5, 6, generator=rng), torch.randn(1, 3, 5, 6, generator=rng)
    p, places = logits.softmax(dim=1), [(row, col) for row in range(5) for col in range(6)]
    total = 0.0
    for a in places:
        for b in places:
            offset = (b[0] - a[0], b[1] - a[1])
            if a != b and max(map(abs, offset)) <= 2:
                gap = (image[0, :, *a] - image[0, :, *b]).square().sum()
                kernel = torch.exp(-gap / (2 * 0.5**2) - sum(o * o for o in offset) / (2 * 6**2))
                total += kernel * (1 - (p[0, :, *a] * p[0, :, *b]).sum())
    torch.testing.assert_close(gated_crf(logits, image, radius=2, step=1), total / 30)


def test_bfloat16_is_summed_up_in_float32():
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    image = torch.zeros(1, 3, 8, 8)
    found = gated_crf(logits, image)
    assert found.dtype == torch.float32
    assert torch.equal(found, gated_crf(logits.float(), image))


def test_a_picture_smaller_than_the_square_is_no_trouble():
    logits = sure([[0, 1]])
    assert gated_crf(logits, picture([[0, 0]]), radius=10, step=2) == 0  # the next neighbour is two pixels away
    assert gated_crf(logits, picture([[0, 0]]), radius=10, step=1) > 0
