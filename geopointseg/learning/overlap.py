"""Overlapping: what waits for a disk or for a GPU is done in other threads meanwhile, without changing what comes or in which order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead", "in_order"]

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], *, threads: int = 1) -> Iterator[R]:
    """Do the same to all items, several at once, and give the results in the order of the items.

    Args:
        work: What is done; with more than one thread it must stand being done in several at once.
        items: Drawn by the caller's thread, at most `threads` beyond the one whose result was taken last.
        threads: At once; with 1, nothing is done before it is asked for, and all in the caller's thread.

    Yields:
        Results. What `work` or `items` raises is raised in the place of the result; what was begun is then ended first.
    """
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads, "overlap") as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for each in under_way:
                each.cancel()


def ahead(items: Iterable[T], *, depth: int = 2) -> Iterator[T]:
    """Draw items in another thread, some before they are asked for, while the caller works on those before.

    Args:
        items: All drawn by that one thread.
        depth: How many at most are drawn before they are asked for.

    Yields:
        The items. What drawing raises is raised in the place of the item. If the caller stops early, drawing ends too, and
        a generator is closed.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as reader:
        waiting = deque(reader.submit(next, source, end) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(reader.submit(next, source, end))
                yield item  # type: ignore[misc]  # it is not the end
        finally:
            for each in waiting:
                each.cancel()
            if isinstance(source, Generator):
                reader.submit(source.close)
