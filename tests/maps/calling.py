"""`predict` with its options side by side, as the command line has them."""

from dataclasses import fields

from geopointseg.maps import predict as module
from geopointseg.maps.job import Tidying
from geopointseg.maps.lattice import Windowing
from geopointseg.maps.scores import Scores
from geopointseg.run import Running

TYPES = {"windowing": Windowing, "scores": Scores, "tidying": Tidying, "running": Running}


def predict(model, rasters, *, out, **options):
    """The same, each option put into the value that it is part of."""
    for name, kind in TYPES.items():
        own = {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        options |= {name: kind(**own)} if own else {}
    return module.predict(model, rasters, out=out, **options)
