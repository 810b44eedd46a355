"""From points to pseudo-masks: read, check, split, draw, superpixels, spread. Nothing here imports torch."""
