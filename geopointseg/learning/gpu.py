"""A GPU as what computes a network: every thread that asks has a lane of its own to it, so that transfers and computing overlap.

A lane is a CUDA stream with page-locked memory at both ends. While one thread waits for what it asked, another reads the
next windows and sends them. Nobody has run this on a GPU yet; on a CPU the tests do, where a lane has no stream.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.learning.precision import Format
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["LANES", "Lane", "with_lanes"]

LANES = 2
"""Threads that ask at once: one computes while the other's pixels and probabilities are on the way."""


class Lane:
    """One way to a device and back."""

    def __init__(self, device: torch.device) -> None:
        """Make it ready.

        Args:
            device: A GPU; or the CPU, for tests.
        """
        self.device = device
        self.stream: torch.cuda.Stream | None = None
        self.kept: dict[str, Tensor] = {}
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # the weights are there before another stream reads them
            self.stream = torch.cuda.Stream(device)

    def through(self, compute: Callable[[Tensor], Tensor], pixels: Pixels) -> Pixels:
        """Send pixels, compute, and fetch the result, which is the caller's own."""
        sent = self._room("sent", torch.Size(pixels.shape))
        sent.copy_(torch.from_numpy(pixels))
        with self._on_stream():
            answer = compute(sent.to(self.device, non_blocking=True)).float()
            fetched = self._room("fetched", answer.shape)
            fetched.copy_(answer, non_blocking=True)
        if self.stream is not None:
            self.stream.synchronize()
        found: Pixels = fetched.numpy().copy()
        return found

    def _on_stream(self) -> AbstractContextManager[object]:
        """Where work is queued."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def _room(self, name: str, shape: torch.Size) -> Tensor:
        """Memory at this end, page-locked for a GPU, the same as before while the shape is: locking takes long."""
        if name not in self.kept or self.kept[name].shape != shape:
            self.kept[name] = torch.empty(shape, dtype=torch.float32, pin_memory=self.device.type == "cuda")
        return self.kept[name]


def with_lanes(task: PointSegmentationTask, number_format: Format = "32-true") -> Ask:
    """Ask PyTorch on the device that the task is on; any thread may ask, and several at once.

    Args:
        task: In evaluation mode.
        number_format: Autocast to bfloat16, or leave it.
    """
    device, own = task.device, threading.local()

    def compute(x: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=number_format == "bf16-mixed"):
            logits: Tensor = task(x)
        return logits.float().softmax(dim=1)

    @torch.inference_mode()
    def ask(pixels: Pixels) -> Pixels:
        if not hasattr(own, "lane"):
            own.lane = Lane(device)
        lane: Lane = own.lane
        return lane.through(compute, pixels)

    return ask
