"""Chips hold exactly the pixels that rasterio reads, lie around the points, and never mix rasters."""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from torch.utils.data import DataLoader

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.augment import Augmentation
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.datasets import HeldOut
from geopointseg.learning.samplers import PointGeoSampler, TileGeoSampler
from geopointseg.learning.sites import Sites
from geopointseg.raster import open_raster

GRIDS = {
    "square": {"pixel": (10.0, 10.0)},
    "fractional origin": {"origin": (400_003.337, 5_800_001.219), "pixel": (0.3, 0.3)},
    "not square": {"origin": (400_000.7, 5_799_999.1), "pixel": (7.3, 4.1)},
    "degrees": {"crs": "EPSG:4326", "origin": (13.400_012_3, 52.400_045_6), "pixel": (1 / 5400, 1 / 3600)},
}
CLICKS = [(0, 0, 0, "train"), (79, 110, 0, "train"), (40, 50, 1, "train"), (10, 100, 1, "train"), (60, 20, 1, "test")]


def flat(value, shape=(64, 64), mask=0):
    """A picture of one value."""
    return np.full(shape, value, np.uint8), np.full(shape, mask, np.uint8), np.ones(shape, np.float32)


def chips(module):
    """Every training chip of an epoch, as the task gets them but not turned."""
    for batch in module.train_dataloader():
        moved = module.transfer_batch_to_device(batch, torch.device("cpu"), 0)
        yield from ({key: tensor[i] for key, tensor in moved.items()} for i in range(len(moved["image"])))


# reading


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("raster", GRIDS.values(), ids=GRIDS)
def test_chips_are_what_rasterio_reads(study, located, window_of, tmp_path, raster, workers):
    module = study(
        {"a": located(80, 111)},
        CLICKS,
        raster=raster,
        chip=32,
        steps=5,
        batch_size=4,
        num_workers=workers,
        weight_power=1,
    )
    module.setup("fit")
    image, (mask, weight) = module.rasters[0].path, (tmp_path / "masks" / "a.tif", tmp_path / "masks" / "a_weights.tif")
    places = set()
    for chip in chips(module):
        row, col = (int(chip["image"][band, 0, 0]) for band in (0, 1))
        np.testing.assert_array_equal(chip["image"], window_of(image, row, col, 32, 32))
        np.testing.assert_array_equal(chip["mask"], window_of(mask, row, col, 32, 32)[0])
        np.testing.assert_array_equal(chip["weight"], window_of(weight, row, col, 32, 32)[0])
        places.add((row, col))
    assert len(places) > 10


@pytest.mark.parametrize(("power", "weights"), [(1, (0, 0.25, 4)), (0.5, (0, 0.5, 2)), (0, (0, 1, 1))])
def test_weights_are_raised_to_their_power(study, power, weights):
    values = np.array([0, 0.25, 4], np.float32)
    picture = np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8), np.resize(values, (32, 32))
    module = study({"a": picture}, [(0, 0, 0, "train")], chip=32, weight_power=power)
    module.setup("fit")
    chip = next(chips(module))
    assert set(chip["weight"].unique().tolist()) == set(weights)
    assert module.card["sampling"]["weight_power"] == power


def test_every_pixel_of_a_grid_can_be_asked_for(study, located, window_of, tmp_path):
    for name, raster in GRIDS.items():
        module = study({name.split()[0]: located(40, 50)}, [(0, 0, 0, "train")], raster=raster, chip=32)
        module.setup("fit")
        for row in range(9):
            for col in range(0, 19, 3):
                one = Sites([0], [row], [col], [0])
                query = next(iter(PointGeoSampler(module.rasters, one, chip=32, length=1, seed=row)))
                sample = module.train_dataset[query]
                r, c = (int(sample["image"][band, 0, 0]) for band in (0, 1))
                np.testing.assert_array_equal(sample["image"], window_of(module.rasters[0].path, r, c, 32, 32))
                np.testing.assert_array_equal(
                    sample["mask"], window_of(tmp_path / "masks" / f"{name.split()[0]}.tif", r, c, 32, 32)[0]
                )


