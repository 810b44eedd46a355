"""Executors: the same function on the same tasks, one after another, in several processes, or on a Dask cluster.

Which of them runs a task does not show in what it writes. Dask is imported only when it is asked for.
"""

import multiprocessing
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal, TypeVar

from geopointseg.errors import GeoPointSegError

__all__ = ["SERIAL", "Executor", "Running", "processors", "run"]

T = TypeVar("T")
Executor = Literal["serial", "processes", "dask"]
PATIENCE = 60  # seconds that a Dask cluster of ours may be without any worker


@dataclass(frozen=True, slots=True)
class Running:
    """Where the work is done.

    Args:
        executor: serial, one after another in this process; processes, several of this machine; dask, workers of a Dask
            cluster, by default one on this machine.
        workers: How many processes, or workers of a local Dask cluster; by default one for every two processors.
        scheduler: Address of the scheduler of a running Dask cluster, as tcp://host:8786; its workers must see the same
            files under the same names.
    """

    executor: Executor = "serial"
    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Refuse what fits no executor.

        Raises:
            GeoPointSegError: no worker at all, an option of another executor, or Dask is not installed.
        """
        if self.workers is not None and (self.workers < 1 or self.executor == "serial"):
            raise GeoPointSegError(
                f"expected at least 1 worker, of --executor processes or dask, got {self.workers} of {self.executor}: "
                "change --workers or --executor"
            )
        if self.scheduler is not None and (self.executor != "dask" or self.workers is not None):
            raise GeoPointSegError(
                f"expected --executor dask, and no --workers, with --scheduler, got {self.executor} and {self.workers}: "
                "leave one of them out"
            )
        if self.executor == "dask" and find_spec("distributed") is None:
            raise GeoPointSegError(
                "expected Dask for --executor dask, got no package distributed: pip install 'geopointseg[dask]', or take "
                "--executor processes"
            )

    @property
    def count(self) -> int:
        """How many tasks run at once; of a cluster that runs already nothing is known."""
        return 1 if self.executor == "serial" or self.scheduler else self.workers or max(1, processors() // 2)

    @property
    def threads(self) -> int | None:
        """Threads that a worker on this machine may take; None where it may choose."""
        return None if self.executor == "serial" or self.scheduler else max(1, processors() // self.count)


SERIAL = Running()


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[T], object], tasks: Sequence[T], names: Sequence[str], running: Running) -> Iterator[int]:
    """Do all tasks; whatever they write, they have written when they are named.

    Args:
        work: A function of a module, so that other processes find it.
        tasks: Its arguments, which can be pickled unless the executor is serial.
        names: What messages call them.
        running: The executor.

    Yields:
        The numbers of the tasks, from 0, as they end.

    Raises:
        GeoPointSegError: a worker died, or Dask is missing or not reached. What a task raises is raised here; tasks that
            were under way are then ended, and others not begun.
    """
    if running.executor == "serial" or not tasks:
        for number, task in enumerate(tasks):
            work(task)
            yield number
    elif running.executor == "processes":
        yield from _in_processes(work, tasks, names, running.count)
    else:
        yield from _on_dask(work, tasks, names, running)


def _in_processes(work: Callable[[T], object], tasks: Sequence[T], names: Sequence[str], count: int) -> Iterator[int]:
    """On processes that are told the next task when they have done one.

    Not concurrent.futures, which does not tell what a worker that died was at.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot go on with torch's threads
    waiting = list(reversed(range(len(tasks))))
    workers: dict[Connection, BaseProcess] = {}
    doing: dict[Connection, int] = {}
    try:
        for _ in range(min(count, len(tasks))):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(target=_serve, args=(theirs, work), daemon=True)
            process.start()
            theirs.close()  # else its end would not show here
            workers[ours] = process
            _hand_out(ours, doing, waiting, tasks)
        while doing:
            answering = wait(list(doing))
            for ready in [worker for worker in doing if worker in answering]:
                number = doing[ready]
                try:
                    failure = ready.recv()
                except (EOFError, OSError):
                    raise _died(workers[ready], names[number]) from None
                if failure is not None:
                    raise failure
                del doing[ready]
                _hand_out(ready, doing, waiting, tasks)
                yield number
    finally:
        for ours, worker in workers.items():
            ours.close()
            worker.terminate()
        for worker in workers.values():
            worker.join()


def _hand_out(worker: Connection, doing: dict[Connection, int], waiting: list[int], tasks: Sequence[T]) -> None:
    """Give a worker its next task, if there is one."""
    if waiting:
        doing[worker] = waiting.pop()
        with suppress(OSError):  # it died: reading from it says so
            worker.send(tasks[doing[worker]])


def _died(process: BaseProcess, name: str) -> GeoPointSegError:
    """What to say of a worker that is no more."""
    process.join()
    code = process.exitcode or 0
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    hint = ", most likely because memory ran out" if code == -9 else ""
    return GeoPointSegError(
        f"expected a worker to finish {name}, got one that {how}{hint}: run the same command again to go on from there, "
        "with fewer --workers if memory is short"
    )


def _serve(tasks: Connection, work: Callable[[T], object]) -> None:
    """Do tasks until there are no more; answer each with None, or with what went wrong."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    while True:
        try:
            task = tasks.recv()
        except EOFError:
            return
        except KeyboardInterrupt:
            return
        try:
            work(task)
            answer: BaseException | None = None
        except KeyboardInterrupt:
            return  # the terminal tells every process; the parent says it
        except Exception as error:
            answer = _carried(error)
        tasks.send(answer)


def _carried(error: Exception) -> Exception:
    """An error as it can go to another process, with the place where it happened."""
    if not isinstance(error, GeoPointSegError):
        error.add_note("in a worker:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # anything can be in an error
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _leave_with_parent() -> None:
    """End this process when the one that started it is no more, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _on_dask(work: Callable[[T], object], tasks: Sequence[T], names: Sequence[str], running: Running) -> Iterator[int]:
    """On the workers of a Dask cluster, which does a task again on another worker if one dies."""
    import dask
    from distributed import Client, LocalCluster, as_completed
    from distributed.scheduler import KilledWorker, NoWorkerError

    with ExitStack() as stack:
        # else it waits for ever if all died while they were started again
        stack.enter_context(dask.config.set({"distributed.scheduler.no-workers-timeout": f"{PATIENCE} s"}))
        where = running.scheduler or stack.enter_context(
            LocalCluster(  # no dashboard: nothing listens but on this machine; torch's memory is not Dask's to judge
                n_workers=running.count,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=None,
            )
        )
        try:
            client = stack.enter_context(Client(where))
        except OSError as error:
            raise GeoPointSegError(
                f"expected a Dask scheduler at {running.scheduler}, got no answer ({error}): check --scheduler"
            ) from error
        futures = {client.submit(work, task, pure=False): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(list(futures)):
                try:
                    future.result()
                except NoWorkerError as error:
                    raise GeoPointSegError(
                        f"expected workers, got none for {PATIENCE} seconds: all died, most likely because memory ran out; "
                        "run the same command again to go on from there, with fewer --workers"
                    ) from error
                except KilledWorker as error:
                    raise GeoPointSegError(
                        f"expected a worker to finish {names[futures[future]]}, got several that died of it, most likely "
                        "because memory ran out: run the same command again to go on from there, with fewer or larger "
                        "workers"
                    ) from error
                yield futures[future]
        finally:
            client.cancel(list(futures))
