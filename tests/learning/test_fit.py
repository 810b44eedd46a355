"""`geopointseg train` makes a checkpoint and a log from a YAML file, ends in time, and replaces nothing unasked."""

import hashlib
import json
import logging
import signal
import time
from importlib.util import find_spec

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.agreement import Agreement
from geopointseg.learning.bundle import load
from geopointseg.learning.fit import fit, precision, trainer_options
from geopointseg.learning.keeping import LAST, Keeping
from geopointseg.learning.losses import LOSSES
from geopointseg.learning.task import PointSegmentationTask

QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((40, 50), np.uint8))
CLICKS = [
    *[(10, 10, 0, "train"), (10, 80, 1, "train"), (70, 10, 2, "train"), (70, 80, 3, "train")],
    *[(30, 30, 0, "test"), (30, 60, 1, "test"), (60, 30, 2, "test"), (60, 60, 3, "test")],
]


@pytest.fixture
def small(study):
    """A module of 80 x 100 pixels in four fields."""

    def make(**options):
        rng = np.random.default_rng(0)
        image = np.stack([60 * QUARTERS, 200 - 60 * QUARTERS]) + rng.integers(20, size=(2, 80, 100))
        mask = np.where(rng.random(QUARTERS.shape) < 0.1, QUARTERS, 255)
        given = {"names": ("a", "b", "c", "d"), "chip": 32, "batch_size": 2} | options
        return study({"a": (image.astype(np.uint8), mask, (mask != 255).astype(np.float32))}, CLICKS, **given)

    return make


