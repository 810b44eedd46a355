"""The task normalises for itself, learns from few labelled pixels, and judges on held-out points alone."""

import math
from itertools import pairwise

import lightning
import numpy as np
import pytest
import torch
import yaml

from geopointseg.errors import GeoPointSegError
from geopointseg.learning import bundle
from geopointseg.learning.objective import weighted_sum
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.unlabelled import Unlabelled

QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((32, 32), np.uint8))
NAMES = ("a", "b", "c", "d")


def card(mean=(100.0, 50.0), std=(20.0, 10.0), classes=3):
    """What a data module would say."""
    records = [{"id": i, "name": f"class {i}", "color": f"#00000{i}", "code": 10 * i} for i in range(classes)]
    return {"bands": list(range(1, len(mean) + 1)), "mean": list(mean), "std": list(std), "classes": records}


def build(given=None, seed=0, **options):
    """A small task with the same random start for the same seed."""
    lightning.seed_everything(seed, verbose=False)
    return PointSegmentationTask(given or card(), model="unet", backbone="resnet18", **options)


def trainer(steps, **options):
    """Lightning without files, bars and notices."""
    return lightning.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        **options,
    )


@pytest.fixture
def quarters(study):
    """Four fields of one colour each, one labelled point in each field and one held out."""
    image = np.stack([60 + 40 * QUARTERS, 200 - 50 * QUARTERS, 30 + 0 * QUARTERS]).astype(np.uint8)
    image[2] += np.random.default_rng(0).integers(20, size=QUARTERS.shape, dtype=np.uint8)
    mask, weight = np.full(QUARTERS.shape, 255, np.uint8), np.zeros(QUARTERS.shape, np.float32)
    train = [(10, 10, 0), (12, 50, 1), (50, 12, 2), (52, 53, 3)]
    for row, col, c in train:
        region = np.s_[row - 6 : row + 6, col - 6 : col + 6]  # what its superpixel might be
        mask[region], weight[region] = c, 1 / 144
    test = [(20, 20, 0), (20, 44, 1), (44, 20, 2), (44, 44, 3)]
    clicks = [*((*one, "train") for one in train), *((*one, "test") for one in test)]

    def make(**options):
        return study({"a": (image, mask, weight)}, clicks, names=NAMES, chip=64, **options)

    return make


pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
]


# normalisation


def test_pixels_without_data_give_finite_logits():
    task = build().eval()
    x = torch.full((1, 2, 32, 32), float("nan"))
    x[:, :, :10] = 100
    with torch.inference_mode():
        logits = task(x)
    assert logits.shape == (1, 3, 32, 32)
    assert logits.isfinite().all()


def test_a_pixel_without_data_looks_like_the_mean():
    task = build().eval()
    x = torch.normal(torch.tensor([100.0, 50.0])[None, :, None, None].expand(1, 2, 32, 32), 10.0)
    y = x.clone()
    x[:, :, 5:9], y[:, :, 5:9] = float("nan"), torch.tensor([100.0, 50.0])[None, :, None, None]
    with torch.inference_mode():
        torch.testing.assert_close(task(x), task(y))


