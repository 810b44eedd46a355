"""Words of accounts for people."""

__all__ = ["counted"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Args:
        number: How many.
        one: The noun of one thing.
        many: That of several; by default with an s.

    Examples:
        >>> counted(1, "point"), counted(0, "point"), counted(2, "is", "are")
        ('1 point', '0 points', '2 are')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
