"""Every executor does every task once, and says which one a worker died of."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from geopointseg import run as module
from geopointseg.errors import GeoPointSegError
from geopointseg.run import Running, processors, run

NAMES = [f"shard {number}" for number in range(6)]
TWO = Running("processes", 2)


def write(path: Path) -> None:
    """Note who was here."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")


def write_or_die(path: Path) -> None:
    if path.name == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path)


def write_or_refuse(path: Path) -> None:
    if path.name == "2":
        raise GeoPointSegError("expected a raster, got a book")
    write(path)


def write_or_fail(path: Path) -> None:
    raise ZeroDivisionError(path.name)


def write_and_wait(path: Path) -> None:
    """Go on until somebody ends this process."""
    write(path)
    while True:
        time.sleep(0.1)


class StubbornError(Exception):
    """An error that cannot be given to another process."""

    def __init__(self, one, two):
        super().__init__(one)


def write_stubbornly(path: Path) -> None:
    raise StubbornError(path.name, 2)


@pytest.fixture
def paths(tmp_path):
    return [tmp_path / str(number) for number in range(6)]


def test_one_after_another_in_this_process(paths):
    assert list(run(write, paths, NAMES, Running())) == [0, 1, 2, 3, 4, 5]
    assert {path.read_text() for path in paths} == {f"{os.getpid()}\n"}


def test_no_task_is_begun_before_it_is_asked_for(paths):
    steps = run(write, paths, NAMES, Running())
    assert next(steps) == 0
    assert [path.exists() for path in paths] == [True] + [False] * 5


def test_processes_do_each_task_once(paths):
    assert sorted(run(write, paths, NAMES, TWO)) == [0, 1, 2, 3, 4, 5]
    whom = [int(path.read_text()) for path in paths]
    assert os.getpid() not in whom
    assert 1 <= len(set(whom)) <= 2


def test_no_tasks_start_no_process():
    assert list(run(write, [], [], Running("processes", 2))) == []


def test_a_worker_that_is_killed_is_named_by_its_task(paths):
    with pytest.raises(
        GeoPointSegError, match=r"expected a worker to finish shard 3, .*signal 9.*memory ran out.*again"
    ):
        list(run(write_or_die, paths, NAMES, Running("processes", 1)))
    assert [path.exists() for path in paths] == [True] * 3 + [False] * 3  # what was done stays


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (write_or_refuse, GeoPointSegError, "expected a raster, got a book"),
        (write_or_fail, ZeroDivisionError, "0"),
        (write_stubbornly, RuntimeError, "StubbornError"),
    ],
    ids=["refused", "failed", "stubborn"],
)
def test_what_a_worker_raises_is_raised_here(paths, work, error, message):
    with pytest.raises(error, match=message):
        list(run(work, paths, NAMES, Running("processes", 1)))


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = f"""
from pathlib import Path
import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from test_run import *
if __name__ == "__main__":
    list(run(write_and_wait, [Path({str(tmp_path / "task")!r})], ["it"], Running("processes", 1)))
"""
    (tmp_path / "main.py").write_text(script)
    parent = os.posix_spawn(sys.executable, [sys.executable, str(tmp_path / "main.py")], os.environ)
    while not (tmp_path / "task").exists() or not (tmp_path / "task").read_text().endswith("\n"):
        assert os.waitpid(parent, os.WNOHANG) == (0, 0)
        time.sleep(0.05)
    worker = int((tmp_path / "task").read_text())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while is_running(worker):  # a worker that stays would run into the timeout
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie that nobody has collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_dask_does_each_task_once(paths):
    pytest.importorskip("distributed", reason="needs the extra dask")
    assert sorted(run(write, paths, NAMES, Running("dask", 2))) == [0, 1, 2, 3, 4, 5]
    assert str(os.getpid()) not in {path.read_text().strip() for path in paths}


@pytest.mark.slow
def test_what_dask_workers_die_of_is_named(paths):
    pytest.importorskip("distributed", reason="needs the extra dask")
    with pytest.raises(GeoPointSegError, match="expected a worker to finish shard 3, got several that died of it"):
        list(run(write_or_die, paths, NAMES, Running("dask", 2)))


@pytest.mark.slow
def test_a_cluster_that_all_workers_have_left_is_not_waited_for(paths, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    monkeypatch.setattr(module, "PATIENCE", 2)
    monkeypatch.setattr(distributed.LocalCluster, "_correct_state", empty)
    with pytest.raises(GeoPointSegError, match="expected workers, got none for 2 seconds"):
        list(run(write, paths, NAMES, Running("dask", 2)))


async def empty(_: object) -> None:
    """A cluster that starts no worker."""


def test_without_dask_it_says_at_once_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(GeoPointSegError, match=r"pip install 'geopointseg\[dask\]', or take --executor processes"):
        Running("dask", 2)


@pytest.mark.parametrize(
    "options",
    [
        {"executor": "processes", "workers": 0},
        {"workers": 2},
        {"executor": "processes", "scheduler": "tcp://a:1"},
        {"executor": "dask", "scheduler": "tcp://a:1", "workers": 3},
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(GeoPointSegError, match=r"expected .*--workers"):
        Running(**options)


def test_workers_share_the_processors():
    assert Running().threads is None
    assert Running("processes", processors()).threads == 1
    assert Running("processes", 1).threads == processors()
    assert Running("processes").count == max(1, processors() // 2)


def test_workers_elsewhere_choose_their_threads():
    pytest.importorskip("distributed", reason="needs the extra dask")
    assert Running("dask", scheduler="tcp://a:1").threads is None