def test_the_units_of_the_raster_do_not_matter():
    x = torch.randn(1, 2, 32, 32) * 20 + 100
    tasks = build(card((100, 50), (20, 10))).eval(), build(card((1e5, 5e4), (2e4, 1e4))).eval()
    with torch.inference_mode():
        torch.testing.assert_close(tasks[0](x), tasks[1](x * 1000), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(tasks[0](x), tasks[0](x * 1000))


def test_the_mean_is_taken_off_and_the_deviation_divided_out():
    task = build()
    seen = []
    task.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    task(torch.tensor([120.0, 45.0])[None, :, None, None].expand(2, 2, 32, 32))
    assert seen[0][:, 0].unique().tolist() == [1.0]
    assert seen[0][:, 1].unique().tolist() == [-0.5]
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


# checkpoints


def test_card_and_classes_travel_in_the_checkpoint_without_pickled_code(quarters, tmp_path):
    module = quarters(steps=1, batch_size=2)
    task, run = build(module.card, steps=1), trainer(1)
    run.fit(task, module)
    run.save_checkpoint(tmp_path / "model.ckpt")
    loaded = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert loaded["hyper_parameters"]["card"] == module.card
    assert loaded["state_dict"]["band_mean"].ravel().tolist() == pytest.approx(module.card["mean"])

    again = PointSegmentationTask.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert again.classes == module.points.classes
    x = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        torch.testing.assert_close(again.eval().cpu()(x), task.eval()(x))


# training


def test_a_batch_without_labels_trains_to_nothing_and_breaks_nothing(quarters):
    task, run = build(quarters().card, steps=2), trainer(2)
    batch = {
        "image": torch.rand(2, 3, 64, 64) * 255,
        "mask": torch.full((2, 64, 64), 255),
        "weight": torch.zeros(2, 64, 64),
    }
    run.fit(task, torch.utils.data.DataLoader([batch] * 2, batch_size=None))
    assert run.global_step == 2
    assert run.callback_metrics["train_loss"] == 0
    assert all(p.isfinite().all() for p in task.parameters())


def test_the_training_loss_is_that_of_the_labelled_pixels(quarters):
    task, run = build(quarters().card, steps=1, lr=0.0), trainer(1)
    mask, weight = torch.full((2, 64, 64), 255), torch.zeros(2, 64, 64)
    mask[0, 3, 4], weight[0, 3, 4] = 2, 0.25
    mask[1, 60, 4], weight[1, 60, 4] = 0, 0.75
    batch = {"image": torch.rand(2, 3, 64, 64) * 255, "mask": mask, "weight": weight}
    logits = task.train()(batch["image"]).detach().log_softmax(dim=1)  # batch statistics, as in training
    run.fit(task, torch.utils.data.DataLoader([batch], batch_size=None))
    expected = -(0.25 * logits[0, 2, 3, 4] + 0.75 * logits[1, 0, 60, 4])
    assert run.callback_metrics["train_loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_learning_rate_warms_up_and_falls_to_zero():
    task = build(steps=100)
    rates = [task._rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == pytest.approx(rates[19], abs=0.02)
    assert all(a > b for a, b in pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0)


def test_the_learning_rate_falls_to_zero_with_the_minutes(monkeypatch):
    task = build(steps=1_000_000, minutes=2.0)
    now = [50.0]
    monkeypatch.setattr("geopointseg.learning.task.time.monotonic", lambda: now[0])
    task.on_train_start()
    rates = []
    for now[0] in (50.0, 110.0, 170.0, 300.0):  # the start, half, all of the time, and more
        rates.append(task._rate(1000))
    assert rates == pytest.approx([1, 0.5, 0, 0], abs=1e-3)


def test_the_default_schedule_is_what_it_was_before_there_was_a_choice():
    task = build(steps=600)
    before = [min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * min(step / 600, 1.0))) for step in range(602)]
    assert [task._rate(step) for step in range(602)] == before
    made = task.configure_optimizers()
    assert type(made["optimizer"]) is torch.optim.AdamW
    assert made["optimizer"].defaults["weight_decay"] == 1e-2
    assert made["optimizer"].param_groups[0]["lr"] == 1e-3 / 20  # of the first step


def test_a_schedule_goes_by_the_minutes_too(monkeypatch):
    task = build(steps=1_000_000, minutes=2.0, schedule={"step": {"gamma": 0.5, "every": 0.5}}, warm_up=0)
    now = [50.0]
    monkeypatch.setattr("geopointseg.learning.task.time.monotonic", lambda: now[0])
    task.on_train_start()
    rates = []
    for now[0] in (50.0, 109.0, 111.0, 300.0):
        rates.append(task._rate(0))
    assert rates == [1, 1, 0.5, 0.25]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_plateau_is_found_by_the_held_out_points(quarters, optimizer, monkeypatch):
    module = quarters(steps=2, batch_size=2)  # epochs of two steps, with a validation after each
    task, run = build(module.card, optimizer=optimizer, schedule={"plateau": {"patience": 1}}, warm_up=2), trainer(12)
    monkeypatch.setattr(
        "geopointseg.learning.task.masked_cross_entropy", lambda logits, _: logits.new_tensor(losses.pop(0))
    )
    losses, rates = [5.0, 4.0, 4.0, 4.0, 3.0, 3.0], []
    task.on_train_batch_start = lambda *_: rates.append(task.optimizers().param_groups[0]["lr"])
    run.fit(task, module)
    # The fourth loss is the second without gain, one more than patience: after 8 steps a tenth is left.
    assert rates == pytest.approx([0.5e-3, *[1e-3] * 7, *[1e-4] * 4])


def test_a_plateau_without_held_out_points_is_refused_before_any_step(quarters):
    module = quarters(steps=2, batch_size=2)
    task, run = build(module.card, schedule="plateau"), trainer(2, limit_val_batches=0)
    with pytest.raises(GeoPointSegError, match=r"expected held-out points for the schedule plateau, .*, got none"):
        run.fit(task, module)
    assert run.global_step == 0


def test_a_resumed_training_has_its_minutes_behind_it(monkeypatch):
    now, kept = [50.0], {}
    monkeypatch.setattr("geopointseg.learning.task.time.monotonic", lambda: now[0])
    task, again = build(minutes=2.0), build(minutes=2.0)
    task.on_train_start()
    now[0] = 110.0
    task.on_save_checkpoint(kept)
    now[0] = 1000.0  # the clock of another process, or of the next day
    again.on_load_checkpoint(kept)
    again.on_train_start()
    assert now[0] - again.started == 60


@pytest.mark.slow
def test_same_seed_same_weights(quarters):
    runs = []
    for seed in (0, 0, 1):
        module = quarters(steps=3, batch_size=2, seed=seed)
        task = build(module.card, seed=seed, steps=3)
        trainer(3).fit(task, module)
        runs.append(task.state_dict())
    assert all(torch.equal(runs[0][key], runs[1][key]) for key in runs[0])
    assert any(not torch.equal(runs[0][key], runs[2][key]) for key in runs[0])


@pytest.mark.slow
def test_four_points_are_enough_for_four_fields(quarters):
    module = quarters(steps=40, batch_size=4)
    task, run = build(module.card, steps=40), trainer(40)
    run.fit(task, module)
    assert run.callback_metrics["train_loss"] < 0.1
    sample = module.val_dataset[next(iter(module.val_sampler))]
    with torch.inference_mode():
        found = task.eval()(sample["image"][None]).argmax(dim=1)[0].numpy()
    regions = [np.s_[row - 6 : row + 6, col - 6 : col + 6] for row, col in ((10, 10), (12, 50), (50, 12), (52, 53))]
    assert [np.unique(found[region]).tolist() for region in regions] == [[0], [1], [2], [3]]
    assert (found == QUARTERS).mean() > 0.7  # what no point labelled; by chance 0.25
    run.validate(task, module, verbose=False)
    held_out = sample["mask"] != 255
    assert task.confusion.trace() == (found[held_out] == QUARTERS[held_out]).sum()


@pytest.mark.slow
def test_bfloat16_learns_as_float32_does(quarters):
    """The mean loss of each ten steps differs by at most a tenth, or 0.05 where it is near 0."""
    curves = {}
    for precision in ("32-true", "bf16-mixed"):
        module = quarters(steps=40, batch_size=4)
        task = build(module.card, steps=40)
        losses = []
        task.on_train_batch_end = lambda outputs, *_, kept=losses: kept.append(float(outputs["loss"]))
        trainer(40, precision=precision).fit(task, module)
        curves[precision] = np.reshape(losses, (4, 10)).mean(axis=1)
    assert curves["32-true"][-1] < 0.3 * curves["32-true"][0]
    np.testing.assert_allclose(curves["bf16-mixed"], curves["32-true"], rtol=0.1, atol=0.05)


# unlabelled pixels


class Plain(PointSegmentationTask):
    """The training step without anything about unlabelled pixels."""

    def training_step(self, batch, batch_idx, dataloader_idx=0):
        logits = self._all_logits(batch["image"])[0]
        return weighted_sum(self.terms, logits, batch["mask"], batch["weight"], self.class_weights)


def trained(module, kind=PointSegmentationTask, steps=3, precision="32-true", seed=0, **options):
    """A task after a few steps, and the losses of each."""
    lightning.seed_everything(seed, verbose=False)
    options = {"model": "unet", "backbone": "resnet18"} | options
    task, losses = kind(module.card, steps=steps, **options), []
    task.on_train_batch_end = lambda outputs, *_: losses.append(float(outputs["loss"]))
    trainer(steps, precision=precision).fit(task, module)
    return task, losses


def test_by_default_training_is_what_it_was_to_the_last_bit(quarters):
    (task, losses), (plain, expected) = (
        trained(quarters(steps=3, batch_size=2), kind) for kind in (PointSegmentationTask, Plain)
    )
    assert losses == expected
    assert task.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[key]) for key, value in task.state_dict().items())