def test_a_batch_holds_image_mask_and_weight_alone(study, located):
    module = study({"a": located(80, 111)}, CLICKS, chip=32, steps=1, batch_size=3)
    module.setup("fit")
    batch = module.transfer_batch_to_device(next(iter(module.train_dataloader())), torch.device("cpu"), 0)
    assert {key: (tuple(value.shape), value.dtype) for key, value in batch.items()} == {
        "image": ((3, 3, 32, 32), torch.float32),
        "mask": ((3, 32, 32), torch.int64),
        "weight": ((3, 32, 32), torch.float32),
    }
    batch = module.transfer_batch_to_device(next(iter(module.val_dataloader())), torch.device("cpu"), 0)
    assert {key: value.dtype for key, value in batch.items()} == {"image": torch.float32, "mask": torch.int64}


def test_rasters_of_one_place_at_two_dates_are_never_merged(study):
    # listed against the alphabet, since TorchGeo sorts its files
    pictures = {"2024": flat(24, mask=1), "2023": flat(23, mask=0), "2025": flat(25, mask=255)}
    module = study(pictures, [(5, 5, 0, "train"), (60, 60, 1, "train")], chip=32, steps=6, batch_size=8)
    module.setup("fit")
    seen = Counter()
    for chip in chips(module):
        assert len(chip["image"].unique()) == len(chip["mask"].unique()) == 1
        seen[int(chip["image"][0, 0, 0]), int(chip["mask"][0, 0])] += 1
    assert seen.keys() == {(24, 1), (23, 0), (25, 255)}


def test_rasters_that_overlap_in_part_keep_to_themselves(study, raster_file, tmp_path):
    module = study({"west": flat(1, mask=0)}, [(30, 50, 0, "train"), (30, 10, 1, "train")], chip=32)
    east = {"origin": (400_000 + 10 * 32, 5_800_000)}
    image, mask, weight = flat(2, mask=1)
    raster_file(image, "east.tif", folder=tmp_path / "images", **east)
    with rasterio.open(raster_file(mask, "east.tif", folder=tmp_path / "masks", nodata=255, **east), "r+") as made:
        made.update_tags(CLASSES=module.points.classes.to_tag())
    raster_file(weight, "east_weights.tif", folder=tmp_path / "masks", nodata=0, **east)
    module = PointDataModule(
        [str(tmp_path / "images")], tmp_path / "masks", tmp_path / "points.gpkg", chip=32, steps=4, batch_size=8
    )
    module.setup("fit")
    seen = {(chip["image"].unique().tolist()[0], chip["mask"].unique().tolist()[0]) for chip in chips(module)}
    assert seen == {(1, 0), (2, 1)}
    assert all(len(chip["image"].unique()) == 1 for chip in chips(module))


def test_a_pixel_without_data_is_nan_in_a_chip(study, located, window_of):
    image, mask, weight = located(40, 40)
    image[:, 10:20, 5:30] = 0
    module = study({"a": (image, mask, weight)}, [(15, 15, 0, "train")], raster={"nodata": 0}, chip=32, steps=1)
    module.setup("fit")
    for chip in chips(module):
        row, col = (int(np.nanmin(chip["image"][band])) for band in (0, 1))
        row, col = max(row, 1) - (row <= 1), max(col, 1) - (col <= 1)  # row and column 0 are "no data" themselves
        expected = window_of(module.rasters[0].path, row, col, 32, 32).astype(np.float32)
        expected[expected == 0] = np.nan
        np.testing.assert_array_equal(chip["image"], expected)


def test_a_raster_smaller_than_a_chip_is_padded_with_nothing(study, located):
    image, mask, weight = located(20, 40)
    module = study(
        {"a": (image, mask, weight)}, [(3, 5, 0, "train"), (19, 39, 1, "train")], chip=64, steps=1, weight_power=1
    )
    module.setup("fit")
    for chip in chips(module):
        np.testing.assert_array_equal(chip["image"][:, :20, :40], image)
        np.testing.assert_array_equal(chip["mask"][:20, :40], mask)
        np.testing.assert_array_equal(chip["weight"][:20, :40], weight)
        outside = torch.ones(64, 64, dtype=torch.bool)
        outside[:20, :40] = False
        assert chip["image"][:, outside].isnan().all()
        assert chip["mask"][outside].unique().tolist() == [255]
        assert chip["weight"][outside].unique().tolist() == [0]


