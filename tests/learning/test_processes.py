"""Training in several processes: the chips of a step are shared out, and one process writes the checkpoint."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from geopointseg.learning.bundle import load

SCRIPT = """
import sys
import torch
from geopointseg.cli import main
from geopointseg.learning.task import PointSegmentationTask

def note(self, outputs, batch, number):
    where = f"{sys.argv[0]}.{self.trainer.world_size}.{self.global_rank}.{number}"
    torch.save({"image": batch["image"], "loss": outputs["loss"].detach()}, where)

def frozen(self, x):
    return torch.nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)

if __name__ == "__main__":
    PointSegmentationTask.on_train_batch_end = note
    # Half a batch has other statistics than the whole, and torch makes those of several processes one on GPUs only.
    torch.nn.BatchNorm2d.forward = frozen
    sys.exit(main(sys.argv[1:]))
"""


STEPS = 4


@pytest.mark.slow
def test_two_processes_train_as_one_with_twice_the_batch(study, located, tmp_path):
    clicks = [(0, 0, 0, "train"), (79, 110, 1, "train"), (40, 50, 1, "train"), (60, 20, 1, "test")]
    image, mask, _ = located(80, 111)
    # The loss is a weighted mean over a process's own pixels: the means of two halves are that of the whole where both
    # weigh the same, so every pixel is labelled.
    study({"a": (image, mask % 2, np.ones(mask.shape, np.float32))}, clicks, chip=32)
    script = tmp_path / "train.py"  # a file: Lightning starts the second process by running it again
    script.write_text(SCRIPT)
    for processes, batch in ((1, 4), (2, 2)):
        data = {name: str(tmp_path / where) for name, where in (("masks", "masks"), ("points", "points.gpkg"))}
        data |= {"rasters": [str(tmp_path / "images")], "chip": 32, "batch_size": batch, "steps": STEPS}
        data |= {"augmentation": {"flips": False, "turns": False}}
        strategy = "ddp" if processes > 1 else "auto"
        given = {"accelerator": "cpu", "devices": processes, "strategy": strategy, "precision": "32-true"}
        config = tmp_path / f"{processes}.yaml"
        config.write_text(yaml.safe_dump({"out": str(tmp_path / f"out{processes}"), "data": data, "trainer": given}))
        command = [sys.executable, str(script), "train", "--config", str(config)]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert run.returncode == 0, run.stderr
        assert "Traceback" not in run.stderr
        assert "sync_dist" not in run.stderr
        assert sorted(path.name for path in (tmp_path / f"out{processes}").iterdir()) == [
            "curves.png",
            "log",
            "model",
            "model.ckpt",
        ]
    for number in range(STEPS):
        alone = torch.load(f"{script}.1.0.{number}")
        together = [torch.load(f"{script}.2.{rank}.{number}") for rank in range(2)]
        np.testing.assert_array_equal(torch.cat([one["image"] for one in together]), alone["image"])
        losses = [float(one["loss"]) for one in together]
        assert np.mean(losses) == pytest.approx(float(alone["loss"]), rel=1e-4)
        assert losses[0] != losses[1]
    one, other = (load(tmp_path / f"out{processes}" / "model").state_dict() for processes in (1, 2))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4, msg=name)
