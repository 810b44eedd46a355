"""Maps without a label: pixels that look alike become clusters, and clusters become classes once there are a few points.

Superpixels guide a small network that learns from its own answers (`network`, `fit`); K-means and ISODATA, which look at
single pixels, stand beside it for comparison (`kmeans`, `isodata`). What was learnt is a `Partition`, which can be saved
and applied to other rasters (`partition`, `apply`); clusters that look alike are lumped (`lump`), named by points
(`classes`) and shown in their mean colours (`render`). `cluster` is the command.
"""
