"""The one error a user can cause."""

from typing import get_args

__all__ = ["GeoPointSegError", "require_one_of"]


class GeoPointSegError(Exception):
    """The input is not what the work needs: the message says what was expected, what came, and what to do.

    The command line prints it on one line and exits with status 2.
    """


def require_one_of(kind: object, given: object, what: str) -> None:
    """Refuse a name that a Literal does not hold.

    Raises:
        GeoPointSegError: `given` is such a name.
    """
    if given not in get_args(kind):
        raise GeoPointSegError(f"expected {what} ({', '.join(get_args(kind))}), got {given}: correct the name")