def test_what_is_logged_of_a_task_is_plain():
    kept = yaml.safe_load(yaml.safe_dump(dict(build(unlabelled=Unlabelled(teacher=1.0)).hparams_initial)))
    assert Unlabelled(**kept["unlabelled"]) == Unlabelled(teacher=1.0)


EACH = {
    "pairwise": Unlabelled(pairwise=1.0, ramp=1),
    "teacher": Unlabelled(teacher=1.0, threshold=0.1, ramp=1),
    "teacher by pixel": Unlabelled(teacher=1.0, threshold=0.1, gate=False, ramp=1),
    "grow": Unlabelled(grow=1.0, threshold=0.3, ramp=1),
}


@pytest.mark.parametrize("how", EACH.values(), ids=EACH)
def test_each_source_adds_to_the_loss_and_the_model_keeps_its_form(how, quarters, tmp_path):
    module = quarters(steps=3, batch_size=2)
    plain, expected = trained(module)
    task, losses = trained(quarters(steps=3, batch_size=2), unlabelled=how)
    assert losses[0] >= expected[0]  # the same weights and chips; in the first step next to nothing has faded in
    assert losses[1:] != expected[1:]
    assert np.isfinite(losses).all()
    assert {k: v.shape for k, v in task.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}

    loaded = bundle.load(bundle.save(task, tmp_path / "model"))
    assert loaded.unlabelled == how
    x = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), task.eval()(x))


