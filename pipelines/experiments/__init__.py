"""Experiments: a grid of setups × seeds on one data set, its table, its tests and its figures.

`data` and `settings` say what is learnt from and what is judged, `clicks` what labels there are; `methods` are the network and
its peers, on the same clicks and the same test pixels. `plan` reads a YAML into cells, `cells` keeps them, and `statistics`,
`knee`, `table` and `figure` say what came of them.
`active` is an annotator that answers questions from dense truth.
"""