# held-out points

HELD = [(0, 0, 0), (31, 31, 1), (31, 32, 0), (32, 31, 1), (79, 110, 1), (64, 96, 0), (63, 95, 0)]


def test_each_held_out_point_is_judged_exactly_once(study, located):
    clicks = [(row, col, c, "test") for row, col, c in HELD] + [(40, 40, 0, "train"), (50, 50, 1, "train")]
    module = study({"a": located(80, 111)}, clicks, chip=32, batch_size=2)
    module.setup("fit")
    found = []
    for batch in module.val_dataloader():
        for image, mask in zip(batch["image"], batch["mask"], strict=True):
            assert (mask != 255).any()  # a tile without points is not read
            for row, col in (mask != 255).nonzero().tolist():
                found.append((*(int(image[band, row, col]) for band in (0, 1)), int(mask[row, col])))
    assert sorted(found) == sorted(HELD)
    assert len(module.val_sampler) == len({(r // 32, c // 32) for r, c, _ in HELD})


def test_a_point_held_out_on_two_rasters_counts_on_each(raster_file):
    rasters = [open_raster(raster_file(np.full((40, 40), i, np.uint8), f"{i}.tif")) for i in (1, 2)]
    where = Sites([0, 1], [35, 35], [35, 35], [1, 1])
    held = HeldOut(rasters, where)
    samples = [held[query] for query in TileGeoSampler(rasters, where, chip=32)]
    assert [float(s["image"][0, 0, 0]) for s in samples] == [1, 2]
    assert [int((s["mask"] != 255).sum()) for s in samples] == [1, 1]
    assert all(s["mask"][3, 3] == 1 and s["mask"].dtype == torch.int64 for s in samples)


def test_without_held_out_points_there_is_nothing_to_validate(study, located):
    module = study({"a": located(64, 64)}, [(1, 1, 0, "train"), (2, 2, 1, "train")], chip=32)
    module.setup("fit")
    assert module.val_dataloader() == []


# augmenting


def stepping(module, *steps, training=True):
    """A batch as it comes at some steps of training."""
    batch = next(iter(module.train_dataloader()))
    for step in steps:
        loop = SimpleNamespace(total_batch_idx=step - 1)
        module.trainer = SimpleNamespace(training=training, global_rank=0, world_size=1, fit_loop=loop)
        yield module.on_after_batch_transfer(batch, 0)


def test_training_chips_are_flipped_and_turned_by_default(study, located):
    module = study({"a": located(64, 64)}, CLICKS[:1], chip=32, batch_size=2, steps=1)
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    corners = [0, 0, -1, -1], [0, -1, 0, -1]
    seen = {tuple(one["image"][0, :2, *corners].flatten().tolist()) for one in stepping(module, *range(40))}
    assert len(seen) == 8
    for one in stepping(module, 3):
        assert torch.equal(one["image"].flatten(2).sort().values, batch["image"].flatten(2).sort().values)


def test_augmentation_depends_on_seed_and_step_alone(study, located):
    module = study(
        {"a": located(64, 64)}, CLICKS[:1], chip=32, steps=1, augmentation=Augmentation(jitter=0.5, scale=1.3)
    )
    module.setup("fit")
    torch.manual_seed(1)
    first, second = stepping(module, 0, 1)
    torch.manual_seed(2)
    again, other = stepping(module, 1, 0)
    assert torch.equal(first["image"], other["image"])
    assert torch.equal(second["image"], again["image"])
    assert not torch.equal(first["image"], second["image"])


def test_only_training_chips_are_augmented(study, located):
    module = study({"a": located(64, 64)}, [(1, 1, 0, "train"), (40, 40, 1, "test")], chip=32)
    module.setup("fit")
    module.trainer = SimpleNamespace(training=False, global_rank=0, world_size=1)
    batch = next(iter(module.val_dataloader()))
    assert module.on_after_batch_transfer(batch, 0) is batch


# processes


@pytest.mark.slow
def test_workers_under_spawn_read_the_same_batches(study, located):
    """As on Windows and macOS, where a worker gets its dataset through pickle."""
    module = study({"a": located(80, 111), "b": located(60, 70)}, CLICKS, chip=32, steps=4, batch_size=4)
    module.setup("fit")
    batches = {}
    for workers, context in ((0, None), (2, "spawn")):
        next(iter(module.train_dataloader()))  # the main process holds the files open
        module.train_sampler.set_epoch(1)
        loader = DataLoader(
            module.train_dataset,
            4,
            sampler=module.train_sampler,
            num_workers=workers,
            multiprocessing_context=context,
        )
        batches[workers] = list(loader)
    for alone, spawned in zip(batches[0], batches[2], strict=True):
        assert all(torch.equal(alone[key], spawned[key]) for key in ("image", "mask", "weight"))


@pytest.mark.parametrize(("gpu", "pinned"), [(True, True), (False, False)])
def test_beside_a_gpu_chips_are_read_ahead_into_pinned_memory(study, located, monkeypatch, gpu, pinned):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    module = study({"a": located(64, 64)}, CLICKS[:1], chip=32)
    module.setup("fit")
    loader = module.train_dataloader()
    assert (loader.pin_memory, loader.num_workers > 0, loader.persistent_workers) == (pinned,) * 3


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"num_workers": -1}])
def test_numbers_that_cannot_work_are_refused(study, located, wrong):
    with pytest.raises(GeoPointSegError, match="expected at least one chip in a batch and 0 or more workers"):
        study({"a": located(64, 64)}, CLICKS[:1], chip=32, **wrong)


