"""What computes a trained network: PyTorch, ONNX Runtime or OpenVINO, in float32 or bfloat16.

Each is a function from raw pixels to probabilities. Which one, and in which number format, depends on the model and on
what is installed alone, never on a clock: the same installation gives the same map each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.agreement import Ask, Pixels, compare
from geopointseg.learning.gpu import LANES, with_lanes
from geopointseg.learning.graph import INPUT, OUTPUT, onnx_graph
from geopointseg.learning.precision import Format, Precision, to_predict_in
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.turns import turned

__all__ = ["AUTO", "Backend", "Computing", "Predictor", "predictor", "with_torch"]

Backend = Literal["auto", "torch", "onnxruntime", "openvino"]
Name = Literal["torch", "onnxruntime", "openvino"]
SAME = 0.999  # share of equal pixels that another backend in float32 must reach to be taken unasked
MULTIPLE = 32  # sides that a graph was made for


@dataclass(frozen=True, slots=True)
class Computing:
    """How the network is computed.

    Args:
        backend: torch; onnxruntime or openvino, if installed; or openvino where it is installed and gives the same classes, else torch.
        precision: Number format; by default bfloat16 where the processor has it and the model was found to stand it, else
            float32.
        compiled: Let torch compile the network first: takes a minute or so and a C++ compiler, and gains little on some
            processors.
        tta: Test-time augmentation: average what the network says of the eight flips and turns of each window. It takes
            eight times as long.
    """

    backend: Backend = "auto"
    precision: Precision = "auto"
    compiled: bool = False
    tta: bool = False


AUTO = Computing()


@dataclass(frozen=True, slots=True)
class Predictor:
    """A trained network, ready to be asked.

    It stays in the process and, unless it has several lanes, the thread that made it: another makes its own, with the same `backend` and `precision`, and
    finds the same, bit by bit.
    """

    ask: Ask
    classes: Classes
    """What the probabilities are of."""
    backend: Name
    precision: Format
    why: str
    lanes: int = 1
    """How many threads may ask at once."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Raw pixels (batch, bands, height, width), NaN where there is no data, to probabilities."""
        return self.ask(pixels)

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON and tags."""
        return {"backend": self.backend, "precision": self.precision, "why": self.why}

    def __str__(self) -> str:
        """The account for people."""
        name = {"32-true": "float32", "bf16-mixed": "bfloat16"}[self.precision]
        return f"computed by {self.backend} in {name}: {self.why}"


def predictor(task: PointSegmentationTask, computing: Computing = AUTO) -> Predictor:
    """Choose what computes a task, and make it ready.

    By default, on a GPU torch; on a CPU OpenVINO, if it is installed, can take the network, and in float32 gives the same
    class as torch on 99.9 % of the pixels of a made-up picture; else torch.

    Args:
        task: In evaluation mode.
        computing: What the user wants.

    Raises:
        GeoPointSegError: the wanted backend is not installed, cannot do it, or cannot take this network.
    """
    made = _chosen(task, computing)
    if computing.tta:
        return replace(made, ask=turned(made.ask), why=f"eight flips and turns averaged; {made.why}")
    return made


def _chosen(task: PointSegmentationTask, computing: Computing) -> Predictor:
    """As `predictor`, of the picture as it is."""
    wanted, on_cpu = computing.backend, task.device.type == "cpu"
    if wanted in MAKERS and (computing.compiled or not on_cpu):
        where = "with --compiled" if on_cpu else "on a GPU"
        raise GeoPointSegError(f"expected --backend torch {where}, got {wanted}: leave one of them out")
    if wanted == "onnxruntime" and computing.precision == "bf16-mixed":
        raise GeoPointSegError(
            "expected float32 for onnxruntime, which has no bfloat16 on a CPU, got bf16-mixed: leave --precision out, or "
            "take --backend torch or openvino"
        )
    number_format, why = to_predict_in(task, computing.precision)
    if wanted == "onnxruntime" or wanted == "openvino":
        _require(wanted)
        if wanted == "onnxruntime" and number_format == "bf16-mixed":
            number_format, why = "32-true", "onnxruntime has no bfloat16 on a CPU"
        return Predictor(MAKERS[wanted](onnx_graph(task), number_format), task.classes, wanted, number_format, why)
    if wanted == "auto" and on_cpu and not computing.compiled:
        chosen, remarks = _fastest(task, number_format)
        why = "; ".join([why, *remarks])
        if chosen:
            return replace(chosen, why=why)
    if not on_cpu and not computing.compiled:
        return Predictor(with_lanes(task, number_format), task.classes, "torch", number_format, why, lanes=LANES)
    ask = with_torch(task, number_format, compiled=computing.compiled)
    return Predictor(ask, task.classes, "torch", number_format, why)


def _fastest(task: PointSegmentationTask, number_format: Format) -> tuple[Predictor | None, list[str]]:
    """The first of FASTER that is installed and gives torch's classes; what was wrong with others."""
    names = [name for name in FASTER if not _missing(name)]
    remarks: list[str] = []
    if not names:
        return None, remarks
    try:
        graph = onnx_graph(task)
        for name in names:
            same = compare(
                with_torch(task), MAKERS[name](graph, "32-true"), [_picture(task)], chips="a made-up picture"
            )
            if same.equal >= SAME:
                return Predictor(MAKERS[name](graph, number_format), task.classes, name, number_format, ""), remarks
            remarks.append(f"{name} gave torch's class on only {same}")
    except GeoPointSegError as error:
        remarks.append(str(error))
    return None, remarks