def test_chips_are_cut_only_for_a_task_that_asks_for_it(quarters):
    keys = []
    for how in (Unlabelled(), Unlabelled(pairwise=0.1), Unlabelled(teacher=1.0), Unlabelled(grow=1.0)):
        module = quarters(steps=1, batch_size=2)
        task = build(module.card, steps=1, unlabelled=how)
        task.on_train_batch_start = lambda batch, *_: keys.append(set(batch))
        trainer(1).fit(task, module)
    assert keys[0] == keys[1] == {"image", "mask", "weight"}
    assert keys[2] == keys[3] == keys[0] | {"regions"}


def test_prediction_is_the_teachers(quarters):
    """At a decay of 1/2: the first network, half of the way to the second, and again half of the way to the third."""
    module = quarters(steps=2, batch_size=2)
    task = build(module.card, steps=2, unlabelled=Unlabelled(teacher=1.0, decay=0.5))
    weight = next(name for name, p in task.model.named_parameters() if p.ndim == 4)
    judged = []
    task.on_validation_start = lambda: judged.append(
        torch.equal(
            task.eval()(torch.ones(1, 3, 64, 64)),
            task._all_logits(torch.ones(1, 3, 64, 64), task.teacher.network)[0],
        )
    )
    first = task.model.get_parameter(weight).detach().clone()
    run = trainer(2, check_val_every_n_epoch=None, val_check_interval=1)
    last = []
    task.on_train_batch_end = lambda *_: last.append(task.model.get_parameter(weight).detach().clone())
    run.fit(task, module)
    assert all(judged)
    assert judged
    torch.testing.assert_close(task.model.get_parameter(weight), ((first + last[0]) / 2 + last[1]) / 2)


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_checkpoint_amid_training_holds_the_teacher_beside_the_student(quarters, tmp_path):
    def new():
        module = quarters(steps=4, batch_size=2)
        return module, build(module.card, steps=4, unlabelled=Unlabelled(teacher=1.0, threshold=0.1, ramp=1))

    module, task = new()
    path, kept = tmp_path / "amid.ckpt", []

    def keep(*_):
        if task.global_step == 2:
            task.trainer.save_checkpoint(path)
            kept.append(task.teacher.network.state_dict()["encoder.conv1.weight"].clone())

    task.on_train_batch_end = keep
    trainer(4).fit(task, module)
    loaded = torch.load(path, weights_only=True)
    assert loaded["hyper_parameters"]["unlabelled"]["teacher"] == 1.0
    assert torch.equal(loaded["teacher"]["network"]["encoder.conv1.weight"], kept[0])
    assert not torch.equal(loaded["state_dict"]["model.encoder.conv1.weight"], kept[0])

    module, again = new()
    starts = []
    again.on_train_batch_start = lambda *_: starts.append(
        again.teacher.network.state_dict()["encoder.conv1.weight"].clone()
    )
    trainer(4).fit(again, module, ckpt_path=path, weights_only=True)
    assert torch.equal(starts[0], kept[0])
    assert again.global_step == 4
    assert again.teacher is None


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"model": "fcn", "backbone": None}, {"precision": "bf16-mixed"}], ids=str)
def test_all_sources_work_with_an_auxiliary_head_and_in_bfloat16(options, quarters):
    how = Unlabelled(pairwise=0.1, teacher=1.0, grow=1.0, threshold=0.3, ramp=1)
    task, losses = trained(quarters(steps=2, batch_size=2), steps=2, unlabelled=how, **options)
    assert np.isfinite(losses).all()
    assert all(p.isfinite().all() and p.dtype == torch.float32 for p in task.parameters())


