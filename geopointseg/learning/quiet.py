"""Lightning without what would worry nobody but its authors."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

HARMLESS = (
    ".*does not have many workers.*",  # reading is a small part
    ".*exists and is not empty.*",  # the log folder of an --overwrite
    ".*across ranks is zero.*",  # no point is held out
    ".*sync_dist=True.*",  # every process judges all held-out points
    ".*smaller than the logging interval.*",  # it counts across epochs
    ".*LeafSpec.*",  # Lightning 2.6 on torch 2.15
)
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)  # no hardware lists and tips among our own lines


@contextmanager
def quiet(*more: str) -> Iterator[None]:
    """Leave out the warnings that are none here, and let Ctrl-C be what it is.

    Args:
        more: Beginnings of further ones, as regular expressions.

    Raises:
        KeyboardInterrupt: the user stopped it.
    """
    with warnings.catch_warnings():
        for message in HARMLESS + more:
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
