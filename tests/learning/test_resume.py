"""A training that was killed goes on with `--resume` and ends as if it had never been."""

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
import yaml

from geopointseg.cli import main
from geopointseg.learning.resume import last_of

SCRIPT = """
import os, signal, sys
from geopointseg.cli import main
from geopointseg.learning import data, resume
from geopointseg.learning.task import PointSegmentationTask

def kill(self, batch, number):
    if self.trainer.global_step == int(os.environ["KILL_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    data.EPOCH, resume.EVERY = 5, 0  # a save every five steps
    PointSegmentationTask.on_train_batch_start = kill
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def killed_at(tmp_path):
    """Run a command in epochs of five steps, killed before a step, or not at -1: its exit status."""
    script = tmp_path / "killed.py"
    script.write_text(SCRIPT)

    def run(step, *arguments):
        env = os.environ | {"OMP_NUM_THREADS": "1", "KILL_AT": str(step)}
        command = [sys.executable, str(script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert not done.stderr
        return done.returncode

    return run


@pytest.fixture
def config(study, located, tmp_path):
    """A YAML file, of a network that drops features at random."""
    clicks = [(0, 0, 0, "train"), (79, 110, 1, "train"), (40, 50, 1, "train"), (60, 20, 1, "test"), (9, 90, 0, "test")]
    study({"a": located(80, 111)}, clicks, chip=32)
    keys = {
        "data": {
            "rasters": [str(tmp_path / "images")],
            "masks": str(tmp_path / "masks"),
            "points": str(tmp_path / "points.gpkg"),
            "chip": 32,
            "batch_size": 2,
            "steps": 13,
        },
        "model": {"model": "deeplabv3+"},
        "trainer": {"precision": "32-true", "log_every_n_steps": 2},
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def same(one, other):
    """Whether two trainings have made the same: weights to the bit, and the same log."""
    files = [(out / "model" / "weights.safetensors").read_bytes() for out in (one, other)]
    logs = [pd.read_csv(out / "log" / "metrics.csv") for out in (one, other)]
    pd.testing.assert_frame_equal(*logs, check_like=True)
    assert len(logs[0]["train_loss"].dropna()) == 6
    return files[0] == files[1]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_training_ends_as_an_unbroken_one(config, killed_at, tmp_path, workers):
    whole, broken, more = tmp_path / "whole", tmp_path / "broken", f"--data.num_workers={workers}"
    assert killed_at(-1, "train", "--config", config, "--out", whole, more) == 0
    again = ["train", "--config", config, "--out", broken, "--resume", more]
    for step in (3, 8):  # when only the start is saved, and in the middle of the second epoch
        assert killed_at(step, *again) == -signal.SIGKILL
        assert torch.load(last_of(broken), weights_only=True)["global_step"] == step // 5 * 5
    (broken / "log" / ".last.partial-1.ckpt").touch()  # as of a kill while it was written
    assert killed_at(-1, *again) == 0
    assert same(whole, broken)
    assert sorted(path.name for path in broken.iterdir()) == ["curves.png", "log", "model", "model.ckpt"]
    assert not list((broken / "log").glob("*.ckpt"))


# the same without a kill, in this process


@pytest.fixture
def stopped_at(monkeypatch):
    """Run a command in epochs of five steps, interrupted before a step, or not at -1: its exit status."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("geopointseg.learning.data.EPOCH", 5)
    monkeypatch.setattr("geopointseg.learning.resume.EVERY", 0)

    def run(step, *arguments):
        def stop(task, *_):
            if task.trainer.global_step == step:
                raise KeyboardInterrupt

        monkeypatch.setattr("geopointseg.learning.task.PointSegmentationTask.on_train_batch_start", stop)
        return main([str(argument) for argument in arguments])

    yield run
    signal.signal(signal.SIGINT, before)  # Lightning turns Ctrl-C off for good


@pytest.fixture
def broken_off(config, stopped_at, tmp_path):
    """The command whose training stopped after the first epoch."""
    command = ["train", "--config", config, "--out", tmp_path / "out"]
    assert stopped_at(6, *command) == 130
    return command


def line(capsys):
    """The one line on stderr."""
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


@pytest.mark.slow
@pytest.mark.usefixtures("broken_off")
def test_who_interrupts_a_training_hears_how_to_go_on(caplog):
    assert "the same command with --resume goes on from step 5" in [
        one.getMessage() for one in caplog.get_records("setup")
    ]


@pytest.mark.slow
def test_hours_of_training_are_not_lost_unasked(broken_off, stopped_at, tmp_path, capsys):
    capsys.readouterr()
    assert stopped_at(-1, *broken_off) == 2
    assert "of one that was broken off: add --resume to go on, or --overwrite to begin anew" in line(capsys)
    assert last_of(tmp_path / "out").exists()


@pytest.mark.slow
def test_other_arguments_are_not_resumed(broken_off, stopped_at, capsys):
    capsys.readouterr()
    assert stopped_at(-1, *broken_off, "--resume", "--model.lr", "0.5", "--data.batch_size", "3") == 2
    assert "expected the arguments of the training that was broken off, got others (batch_size, lr)" in line(capsys)
    odd = ["--trainer.gradient_clip_val", "5", "--trainer.accumulate_grad_batches", "2", "--seed_everything", "7"]
    assert stopped_at(-1, *broken_off, "--resume", *odd) == 2
    assert "got others (accumulate_grad_batches, gradient_clip_val, seed_everything)" in line(capsys)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_not_resumed(broken_off, stopped_at, tmp_path, capsys):
    last = last_of(tmp_path / "out")
    last.write_bytes(last.read_bytes()[:100_000])
    capsys.readouterr()
    assert stopped_at(-1, *broken_off, "--resume") == 2
    err = line(capsys)
    assert f"expected a checkpoint to go on from, got {last}" in err
    assert "begin anew with --overwrite" in err


@pytest.mark.slow
def test_averages_and_the_best_weights_go_on_too(config, stopped_at, tmp_path):
    keys = yaml.safe_load(config.read_text()) | {"keeping": {"ema": 0.8, "keep": "best", "patience": 9}}
    config.write_text(yaml.safe_dump(keys))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert stopped_at(-1, "train", "--config", config, "--out", whole) == 0
    command = ["train", "--config", config, "--out", broken]
    assert stopped_at(12, *command) == 130
    assert stopped_at(-1, *command, "--resume") == 0
    assert same(whole, broken)
    assert not list(broken.glob("log/*.ckpt"))


@pytest.mark.slow
def test_a_training_that_has_ended_is_not_repeated(config, stopped_at, tmp_path, capsys):
    command = ["train", "--config", config, "--out", tmp_path / "out", "--resume"]
    assert stopped_at(-1, *command) == 0
    stamp = (tmp_path / "out" / "model.ckpt").stat().st_mtime_ns
    assert stopped_at(0, *command) == 0  # there is no step to be stopped at
    assert (tmp_path / "out" / "model.ckpt").stat().st_mtime_ns == stamp
    assert stopped_at(-1, *command, "--data.seed", "1") == 2  # another training would replace it
    assert "expected the arguments of the training that has ended, got others (seed)" in capsys.readouterr().err