def _picture(task: PointSegmentationTask) -> Pixels:
    """Smooth noise with the mean and the standard deviation of the bands, always the same: (1, bands, 256, 256)."""
    noise = torch.randn(1, task.band_mean.shape[1], 32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=(256, 256), mode="bicubic")
    found: Pixels = (smooth * task.band_std.cpu() + task.band_mean.cpu()).numpy()
    return found


def with_torch(task: PointSegmentationTask, number_format: Format = "32-true", *, compiled: bool = False) -> Ask:
    """Ask PyTorch, on the device that the task is on.

    Args:
        task: In evaluation mode.
        number_format: Autocast to bfloat16, or leave it.
        compiled: Compile it first.
    """
    device = task.device
    network = torch.compile(task) if compiled else task

    @torch.inference_mode()
    def ask(pixels: Pixels) -> Pixels:
        x = torch.from_numpy(pixels).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=number_format == "bf16-mixed"):
            logits: Tensor = network(x)
        found: Pixels = logits.float().softmax(dim=1).cpu().numpy()
        return found

    return ask


def _with_onnxruntime(graph: bytes, _: Format) -> Ask:
    """Ask ONNX Runtime, on the CPU in float32, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def ask(pixels: Pixels) -> Pixels:
        found: Pixels = session.run([OUTPUT], {INPUT: pixels})[0]
        return found

    return _on_whole_sides(ask)


def _with_openvino(graph: bytes, number_format: Format) -> Ask:
    """Ask OpenVINO, on the CPU, with as many threads as torch has."""
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if number_format == "bf16-mixed" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    core = _core()
    compiled = core.compile_model(core.read_model(graph), "CPU", settings)

    def ask(pixels: Pixels) -> Pixels:
        found: Pixels = compiled(pixels, share_outputs=False)[0]  # else the next answer is written over this one
        return found

    return _on_whole_sides(ask)


@cache
def _core() -> Any:  # noqa: ANN401 - an extra that mypy need not have
    """OpenVINO's one core: each that compiles takes the thread's signal stack, and after two the next process to be forked dies."""
    import openvino

    return openvino.Core()


MAKERS: Mapping[str, Callable[[bytes, Format], Ask]] = {
    "onnxruntime": _with_onnxruntime,
    "openvino": _with_openvino,
}
FASTER: tuple[Name, ...] = ("openvino",)
"""What is taken before torch; docs/backends.md has how far its speed is measured, and why ONNX Runtime is not here."""
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}


def _missing(name: str) -> list[str]:
    """The packages that a backend lacks."""
    return [package for package in (name, "onnx", "onnxscript") if find_spec(package) is None]


def _require(name: str) -> None:
    """Say how to install a backend.

    Raises:
        GeoPointSegError: it is not.
    """
    if missing := _missing(name):
        raise GeoPointSegError(
            f"expected {name} to be installed, got no {', '.join(missing)}: pip install 'geopointseg[{EXTRAS[name]}]', or "
            "take --backend torch"
        )


def _on_whole_sides(ask: Ask) -> Ask:
    """Continue pictures by their mirror image to the sides that a graph was made for, and cut what is found to size."""

    def asked(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[-2:]
        more = [(0, 0), (0, 0), *((0, -size % MULTIPLE) for size in (height, width))]
        whole = np.ascontiguousarray(np.pad(pixels, more, mode="symmetric") if any(map(any, more)) else pixels)
        return ask(whole)[..., :height, :width]

    return asked
