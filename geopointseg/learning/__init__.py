"""From pseudo-masks to a trained model: sites, datasets, samplers, augment, losses, data, task, fit.

Only `datasets`, `samplers`, `data` and `task` import torchgeo.
"""
