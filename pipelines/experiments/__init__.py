"""Experiments: pipelines that measure, on simulated answers or dense truth."""
