"""Who runs the tasks: any `concurrent.futures.Executor`. Here are the two that we open ourselves.

Threads, each of which waits for a process: a pool of processes breaks as a whole when one is killed.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from grader.batch import task as tasks
from grader.batch.roster import shown
from grader.batch.task import Done, Task
from grader.finding import CannotGrade

PATIENCE = 10.0  # seconds, for a scheduler to answer


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

    What a dead worker had is graded by another; one that has ended `allowed-failures` + 1 workers comes back as
    KilledWorker. https://distributed.dask.org/en/stable/killed.html
    """
    try:
        from distributed import Client  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise CannotGrade("--scheduler needs Dask: .tox/grade/bin/pip install -r requirements/dask.txt") from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise CannotGrade(f"--scheduler: nobody to talk to at {address}: {str(error)[:200]}") from None
    with client:
        executor = client.get_executor(pure=False)  # pure: the same call twice is made once
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def graded(executor: Executor, work: Iterable[Task]) -> Iterator[tuple[Task, Done]]:
    """Each task with what came of it, as they end. Raises CannotGrade if the executor itself is gone.

    What it could not do is tried once more at the end, one by one: who was beside a submission that ends workers is
    not to pay for that. If it cannot be done alone either, it is given up, and costs no other.
    """
    futures: dict[Future[Done], Task] = {executor.submit(tasks.grade, task): task for task in work}
    again: list[Task] = []
    for future in as_completed(futures):
        task = futures.pop(future)
        done = result_of(future)
        if isinstance(done, Done):
            yield task, done
        else:
            again.append(task)
    for task in again:
        done = result_of(executor.submit(tasks.grade, task))
        yield task, done if isinstance(done, Done) else give_up(task, f"given up after 2 attempts: {why(done)}")


def result_of(future: Future[Done]) -> Done | Exception:
    try:
        return future.result()
    except tasks.Stopped:
        raise KeyboardInterrupt from None
    except CancelledError:
        raise CannotGrade("the scheduler is gone; the same command goes on where it stopped") from None
    except Exception as error:
        return error


def why(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return f"it ended {getattr(error, 'allowed_failures', 0) + 1} workers in each"
    return f"the worker could not grade it: {type(error).__name__}: {str(error)[:200]}"


def give_up(task: Task, words: str) -> Done:
    entry = tasks.given_up(task, "given up", shown(words))
    entry.write(Path(task.out))
    return Done(entry.key, True, False, tuple(step.score for step in entry.steps))
