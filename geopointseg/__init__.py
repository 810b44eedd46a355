"""From a handful of labelled points to a land-cover map.

The story, floor by floor; each imports only from those above it:

* `grid`, `classes`: where pixels lie, what their values mean;
* `raster`: windowed reading, statistics, writing;
* `labels`: points are checked, split by place, and spread over superpixels into a pseudo-mask;
* `learning`: a network is trained on the labelled pixels alone (from here on torch);
* `maps`: the network's prediction becomes a map that opens in QGIS, and is judged on points that were held out.

`pipelines.points_to_map` tells it in one page of code; `geopointseg --help` lists the same steps as commands.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
