"""Carrying on: a training that starts from the weights of the last one, when points have been added."""

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.weights import encoder_of

__all__ = ["carry_on"]


def carry_on(task: PointSegmentationTask, last: PointSegmentationTask) -> str:
    """Give a network the weights of an earlier one.

    All of them where both have the same classes; else those of the encoder, and the rest starts at random.

    Args:
        task: Gets them; of the same network and bands.
        last: The earlier one.

    Returns:
        What was taken, in words.

    Raises:
        GeoPointSegError: another network, or other bands.
    """
    mine, theirs = task.hparams, last.hparams
    for what in ("model", "backbone"):
        if mine[what] != theirs[what]:
            raise GeoPointSegError(
                f"expected the {what} of the model to start from, {theirs[what]}, got {mine[what]}: take that, or leave "
                "--warm-start out"
            )
    if mine["card"]["bands"] != theirs["card"]["bands"]:
        raise GeoPointSegError(
            f"expected the bands of the model to start from, {theirs['card']['bands']}, got {mine['card']['bands']}: "
            "leave --warm-start out"
        )
    if task.classes.names == last.classes.names:
        task.model.load_state_dict(last.model.state_dict())
        return "all weights of the last model"
    new, old = encoder_of(task.model), encoder_of(last.model)
    if new is None or old is None:
        raise GeoPointSegError(
            f"expected the classes of the model to start from, {', '.join(last.classes.names)}, got "
            f"{', '.join(task.classes.names)}: leave --warm-start out"
        )
    new.load_state_dict(old.state_dict())
    return "the encoder of the last model, which had other classes"
