"""What is done in other threads comes in the same order, with the same errors, and ends with who asked for it."""

import threading
from functools import partial

import pytest

from geopointseg.learning.overlap import ahead, in_order


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Drawn:
    """Numbers, and which were drawn by which thread; at the end it may fail."""

    def __init__(self, count, failure=None):
        self.count, self.failure, self.seen, self.threads, self.closed = count, failure, [], set(), False

    def __iter__(self):
        try:
            for number in range(self.count):
                self.seen.append(number)
                self.threads.add(threading.current_thread())
                yield number
            if self.failure:
                raise self.failure
        finally:
            self.closed = True


# several at once, in order


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_results_come_in_the_order_of_the_items(threads, count):
    assert list(in_order(lambda x: x * x, range(count), threads=threads)) == [x * x for x in range(count)]


def test_two_are_done_at_once():
    second = threading.Event()

    def work(number):
        if number == 0:
            assert second.wait(60)  # for what comes after it
        if number == 1:
            second.set()
        return number

    assert list(in_order(work, range(5), threads=2)) == list(range(5))


def test_no_more_is_drawn_than_there_are_threads_for():
    drawn = Drawn(30)
    results = in_order(lambda x: x, drawn, threads=2)
    assert drawn.seen == []
    for taken in range(1, 5):
        next(results)
        assert len(drawn.seen) == taken + 2
    assert drawn.threads == {threading.current_thread()}
    results.close()
    assert len(drawn.seen) == 6


def test_with_one_thread_nothing_is_done_before_it_is_asked_for():
    drawn, done = Drawn(30), []
    results = in_order(done.append, drawn, threads=1)
    next(results)
    assert (drawn.seen, done) == ([0], [0])


@pytest.mark.parametrize("threads", [1, 3])
def test_what_goes_wrong_comes_in_the_place_of_the_result(threads):
    def work(number):
        if number == 4:
            raise OSError("damaged")
        return number

    results, found = in_order(work, range(30), threads=threads), []
    with pytest.raises(OSError, match="damaged"):
        found.extend(results)
    assert found == [0, 1, 2, 3]


@pytest.mark.parametrize("run", [partial(in_order, lambda x: x, threads=2), ahead], ids=["in_order", "ahead"])
def test_what_goes_wrong_in_drawing_reaches_the_caller(run):
    with pytest.raises(OSError, match="no more"):
        list(run(Drawn(0, OSError("no more"))))


# drawn ahead


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_items_come_as_they_would_without(depth, count):
    drawn = Drawn(count)
    assert list(ahead(drawn, depth=depth)) == list(range(count))
    assert threading.current_thread() not in drawn.threads
    assert len(drawn.threads) <= 1


def test_items_are_drawn_before_they_are_asked_for():
    drawn = threading.Event()

    def items():
        yield 0
        yield 1
        drawn.set()
        yield 2

    found = ahead(items(), depth=2)
    assert next(found) == 0
    assert drawn.wait(60)  # nobody has asked for 1 yet
    assert list(found) == [1, 2]


def test_all_items_before_an_error_come():
    found = []
    with pytest.raises(OSError, match="cut short"):
        found.extend(ahead(Drawn(3, OSError("cut short")), depth=2))
    assert found == [0, 1, 2]


def test_who_stops_early_stops_the_drawing():
    drawn = Drawn(1000)
    found = ahead(iter(drawn), depth=2)
    assert [next(found), next(found)] == [0, 1]
    found.close()
    assert drawn.closed
    assert len(drawn.seen) <= 4


def test_an_error_of_the_caller_ends_the_drawing():
    drawn = Drawn(1000)

    def caller():
        for _ in ahead(iter(drawn), depth=2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caller()
    assert len(drawn.seen) <= 3
