"""Who runs the tasks: any `concurrent.futures.Executor`. Here are the two that we open ourselves.

Threads, each of which waits for a process: a pool of processes breaks as a whole when one is killed.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from grader.batch import task as tasks
from grader.batch.roster import shown
from grader.batch.task import Done, Task
from grader.finding import CannotGrade


@contextmanager
def local(jobs: int) -> Iterator[Executor]:
    """So many submissions at once on this machine. An interrupt ends those that run, and begins no other."""
    tasks.stop.clear()
    executor = ThreadPoolExecutor(jobs)
    try:
        yield executor
    except BaseException:
        tasks.stop.set()
        for process in list(tasks.running):
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler, which see the same files. Raises CannotGrade.

    What a dead worker had is graded by another; a submission that has ended `allowed-failures` + 1 workers is given up
    (KilledWorker). https://distributed.dask.org/en/stable/killed.html
    """
    try:
        from distributed import Client  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise CannotGrade("--scheduler needs Dask: .tox/grade/bin/pip install -r requirements/dask.txt") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise CannotGrade(f"--scheduler: nobody to talk to at {address}: {str(error)[:200]}") from None
    with client:
        executor = client.get_executor(pure=False)  # pure: the same call twice is made once
        try:
            yield executor
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def graded(executor: Executor, work: Iterable[Task]) -> Iterator[tuple[Task, Done]]:
    """Each task with what came of it, as they end. One that the executor cannot do is given up, and costs no other."""
    futures: dict[Future[Done], Task] = {executor.submit(tasks.grade, task): task for task in work}
    for future in as_completed(futures):
        task = futures.pop(future)
        try:
            yield task, future.result()
        except tasks.Stopped:
            raise KeyboardInterrupt from None
        except Exception as error:
            yield task, give_up(task, why(error))


def why(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        tries = getattr(error, "allowed_failures", 0) + 1
        return f"its worker died {tries} times"
    return f"the worker could not grade it: {type(error).__name__}: {str(error)[:200]}"


def give_up(task: Task, words: str) -> Done:
    entry = tasks.given_up(task, "given up", shown(words))
    entry.write(Path(task.out))
    return Done(entry.key, True, False, tuple(step.score for step in entry.steps))