@pytest.fixture
def config(small, tmp_path):
    """A YAML file as a user would write it."""
    small()
    keys = {
        "out": str(tmp_path / "result"),
        "data": {
            "rasters": [str(tmp_path / "images" / "a.tif")],
            "masks": str(tmp_path / "masks"),
            "points": str(tmp_path / "points.gpkg"),
            "chip": 32,
            "batch_size": 2,
            "steps": 12,
        },
        "model": {"model": "unet", "backbone": "resnet18"},
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


@pytest.mark.slow
def test_train_writes_a_checkpoint_and_a_log(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["geopointseg", "train", "--config", str(config)])  # as from a shell
    assert main(["train", "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    made = tmp_path / "result"
    files = f"  {made / 'model'}\n  {made / 'model.ckpt'}\n  {made / 'curves.png'}\n"
    assert out.endswith(f"wrote\n{files}next: geopointseg predict {made / 'model'} RASTER\n")
    assert err == ""
    assert sorted(path.name for path in made.iterdir()) == ["curves.png", "log", "model", "model.ckpt"]
    log = pd.read_csv(made / "log" / "metrics.csv")
    assert {"step", "train_loss", "val_loss", "val_oa", "val_miou"} <= set(log.columns)
    assert torch.load(made / "model.ckpt", weights_only=True)["global_step"] == 12
    one, other = load(made / "model"), load(made / "model.ckpt")
    assert one.classes.names == ("a", "b", "c", "d")
    assert one.hparams["card"] == other.hparams["card"]
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.slow
def test_the_model_tells_what_it_was_trained_on_and_how_well_it_does(config, tmp_path):
    assert main(["train", "--config", str(config)]) == 0
    facts = json.loads((tmp_path / "result" / "model" / "model.json").read_text(encoding="utf-8"))["properties"]
    masks = facts["geopointseg:training_data"]["masks"]
    assert masks == {
        name: hashlib.sha256((tmp_path / "masks" / name).read_bytes()).hexdigest()
        for name in ("a.tif", "a_weights.tif")
    }
    scores = facts["geopointseg:scores"]
    assert scores["count"] == 4  # the held-out clicks
    assert np.sum(scores["confusion"], axis=1).tolist() == [1, 1, 1, 1]
    checked = facts["geopointseg:bfloat16"]
    assert checked["chips"] == "held-out chips"
    assert checked["pixels"] % 32**2 == 0  # whole chips, all with data
    assert 0.5 < checked["equal"] <= 1
    both = [load(tmp_path / "result" / name).agreement for name in ("model", "model.ckpt")]
    assert both == [Agreement(**checked)] * 2


@pytest.mark.slow
def test_every_loss_and_weights_of_classes_from_yaml(config, tmp_path, capsys):
    keys = yaml.safe_load(config.read_text())
    keys["data"] |= {"steps": 2, "class_weights": "sqrt-inverse", "class_weights_by": "pixel"}
    keys["model"]["loss"] = dict.fromkeys(LOSSES, 0.5) | {"focal": {"share": 1, "gamma": 3, "weighted": False}}
    config.write_text(yaml.safe_dump(keys))
    assert main(["train", "--config", str(config)]) == 0
    out, made = capsys.readouterr().out, tmp_path / "result"
    assert "focal (gamma 3.0, unweighted)" in out
    assert "class weights: sqrt-inverse, by pixel" in out
    assert f"  {made / 'model.ckpt'}\n  {made / 'class_weights.json'}\n" in out
    checkpoint = torch.load(made / "model.ckpt", weights_only=True)
    assert (
        json.loads((made / "class_weights.json").read_text()) == checkpoint["hyper_parameters"]["card"]["class_weights"]
    )
    assert checkpoint["hyper_parameters"]["loss"]["dice"] == 0.5
    assert pd.read_csv(made / "log" / "metrics.csv")["train_loss"].dropna().between(0.1, 100).all()
    assert load(made / "model.ckpt").classes.names == ("a", "b", "c", "d")

    again = ["train", "--config", str(config), "--overwrite", "true", "--data.class_weights", "none"]
    assert main([*again, "--model.loss", "{dice: 1, cross-entropy: 2}"]) == 0
    assert capsys.readouterr().out.startswith("loss: dice + 2 × cross-entropy\nclass weights: none\nwrote")
    assert not (made / "class_weights.json").exists()  # it would tell of another checkpoint


@pytest.mark.slow
def test_unlabelled_pixels_from_yaml(config, tmp_path, capsys):
    keys = yaml.safe_load(config.read_text())
    keys["model"]["unlabelled"] = {"pairwise": 0.1, "teacher": 0.5, "grow": 1, "threshold": 0.5, "ramp": 4}
    config.write_text(yaml.safe_dump(keys))
    assert main(["train", "--config", str(config), "--model.unlabelled.teacher", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\nunlabelled pixels: pairwise 0.1, teacher 1, grow 1\n" in out
    made = tmp_path / "result"
    held = torch.load(made / "model.ckpt", weights_only=True)
    assert "teacher" not in held  # its weights are the model's
    for path in (made / "model", made / "model.ckpt"):
        found = load(path).unlabelled
        assert (found.pairwise, found.teacher, found.grow, found.ramp, found.gate) == (0.1, 1, 1, 4, True)
    kept = yaml.safe_load((made / "log" / "hparams.yaml").read_text())
    assert kept["unlabelled"]["teacher"] == 1
    assert "teacher_share" in pd.read_csv(made / "log" / "metrics.csv").columns


@pytest.mark.parametrize(
    ("option", "said"),
    [("--model.unlabelled.teacher=-1", "unlabelled.teacher from 0"), ("--model.unlabelled.techer=1", "techer")],
)
def test_an_option_for_unlabelled_pixels_that_cannot_work_is_refused_in_one_line(option, said, config, capsys):
    assert main(["train", "--config", str(config), option]) == 2
    _, err = capsys.readouterr()
    assert said in err
    assert len(err.splitlines()) == 1


def test_two_averages_of_weights_are_refused(config, capsys):
    assert main(["train", "--config", str(config), "--keeping.ema", "0.9", "--model.unlabelled.teacher", "1"]) == 2
    assert "expected an ema or a teacher, got both" in capsys.readouterr().err


def test_a_loss_that_is_none_is_refused_in_one_line(config, capsys):
    assert main(["train", "--config", str(config), "--model.loss", "{dise: 1}"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "expected a loss (cross-entropy, " in err
    assert "got dise" in err


@pytest.mark.slow
def test_minutes_end_training_from_the_command_line_too(config, tmp_path):
    assert main(["train", "--config", str(config), "--data.steps", "100000", "--model.minutes", "0.05"]) == 0
    assert 0 < torch.load(tmp_path / "result" / "model.ckpt", weights_only=True)["global_step"] < 100_000


@pytest.mark.parametrize("option", ["--optimizer=SGD", "--lr_scheduler=StepLR"])
def test_what_moves_the_weights_is_said_once(option, config, capsys):
    assert main(["train", "--config", str(config), option]) == 2
    assert option.split("=")[0] in capsys.readouterr().err


def test_a_network_that_takes_no_single_chip_says_so(config, capsys):
    one = ["--data.batch_size", "1", "--model.model", "deeplabv3+"]
    assert main(["train", "--config", str(config), *one]) == 2
    assert "expected 2 chips or more at a time for deeplabv3+" in capsys.readouterr().err


@pytest.mark.slow
def test_an_option_overrides_the_file(config, tmp_path):
    options = ["--data.steps", "3", "--data.rasters", str(tmp_path / "images"), "--out", str(tmp_path / "other")]
    assert main(["train", "--config", str(config), *options]) == 0
    assert torch.load(tmp_path / "other" / "model.ckpt", weights_only=True)["global_step"] == 3
    assert not (tmp_path / "result").exists()


@pytest.mark.slow
def test_another_model_and_its_weights_are_a_choice_of_the_command_line(config, tmp_path):
    choice = ["--model.model", "resnet18_transposed", "--model.backbone", "null", "--data.steps", "2"]
    assert main(["train", "--config", str(config), *choice]) == 0
    first = tmp_path / "result" / "model.ckpt"
    again = [*choice, "--model.weights", str(first), "--model.lr", "0", "--out", str(tmp_path / "again")]
    assert main(["train", "--config", str(config), *again]) == 0
    first.rename(tmp_path / "elsewhere.ckpt")
    second = load(tmp_path / "again" / "model.ckpt")  # does not look for the weights it started from
    one, other = (task.model.last.weight for task in (load(tmp_path / "elsewhere.ckpt"), second))
    assert torch.equal(one, other)


def test_weights_that_cannot_be_fetched_are_said_in_one_line(config, capsys, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("geopointseg.learning.fetch.try_to_load_from_cache", lambda *_, **__: None)
    assert main(["train", "--config", str(config), "--model.weights", "imagenet"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "fetch that file elsewhere and put it at" in err


@pytest.mark.slow
def test_an_existing_checkpoint_is_kept_without_overwrite(config, tmp_path, capsys):
    old = tmp_path / "result" / "model.ckpt"
    old.parent.mkdir()
    old.write_text("old")
    assert main(["train", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "expected a new file, got the existing" in err
    assert old.read_text() == "old"
    assert main(["train", "--config", str(config), "--overwrite", "true"]) == 0
    assert load(old)
    assert load(tmp_path / "result" / "model")


def test_what_the_data_lack_is_said_in_one_line(config, tmp_path, capsys):
    (tmp_path / "masks" / "a.tif").unlink()
    assert main(["train", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "run 'geopointseg mask' first" in err
    assert not (tmp_path / "result" / "model.ckpt").exists()


@pytest.mark.parametrize("spoil", ["data: {chipp: 3}", "model: {backbone: [1]}", "nonsense: 1", "data: [", "out: {}"])
def test_a_configuration_that_cannot_be_understood_is_refused_in_one_line(config, capsys, tmp_path, spoil):
    config.write_text(spoil)
    assert main(["train", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "see 'geopointseg train --help'" in err


def small_fit(module, out, *, steps, overwrite=False, callbacks=(), keeping=LAST, **options):
    """Train as the pipeline does, quietly."""
    lightning.seed_everything(0, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    task = PointSegmentationTask(module.card, steps=steps, minutes=options.get("minutes"))
    trainer = lightning.Trainer(**trainer_options(out, steps=steps, **options), callbacks=list(callbacks))
    return trainer, fit(trainer, task, module, out, overwrite=overwrite, keeping=keeping)


@pytest.mark.slow
def test_minutes_end_training_early(small, tmp_path):
    start = time.monotonic()
    trainer, made = small_fit(small(steps=100_000), tmp_path / "result", steps=100_000, minutes=3 / 60)
    assert time.monotonic() - start < 60
    assert 0 < trainer.global_step < 100_000
    assert all(file.exists() for file in made.files)
    assert trainer.optimizers[0].param_groups[0]["lr"] < 2e-4  # the schedule has come down with the clock


@pytest.mark.slow
def test_an_interrupted_training_leaves_no_checkpoint(small, tmp_path, request):
    before = signal.getsignal(signal.SIGINT)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))  # Lightning turns Ctrl-C off for good

    class Impatient(lightning.Callback):
        def on_train_batch_end(self, *_):
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)) as ended:
        small_fit(small(steps=4), tmp_path / "result", steps=4, callbacks=[Impatient()])
    assert ended.type is KeyboardInterrupt
    assert not [path.name for path in (tmp_path / "result").iterdir() if path.name != "log"]


@pytest.mark.parametrize("old", ["model.ckpt", "model/model.json"])
def test_an_existing_model_is_refused_before_any_training(tmp_path, old):
    (tmp_path / "result" / old).parent.mkdir(parents=True)
    (tmp_path / "result" / old).write_text("old")
    with pytest.raises(GeoPointSegError, match="add --overwrite"):
        fit(None, None, None, tmp_path / "result")
    assert (tmp_path / "result" / old).read_text() == "old"


@pytest.mark.parametrize("wanted", ["32-true", "bf16-mixed"])
def test_a_number_format_that_is_asked_for_is_taken(wanted):
    assert precision(wanted) == wanted


@pytest.mark.parametrize(("bf16", "amx", "expected"), [(0, 0, "32-true"), (1, 0, "bf16-mixed"), (0, 1, "bf16-mixed")])
def test_bfloat16_is_chosen_where_the_processor_computes_in_it(monkeypatch, bf16, amx, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(bf16))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(amx))
    assert precision() == expected


# Lightning's own options


@pytest.mark.slow
def test_another_logger_is_a_choice_of_the_file(config, tmp_path):
    """W&B's and MLflow's are given the same way, by the class and its arguments."""
    keys = yaml.safe_load(config.read_text())
    keys["data"]["steps"] = 2
    more = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path / "mine")}}
    keys["trainer"] = {"logger": [more]}
    config.write_text(yaml.safe_dump(keys))
    assert main(["train", "--config", str(config)]) == 0
    (mine,) = (tmp_path / "mine").rglob("metrics.csv")
    ours = tmp_path / "result" / "log" / "metrics.csv"
    pd.testing.assert_frame_equal(pd.read_csv(mine), pd.read_csv(ours), check_like=True)
    assert list(ours.parent.glob("events.out.tfevents.*"))


@pytest.mark.skipif(find_spec("wandb") is not None, reason="W&B is installed")
def test_a_logger_that_is_not_installed_is_said_in_one_line(config, capsys):
    keys = yaml.safe_load(config.read_text())
    keys["trainer"] = {"logger": {"class_path": "lightning.pytorch.loggers.WandbLogger"}}
    config.write_text(yaml.safe_dump(keys))
    assert main(["train", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "expected a class that can be built, got 'lightning.pytorch.loggers.WandbLogger'" in err
    assert "install the package that it needs" in err


@pytest.fixture
def torch_as_before():
    """What a deterministic training asks of torch, it asks for the rest of the process."""
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.slow
@pytest.mark.usefixtures("torch_as_before")
def test_a_deterministic_training_uses_such_operations_alone(config, tmp_path):
    weights = []
    for name in ("one", "two"):
        given = ["--data.steps", "2", "--trainer.deterministic", "true", "--out", str(tmp_path / name)]
        assert main(["train", "--config", str(config), *given]) == 0
        assert torch.are_deterministic_algorithms_enabled()
        weights.append((tmp_path / name / "model" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


# memory


@pytest.fixture
def crowded(monkeypatch):
    """Epochs of five steps, in which a device runs out of memory at a step, or with more chips at once than it holds."""
    monkeypatch.setattr("geopointseg.learning.data.EPOCH", 5)
    monkeypatch.setattr("geopointseg.learning.resume.EVERY", 0)
    seen, step = [], PointSegmentationTask.training_step

    def make(*, at=0, room=1):
        def training_step(task, batch, number):
            seen.append((task.trainer.global_step, len(batch["image"])))
            if task.trainer.global_step >= at and len(batch["image"]) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return step(task, batch, number)

        monkeypatch.setattr(PointSegmentationTask, "training_step", training_step)
        return seen

    return make


@pytest.mark.slow
def test_a_batch_that_memory_is_too_small_for_is_cut_and_training_goes_on(small, tmp_path, crowded, caplog):
    seen = crowded(at=7, room=2)
    module = small(steps=12, batch_size=6)
    trainer, made = small_fit(module, tmp_path / "result", steps=12)
    assert seen[:8] == [(i, 6) for i in range(8)]
    assert seen[8:13] == [(5, 3), (5, 3), (6, 3), (6, 3), (7, 3)]  # back to the epoch's start; half is too much yet
    assert seen[13:] == [(i, 2) for i in range(5, 12) for _ in range(3)]
    assert caplog.messages == [
        "memory was too small for 6 chips at once: going on with 2 pieces of 3",
        "memory was too small for 6 chips at once: going on with 3 pieces of 2",
    ]
    assert trainer.global_step == 12
    assert torch.load(made.files[1], weights_only=True)["pieces"] == 3
    log = pd.read_csv(tmp_path / "result" / "log" / "metrics.csv")
    assert log["step"].is_monotonic_increasing  # nothing of the steps that came again


def test_memory_that_is_too_small_for_a_chip_is_told(small, tmp_path, crowded):
    crowded(room=0)
    with pytest.raises(GeoPointSegError, match=r"expected memory for one chip of 32 × 32 pixels.*: take smaller chips"):
        small_fit(small(steps=3, batch_size=2), tmp_path / "result", steps=3)


# which weights are kept


class Passed(lightning.Callback):
    """Notes a weight after each step."""

    def __init__(self):
        self.weights = []

    def on_train_batch_end(self, trainer, task, *_):
        self.weights.append(task.model.segmentation_head[0].weight.detach().clone())


@pytest.mark.slow
def test_the_average_of_the_weights_is_kept(small, tmp_path):
    """With a decay of a half, the weights after each of three steps count 1/4, 1/4 and 1/2."""
    noted = Passed()
    small_fit(small(steps=3), tmp_path / "r", steps=3, callbacks=[noted], keeping=Keeping(ema=0.5))
    first, second, third = noted.weights
    expected = first / 4 + second / 4 + third / 2
    for file in ("model", "model.ckpt"):
        made = load(tmp_path / "r" / file)
        torch.testing.assert_close(made.model.segmentation_head[0].weight, expected)


@pytest.fixture
def scored(monkeypatch):
    """Epochs of one step with the mean IoU on held-out points made up."""
    monkeypatch.setattr("geopointseg.learning.data.EPOCH", 1)

    def make(*values):
        left = iter(values)
        monkeypatch.setattr(
            PointSegmentationTask, "on_validation_epoch_end", lambda task: task.log("val_miou", next(left))
        )

    return make


@pytest.mark.slow
def test_the_best_weights_are_kept_and_the_report_says_what_that_means(small, tmp_path, scored):
    scored(0.2, 0.6, 0.5, 0.6)
    noted = Passed()
    given = {"callbacks": [noted], "keeping": Keeping(keep="best")}
    _, made = small_fit(small(steps=4), tmp_path / "r", steps=4, **given)
    for file in ("model", "model.ckpt"):
        assert torch.equal(load(tmp_path / "r" / file).model.segmentation_head[0].weight, noted.weights[1])
    assert str(made).endswith("weights: the best; held-out points decided, so scores on them are optimistic")
    assert not [path.name for path in (tmp_path / "r" / "log").glob("*.ckpt")]


@pytest.mark.slow
def test_training_ends_when_patience_does(small, tmp_path, scored):
    scored(0.2, 0.6, 0.5, 0.6, 0.9)
    noted = Passed()
    given = {"callbacks": [noted], "keeping": Keeping(patience=2)}
    trainer, _ = small_fit(small(steps=9), tmp_path / "r", steps=9, **given)
    assert trainer.global_step == 4
    assert torch.equal(load(tmp_path / "r" / "model").model.segmentation_head[0].weight, noted.weights[3])


@pytest.mark.parametrize("wrong", [{"keep": "best"}, {"patience": 3}])
def test_without_held_out_points_nothing_can_be_chosen_by_them(study, located, tmp_path, wrong):
    clicks = [(0, 0, 0, "train"), (79, 110, 1, "train")]
    module = study({"a": located(80, 111)}, clicks, chip=32)
    with pytest.raises(GeoPointSegError, match="expected held-out points to choose the weights by, got none"):
        small_fit(module, tmp_path / "r", steps=1, keeping=Keeping(**wrong))


@pytest.mark.parametrize("wrong", [{"ema": 0}, {"ema": 1}, {"patience": 0}, {"keep": "bets"}])
def test_what_cannot_be_kept_is_refused(wrong):
    with pytest.raises(GeoPointSegError, match=r"expected .*got ([01]|bets)"):
        Keeping(**wrong)


# hard inputs


@pytest.mark.slow
def test_pixels_without_data_and_no_held_out_point_train_all_the_same(study, located, tmp_path):
    image, mask, weight = located(80, 111)
    image = image.astype(np.float32)
    image[:, 20:50, 30:90] = np.nan
    clicks = [(0, 0, 0, "train"), (79, 110, 1, "train")]
    module = study({"a": (image, mask, weight)}, clicks, raster={"nodata": np.nan}, chip=32, steps=4)
    _, made = small_fit(module, tmp_path / "r", steps=4)
    assert pd.read_csv(tmp_path / "r" / "log" / "metrics.csv")["train_loss"].dropna().between(0.01, 10).all()
    assert all(value.isfinite().all() for value in load(made.model).state_dict().values())
