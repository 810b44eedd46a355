"""The number format to train and to predict in: bfloat16 where it is fast and safe, else float32."""

from typing import Literal

import torch

from geopointseg.learning.agreement import SAFE
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["Format", "Precision", "precision", "to_predict_in"]

Precision = Literal["auto", "32-true", "bf16-mixed"]
Format = Literal["32-true", "bf16-mixed"]


def precision(wanted: Precision = "auto", device: str | None = None) -> Format:
    """The number format to train in: bfloat16 where the processor computes in it, else float32.

    On a CPU with AVX-512 BF16 or AMX a training step of the default network is several times faster in bfloat16 (see
    benchmarks/results); on one without, it is emulated and slower.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda" or (device is None and torch.cuda.is_available()):
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    # torch has no public question for this yet
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def to_predict_in(task: PointSegmentationTask, wanted: Precision = "auto") -> tuple[Format, str]:
    """The number format to predict in, and why.

    bfloat16 must be fast on this processor, and safe with this model: as training ended, it gave the same class as
    float32 on 99.5 % of the pixels or more.
    """
    found = task.agreement
    if wanted != "auto":
        return wanted, "as asked for" + (f"; bfloat16 was float32's equal on {found}" if found else "")
    if precision(device=task.device.type) == "32-true":
        return "32-true", "this processor does not compute in bfloat16"
    if found is None:
        return "32-true", "the model does not say whether bfloat16 is safe with it"
    if not found.pixels:
        return "32-true", "there were no pixels to check bfloat16 on"
    share = f"bfloat16 gave float32's class on {found}"
    return ("bf16-mixed", share) if found.safe else ("32-true", f"{share}, less than {SAFE:.1%}")
