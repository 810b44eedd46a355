"""The one error a user can cause."""

__all__ = ["GeoPointSegError"]


class GeoPointSegError(Exception):
    """The input is not what the work needs: the message says what was expected, what came, and what to do.

    The command line prints it on one line and exits with status 2.
    """
