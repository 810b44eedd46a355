"""Augmentation moves image, mask and weight alike, invents no label, and keeps what has no data without data."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.augment import Augmentation, augment
from geopointseg.statistics import Statistics

PLAIN = Augmentation(flips=False, turns=False)
LIGHT = Statistics(mean=(100.0, 10.0), std=(20.0, 2.0), low=(0, 0), high=(0, 0))
NAN = float("nan")


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def chips(mask, image=None, weight=None):
    """A batch from masks (batch, side, side); by default image and weight repeat it."""
    mask = torch.tensor(mask)
    image = mask[:, None].float() if image is None else torch.as_tensor(image, dtype=torch.float32)
    weight = torch.where(mask == 255, 0, mask + 1).float() if weight is None else torch.as_tensor(weight)
    return {"image": image, "mask": mask, "weight": weight}


def placed(count=3, side=32, classes=4, seed=0):
    """A batch that tells where each pixel comes from: bands are row, column and chip; labels are random."""
    rng = draw(seed)
    mask = torch.randint(classes + 1, (count, side, side), generator=rng)
    mask[mask == classes] = 255
    places = torch.arange(side).float()
    rows, cols = torch.meshgrid(places, places, indexing="ij")
    image = torch.stack([torch.stack([rows, cols, torch.full_like(rows, n)]) for n in range(count)])
    weight = torch.where(mask == 255, 0.0, torch.rand(mask.shape, generator=rng) + 0.1)
    return {"image": image, "mask": mask, "weight": weight}


def equal(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


# invariants

SETTINGS = st.builds(
    Augmentation,
    flips=st.booleans(),
    turns=st.booleans(),
    scale=st.sampled_from([1.0, 1.33, 2.0]),
    cutmix=st.sampled_from([0.0, 0.5, 1.0]),
    classmix=st.sampled_from([0.0, 0.5, 1.0]),
)


@given(SETTINGS, st.integers(0, 10_000))
def test_no_label_is_invented(how, seed):
    """Each labelled pixel's class is that of the input pixel its image value came from, and so is its weight."""
    before = placed(seed=seed)
    after = augment(before, how, LIGHT, draw(seed))
    assert {key: (v.shape, v.dtype) for key, v in after.items()} == {
        key: (v.shape, v.dtype) for key, v in before.items()
    }
    labelled = after["mask"] != 255
    row, col, chip = after["image"].movedim(1, 0)[:, labelled]
    assert torch.equal(chip, chip.round())  # no pixel is a blend of two chips
    nearest = [
        (chip.long(), (row + up).round().long().clamp(0, 31), (col + left).round().long().clamp(0, 31))
        for up in (-1e-3, 1e-3)  # halfway between two pixels either is nearest
        for left in (-1e-3, 1e-3)
    ]
    assert torch.stack([before["mask"][at] == after["mask"][labelled] for at in nearest]).any(dim=0).all()
    if how.scale == 1:
        assert torch.equal(before["weight"][nearest[0]], after["weight"][labelled])
    assert (after["weight"][~labelled] == 0).all()
    assert (after["weight"][labelled] > 0).all()


@given(SETTINGS, st.integers(0, 10_000))
def test_the_same_draw_gives_the_same_chips_and_leaves_the_input_alone(how, seed):
    batch, kept = placed(seed=seed), placed(seed=seed)
    assert equal(augment(batch, how, LIGHT, draw(seed)), augment(batch, how, LIGHT, draw(seed)))
    assert equal(batch, kept)


def test_nothing_asked_for_changes_nothing():
    batch = placed()
    assert equal(augment(batch, PLAIN, LIGHT, draw()), batch)


# flips and turns


@pytest.mark.parametrize(("flips", "turns", "orientations"), [(True, True, 8), (True, False, 4), (False, True, 4)])
def test_chips_are_mirrored_and_turned(flips, turns, orientations):
    picture = torch.arange(16).view(4, 4)
    every = [torch.rot90(one, k) for one in (picture, picture.flip(0)) for k in range(4)]
    batch = chips(picture.expand(64, 4, 4).tolist())
    after = augment(batch, Augmentation(flips=flips, turns=turns), LIGHT, draw())
    seen = {next(k for k, one in enumerate(every) if torch.equal(one, mask)) for mask in after["mask"]}
    assert len(seen) == orientations
    assert torch.equal(after["image"][:, 0], after["mask"].float())
    assert torch.equal(after["weight"], after["mask"] + 1.0)


def test_flips_and_turns_keep_nan_and_unlabelled():
    batch = chips([[[255, 1], [0, 255]]], image=[[[[NAN, 1], [0, 5]]]])
    for seed in range(8):
        after = augment(batch, Augmentation(), LIGHT, draw(seed))
        assert sorted(after["mask"].flatten().tolist()) == [0, 1, 255, 255]
        assert torch.equal(after["image"][0, 0][after["mask"][0] == 1], torch.tensor([1.0]))
        assert after["image"].isnan().sum() == 1