def test_a_negative_power_is_refused(study, located):
    with pytest.raises(GeoPointSegError, match="expected a weight_power from 0 on, got -1"):
        study({"a": located(64, 64)}, CLICKS[:1], chip=32, weight_power=-1)


def test_processes_take_parts_of_every_step(study, located):
    def images(rank, ranks, batch_size):
        module = study({"a": located(80, 111)}, CLICKS, chip=32, steps=3, batch_size=batch_size)
        module.trainer = SimpleNamespace(global_rank=rank, world_size=ranks)
        module.setup("fit")
        return [batch["image"] for batch in module.train_dataloader()]

    alone, first, second = images(0, 1, 4), images(0, 2, 2), images(1, 2, 2)
    assert len(alone) == len(first) == len(second) == 3
    assert all(torch.equal(torch.cat(pair), whole) for *pair, whole in zip(first, second, alone, strict=True))


# a share of the rasters


def test_a_share_of_the_rasters_is_trained_on_and_recorded(study):
    clicks = [(5, 5, 0, "train"), (60, 60, 1, "train"), (30, 30, 0, "test")]
    pictures = {name: flat(value) for value, name in enumerate("abcd")}
    module = study(pictures, clicks, chip=32, steps=4, train_fraction=0.5, seed=1)
    module.setup("fit")
    kept = module.card["sampling"]["train_rasters"]
    assert len(kept) == 2
    seen = {"abcd"[int(chip["image"][0, 0, 0])] + ".tif" for chip in chips(module)}
    assert seen == set(kept)
    assert module.card["sampling"]["train_fraction"] == 0.5
    assert len(module.val_sampler) == 4  # held-out points are judged everywhere
    assert module.notes == (f"trained on 2 of 4 rasters with points: {', '.join(kept)}",)


def test_an_unknown_balance_is_refused(study):
    module = study({"a": flat(1)}, [(5, 5, 0, "train")], chip=32, balance="bar")
    with pytest.raises(GeoPointSegError, match=r"expected a balance of chips \(class, point\), got bar"):
        module.setup("fit")


def test_a_class_that_nothing_teaches_is_named(study):
    module = study({"a": flat(1)}, [(5, 5, 0, "train"), (60, 60, 1, "test")], chip=32)
    assert module.notes == (f"no training point, so not learnt: {module.points.classes.names[1]}",)


# the module


