"""Work on several processes, with a clean end when the user interrupts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread, current_thread, main_thread
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Mapper(Protocol):
    """`map`, in this process or over several; answers come in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Answer], tasks: Iterable[Task], /) -> Iterator[Answer]:
        """The answers to the tasks."""
        ...


@contextmanager
def processes(jobs: int) -> Iterator[Mapper]:
    """A `map` over `jobs` processes; the plain one for a single process.

    Workers do not see Ctrl-C: this process does, and ends them, so that a user reads one line and not a traceback of
    each worker. They end with this process however it ends.
    """
    if jobs <= 1:
        yield map
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_the_parent)

    def mapped(function: Callable[[Task], Answer], tasks: Iterable[Task], /) -> Iterator[Answer]:
        with _interrupts_held():  # tasks start workers as they are handed in, and workers inherit this
            return pool.map(function, tasks)

    try:
        yield mapped
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        # Its thread must have ended, or the interpreter's own end may trip over the pipe that the thread closes.
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _end_with_the_parent() -> None:
    """In a worker: watch the parent, whose killing alone would leave the worker waiting for tasks for ever."""
    Thread(target=_outlive, daemon=True).start()


def _outlive() -> None:
    parent = parent_process()
    assert parent is not None  # workers have one
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block; workers started meanwhile do so for ever.

    The mask is for the workers, who inherit it. Here a numerical library's thread may be given the signal all the same,
    so it is also noted instead of raised. No-op where signals cannot be held (Windows, other threads than the first).
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():
        yield
        return
    noted: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if noted:
            signal.raise_signal(signal.SIGINT)