# scale


def scaled(batch, zoom, monkeypatch, place=0.0):
    """The batch at one zoom, at a place from -1 (the first rows and columns) to 1."""

    def fixed(shape, low, high, generator, device):
        return torch.full(shape, math.log(zoom) if shape[1] == 1 else place)

    monkeypatch.setattr("geopointseg.learning.augment._uniform", fixed)
    return augment(batch, Augmentation(flips=False, turns=False, scale=2.0), LIGHT, draw())


def test_twice_as_large_shows_half_of_the_rows(monkeypatch):
    mask = [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 255]]]
    after = scaled(chips(mask), 2, monkeypatch)
    assert after["mask"].tolist() == [[[5, 5, 6, 6], [5, 5, 6, 6], [9, 9, 10, 10], [9, 9, 10, 10]]]
    assert after["weight"][0, 0].tolist() == [6 / 4, 6 / 4, 7 / 4, 7 / 4]  # each pixel now covers four
    assert after["image"][0, 0, :2].tolist() == [[3.75, 4.25, 4.75, 5.25], [5.75, 6.25, 6.75, 7.25]]  # 4 rows + columns


def test_half_as_large_is_unlabelled_beyond_and_mirrored(monkeypatch):
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[:, 2:] = 7
    after = scaled(chips(mask.tolist()), 0.5, monkeypatch)
    assert after["mask"].tolist() == [
        [[255] * 4, [255, 0, 0, 255], [255, 7, 7, 255], [255] * 4],
    ]
    assert after["image"][0, 0].tolist() == [[0.0] * 4, [0.0] * 4, [7.0] * 4, [7.0] * 4]
    assert after["weight"][0].tolist() == [[0] * 4, [0, 4, 4, 0], [0, 32, 32, 0], [0] * 4]  # each stands for four


def test_what_has_no_data_neither_grows_nor_fades(monkeypatch):
    image = torch.full((1, 2, 4, 4), 8.0)
    image[0, 0, :, 1] = NAN  # in one band
    image[0, 1] *= 2
    after = scaled(chips([[[0] * 4] * 4], image=image), 2, monkeypatch)
    assert after["image"][0, 0].isnan().tolist() == [[True, True, False, False]] * 4
    assert after["image"][0, 0, :, 2:].unique().tolist() == [8]
    assert after["image"][0, 1].unique().tolist() == [16]


@pytest.mark.parametrize(("place", "first"), [(-1, 0), (1, 16)])
def test_a_larger_view_lies_anywhere_on_the_chip(monkeypatch, place, first):
    after = scaled(placed(), 2, monkeypatch, place)
    rows, cols = after["image"][0, :2]
    assert (rows.min().round(), cols.min().round()) == (first, first)
    assert (rows.max().round(), cols.max().round()) == (first + 15, first + 15)


@given(st.integers(0, 10_000), st.floats(1.01, 2))
def test_a_click_weighs_the_same_at_every_scale(seed, scale):
    """A region wholly in view keeps its total weight, up to the pixels of its border."""
    mask = torch.full((1, 64, 64), 255)
    mask[:, 24:40, 24:40] = 3
    batch = chips(mask.tolist(), weight=torch.where(mask == 3, 1 / 256, 0.0))
    after = augment(batch, Augmentation(flips=False, turns=False, scale=scale), LIGHT, draw(seed))
    edge = torch.cat([after["mask"][0, [0, -1]].flatten(), after["mask"][0, :, [0, -1]].flatten()])
    if (edge == 255).all():  # no part of it has left the chip
        assert after["weight"].sum() == pytest.approx(1, abs=0.3)  # 8 rows of 16 at least, one more or less


# mixing


def test_cutmix_pastes_a_box_of_another_chip_with_its_unlabelled_pixels():
    batch = placed(count=4)
    after = augment(batch, Augmentation(flips=False, turns=False, cutmix=1.0), LIGHT, draw(3))
    for number in range(4):
        source = after["image"][number, 2]
        pasted = source != number
        rows, cols = pasted.any(dim=1).nonzero().flatten(), pasted.any(dim=0).nonzero().flatten()
        assert pasted.sum() == len(rows) * len(cols)  # a box
        assert len(rows) == rows.max() - rows.min() + 1
        assert abs(len(rows) - len(cols)) <= 1
        (other,) = source[pasted].unique().long().tolist()
        for key in batch:
            assert torch.equal(after[key][number][..., pasted], batch[key][other][..., pasted])
            assert torch.equal(after[key][number][..., ~pasted], batch[key][number][..., ~pasted])
        assert (after["mask"][number][pasted] == 255).any()


