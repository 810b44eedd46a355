"""From pseudo-masks to a trained model: sites, datasets, samplers, augment, losses, unlabelled, data, task, fit.

Only `datasets`, `samplers`, `data`, `task` and `warm` import torchgeo.
"""
