"""A trained network as an ONNX graph: from raw pixels to probabilities, in one file that other programs run."""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["INPUT", "OUTPUT", "Network", "onnx_graph"]

INPUT, OUTPUT = "raster", "probabilities"


class Network(nn.Module):
    """A trained network from raw pixels to probabilities, with nothing of Lightning's about it.

    Args:
        task: Whose network and statistics are copied, to the CPU.
        nodata: A value that is taken for no data beside NaN.
    """

    band_mean: Tensor
    band_std: Tensor

    def __init__(self, task: PointSegmentationTask, nodata: float | None = None) -> None:
        super().__init__()
        self.network, self.nodata = copy.deepcopy(task.model).cpu(), nodata
        self.register_buffer("band_mean", task.band_mean.detach().cpu())
        self.register_buffer("band_std", task.band_std.detach().cpu())
        self.eval()

    def forward(self, raster: Tensor) -> Tensor:
        """(batch, bands, height, width) to (batch, classes, height, width), which sum to 1 over the classes."""
        x = (raster - self.band_mean) / self.band_std
        if self.nodata is not None:
            x = torch.where(raster == self.nodata, 0.0, x)
        logits: Tensor = self.network(torch.nan_to_num(x))  # a missing pixel looks like the mean, as in training
        return logits.softmax(dim=1)


def onnx_graph(
    task: PointSegmentationTask, *, side: int | None = None, nodata: float | None = None, optimize: bool = False
) -> bytes:
    """A task's network as an ONNX model, with the normalisation inside.

    Args:
        task: Trained.
        side: Height and width that it takes, in pixels; by default any that are multiples of 32. The batch is of any size.
        nodata: A value that is taken for no data beside NaN.
        optimize: Fold constants and the like: takes as long again; the runtimes do it too, as they load.

    Raises:
        GeoPointSegError: the exporter's packages are missing, or the network has something that ONNX has not.
    """
    try:
        import onnx  # noqa: F401 - torch's exporter uses both, and names neither in its errors
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise GeoPointSegError(
            f"expected onnx and onnxscript to make an ONNX graph, got no {error.name}: pip install 'geopointseg[onnx]'"
        ) from error
    height, width = (side, side) if side else (64, 96)
    free: Sequence[int] = (0,) if side else (0, 2, 3)
    example = torch.zeros(2, task.band_mean.shape[1], height, width)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's remarks on its own workings
            program = torch.onnx.export(
                Network(task, nodata),
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(dict.fromkeys(free, torch.export.Dim.DYNAMIC),),
                optimize=optimize,
                verbose=False,
                dynamo=True,
            )
            if program is None:
                raise RuntimeError("the exporter gave nothing")
            graph: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # each step of torch's exporter has kinds of its own
        what = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise GeoPointSegError(
            f"expected a network that torch can write as ONNX, got a {task.hparams['model']} with "
            f"{task.hparams['backbone']} that it cannot ({what}): predict with --backend torch, or train another network"
        ) from error
    return graph