@pytest.mark.slow
def test_four_points_are_still_enough_with_a_teacher(quarters):
    module = quarters(steps=40, batch_size=4)
    task, _ = trained(
        module, steps=40, unlabelled=Unlabelled(teacher=1.0, pairwise=0.1, decay=0.9, ramp=20, threshold=0.8)
    )
    sample = module.val_dataset[next(iter(module.val_sampler))]
    with torch.inference_mode():
        found = task.eval()(sample["image"][None]).argmax(dim=1)[0].numpy()
    assert (found == QUARTERS).mean() > 0.7


# validation


def test_validation_counts_the_held_out_points_and_nothing_else(quarters):
    module = quarters(steps=1)
    task, run = build(module.card), trainer(1)
    task.forward = lambda x: torch.nn.functional.one_hot(torch.ones(x[:, 0].shape).long(), 4).movedim(-1, 1).float()
    run.validate(task, module, verbose=False)
    assert task.confusion.tolist() == [[0, 1, 0, 0]] * 4  # the map says b everywhere
    assert run.callback_metrics["val_oa"] == 0.25
    assert run.callback_metrics["val_miou"].item() == pytest.approx(0.25 / 4)
    assert run.callback_metrics["val_iou_b"] == 0.25
    assert run.callback_metrics["val_iou_a"] == 0
    expected = np.log(np.e + 3) - 0.25  # cross-entropy of logits 0, 1, 0, 0, right once in four
    assert run.callback_metrics["val_loss"].item() == pytest.approx(expected, rel=1e-4)


def test_validation_starts_afresh_each_time(quarters):
    module = quarters(steps=1)
    task = build(module.card)
    for _ in range(2):
        trainer(1).validate(task, module, verbose=False)
        assert task.confusion.sum() == 4
