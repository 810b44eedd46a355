"""The public data sets, as they come: layout, colours, split, licence and where they are fetched from.

A small file for each data set has `DATASET`, what is known of it, and `pairs(root, split)`, its images and truth where they
lie. `prepare` makes of them rasters and class rasters on one grid, which every other command takes; `download` fetches a set,
or recognises what was put there by hand; `table` lists all. `folder` does the same for anybody's images and masks.
"""
