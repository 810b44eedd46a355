"""Training in several processes: the chips of a step are shared out, and one process writes the checkpoint."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

SCRIPT = """
import sys
import torch
from geopointseg.cli import main
from geopointseg.learning.task import PointSegmentationTask

def note(self, batch, number):
    where = f"{sys.argv[0]}.{self.trainer.world_size}.{self.global_rank}.{number}"
    torch.save(batch["image"], where)

if __name__ == "__main__":
    PointSegmentationTask.on_train_batch_start = note
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_processes_train_on_the_chips_of_one(study, located, tmp_path):
    clicks = [(0, 0, 0, "train"), (79, 110, 1, "train"), (40, 50, 1, "train"), (60, 20, 1, "test")]
    study({"a": located(80, 111)}, clicks, chip=32)
    script = tmp_path / "train.py"  # a file: Lightning starts the second process by running it again
    script.write_text(SCRIPT)
    for processes, batch in ((1, 4), (2, 2)):
        data = {name: str(tmp_path / where) for name, where in (("masks", "masks"), ("points", "points.gpkg"))}
        data |= {"rasters": [str(tmp_path / "images")], "chip": 32, "batch_size": batch, "steps": 2}
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
        assert sorted(path.name for path in (tmp_path / f"out{processes}").iterdir()) == ["log", "model", "model.ckpt"]
    for number in range(2):
        alone = torch.load(f"{script}.1.0.{number}")
        together = [torch.load(f"{script}.2.{rank}.{number}") for rank in range(2)]
        np.testing.assert_array_equal(torch.cat(together), alone)