def test_classmix_pastes_the_labelled_pixels_of_half_of_the_classes():
    mask = [[[255, 255], [255, 9]], [[0, 1], [2, 255]]]
    image = [[[[10, 11], [12, 13]]], [[[20, 21], [22, NAN]]]]
    seen = set()
    for seed in range(40):
        after = augment(
            chips(mask, image=image), Augmentation(flips=False, turns=False, classmix=1.0), LIGHT, draw(seed)
        )
        flat, pixels = after["mask"][0].flatten().tolist(), after["image"][0, 0].flatten().tolist()
        assert flat[3] == 9  # unlabelled there: nothing to paste
        assert pixels == [20 + i if flat[i] == i else 10 + i for i in range(4)]
        seen.add(tuple(c for c in flat if c in (0, 1, 2)))
        assert after["mask"][1].tolist() == [[0, 1], [2, 9]]  # the only class of the other chip
    assert seen == {(0, 1), (0, 2), (1, 2)}  # two of three: half, rounded up


def test_a_chip_without_labels_gives_nothing():
    batch = chips([[[0, 1], [1, 0]], [[255, 255], [255, 255]]])
    after = augment(batch, Augmentation(flips=False, turns=False, classmix=1.0), LIGHT, draw())
    assert torch.equal(after["mask"][0], batch["mask"][0])


@pytest.mark.parametrize("mix", ["cutmix", "classmix"])
def test_a_share_of_the_chips_is_mixed(mix):
    batch = placed(count=100, side=8)
    after = augment(batch, Augmentation(flips=False, turns=False, **{mix: 0.3}), LIGHT, draw())
    own = torch.arange(100)[:, None, None]
    assert 15 <= (after["image"][:, 2] != own).flatten(1).any(dim=1).sum() <= 45


def test_a_chip_alone_has_nothing_to_mix_with():
    batch = placed(count=1)
    assert equal(augment(batch, Augmentation(flips=False, turns=False, cutmix=1, classmix=1), LIGHT, draw()), batch)


# light


def test_jitter_is_one_gain_a_chip_and_one_offset_a_band_within_its_bounds():
    values = torch.tensor([60.0, 100.0, 140.0, NAN]).view(1, 1, 2, 2)
    image = torch.cat([values, values / 10], dim=1).expand(
        200, 2, 2, 2
    )  # band by band: mean - 2 std, mean, mean + 2 std
    batch = chips([[[0, 1], [255, 255]]] * 200, image=image)
    after = augment(batch, Augmentation(flips=False, turns=False, jitter=0.5), LIGHT, draw())
    assert torch.equal(after["mask"], batch["mask"])
    assert torch.equal(after["weight"], batch["weight"])
    assert torch.equal(after["image"].isnan(), image.isnan())
    mean, std = (torch.tensor(v)[:, None] for v in (LIGHT.mean, LIGHT.std))
    low, middle, high = ((after["image"].flatten(2)[..., :3] - mean) / std).unbind(dim=2)
    gain = (high - low) / 4
    torch.testing.assert_close(middle - low, high - middle)  # straight
    torch.testing.assert_close(gain[:, 0], gain[:, 1])  # one gain
    assert math.exp(-0.5) <= gain.min() < 0.65 < 1.55 < gain.max() <= math.exp(0.5) + 1e-4
    assert middle.abs().max() <= 1  # half a deviation for all bands, and half for each
    assert middle.abs().max() > 0.7
    assert (middle[:, 0] - middle[:, 1]).abs().max() <= 1
    assert (middle[:, 0] - middle[:, 1]).abs().mean() > 0.1
    assert abs(middle.mean()) < 0.1


def test_a_chip_pasted_from_two_has_one_light():
    batch = placed(count=2) | {"image": torch.ones(2, 2, 32, 32)}
    how = Augmentation(cutmix=1.0, classmix=1.0, jitter=1.0)
    after = augment(batch, how, LIGHT, draw())
    assert (after["image"].flatten(2).std(dim=2) == 0).all()


# refusals


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("scale", 0.75, "expected a scale from 1 to 2, got 0.75"),
        ("scale", 3, "expected a scale from 1 to 2"),
        ("cutmix", 1.5, "expected cutmix as a share"),
        ("classmix", -1, "expected classmix as a share"),
        ("jitter", -0.1, "expected a jitter of 0 or more"),
        ("jitter", NAN, "expected a jitter of 0 or more"),
    ],
)
def test_what_has_no_meaning_is_refused(option, value, message):
    with pytest.raises(GeoPointSegError, match=message):
        Augmentation(**{option: value})
