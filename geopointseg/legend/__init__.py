"""Legends: what users say of their classes, in files and QGIS styles, and the ids that labels get by it."""
