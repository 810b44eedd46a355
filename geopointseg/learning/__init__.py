"""From pseudo-masks to a trained model: losses, data, task, fit. Only `data` and `task` import torchgeo."""