def test_the_card_is_plain_values_and_says_what_the_raster_is(study, located):
    module = study({"a": located(64, 80)}, CLICKS[:1], raster={"names": ("r", "c", "noise"), "nodata": 7}, chip=32)
    card = module.card
    assert json.loads(json.dumps(card)) == card
    rows, _, noise = located(64, 80)[0].astype(float)
    assert card["mean"][2] == pytest.approx(noise.mean(), rel=1e-6)
    assert card["std"][0] == pytest.approx(rows[rows != 7].std(), rel=1e-6)
    assert {
        k: card[k] for k in ("bands", "band_names", "dtype", "nodata", "pixel_size", "crs", "geographic", "chip")
    } == {
        "bands": [1, 2, 3],
        "band_names": ["r", "c", "noise"],
        "dtype": "uint16",
        "nodata": 7,
        "pixel_size": [10, 10],
        "crs": "EPSG:32633",
        "geographic": False,
        "chip": 32,
    }
    assert [row["name"] for row in card["classes"]] == ["a", "b"]


@pytest.mark.parametrize("chip", [0, -32, 16, 31])
def test_a_chip_too_small_for_the_networks_is_refused(study, located, chip):
    with pytest.raises(GeoPointSegError, match=f"expected chips of 32 pixels or more, got {chip}"):
        study({"a": located(64, 64)}, CLICKS[:1], chip=chip)


@pytest.mark.parametrize("missing", ["a.tif", "a_weights.tif"])
def test_a_missing_pseudo_mask_is_refused_with_the_remedy(study, located, tmp_path, missing):
    study({"a": located(64, 64)}, CLICKS[:1], chip=32)
    (tmp_path / "masks" / missing).unlink()
    with pytest.raises(
        GeoPointSegError, match=rf"expected .*{missing} for .*a\.tif, got no such file: run 'geopointseg"
    ):
        PointDataModule([str(tmp_path / "images")], tmp_path / "masks", tmp_path / "points.gpkg", chip=32)


@pytest.mark.parametrize(
    "other", [{"origin": (400_005.0, 5_800_000.0)}, {"pixel": (5.0, 5.0)}, {"crs": "EPSG:32632"}], ids=str
)
@pytest.mark.parametrize("name", ["a.tif", "a_weights.tif"])
def test_a_pseudo_mask_on_another_grid_is_refused(study, located, raster_file, tmp_path, name, other):
    study({"a": located(64, 64)}, CLICKS[:1], chip=32)
    raster_file(np.zeros((64, 64), np.uint8), name, folder=tmp_path / "masks", nodata=255, **other)
    with pytest.raises(GeoPointSegError, match=rf"expected .*{name} on the grid of .*a\.tif, got another grid"):
        PointDataModule([str(tmp_path / "images")], tmp_path / "masks", tmp_path / "points.gpkg", chip=32)


def test_a_damaged_pseudo_mask_is_refused(study, located, tmp_path):
    study({"a": located(64, 64)}, CLICKS[:1], chip=32)
    (tmp_path / "masks" / "a.tif").write_bytes(b"II*\x00 cut short")
    with pytest.raises(GeoPointSegError, match=r"a\.tif"):
        PointDataModule([str(tmp_path / "images")], tmp_path / "masks", tmp_path / "points.gpkg", chip=32)


@pytest.mark.parametrize("other", [{"crs": "EPSG:32632"}, {"pixel": (5.0, 5.0)}], ids=["CRS", "pixel size"])
def test_rasters_of_two_grids_are_refused(study, located, raster_file, tmp_path, other):
    study({"a": located(64, 64)}, CLICKS[:1], chip=32)
    image, mask, weight = located(64, 64)
    raster_file(image, "b.tif", folder=tmp_path / "images", **other)
    raster_file(mask, "b.tif", folder=tmp_path / "masks", nodata=255, **other)
    raster_file(weight, "b_weights.tif", folder=tmp_path / "masks", nodata=0, **other)
    with pytest.raises(GeoPointSegError, match=r"expected training rasters of one CRS and pixel size.*gdalwarp"):
        PointDataModule([str(tmp_path / "images")], tmp_path / "masks", tmp_path / "points.gpkg", chip=32).setup("fit")
