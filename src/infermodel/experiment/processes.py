"""Work on several processes, with a clean end when the user interrupts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.queues import SimpleQueue
from threading import Thread, current_thread, main_thread
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Mapper(Protocol):
    """`map`, in this process or over several; answers come in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Answer], tasks: Iterable[Task], /) -> Iterator[Answer]:
        """The answers to the tasks."""
        ...


def nobody(_: str) -> None:
    """Hears no news."""


_hears: Callable[[str], None] = nobody


def tell(news: str) -> None:
    """Say how far a task is to whoever opened the `processes` that do it; to nobody outside of them."""
    _hears(news)


@contextmanager
def heard(by: Callable[[str], None]) -> Iterator[None]:
    """What `tell` says in this process goes there until the end of the block."""
    global _hears
    before, _hears = _hears, by
    try:
        yield
    finally:
        _hears = before


@contextmanager
def processes(jobs: int, on_news: Callable[[str], None] = nobody) -> Iterator[Mapper]:
    """A `map` over `jobs` processes; the plain one for a single process.

    Args:
        jobs: how many.
        on_news: hears what tasks `tell`; what they tell in workers on a thread of its own.

    Workers do not see Ctrl-C: this process does, and ends them, so that a user reads one line and not a traceback of
    each worker. They end with this process however it ends.
    """
    if jobs <= 1:
        with heard(on_news):
            yield map
        return
    others, context = set(active_children()), get_context("spawn")
    news: SimpleQueue[str | None] = context.SimpleQueue()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(news,))
    listener = Thread(target=_pass_on, args=(news, on_news), daemon=True)
    listener.start()

    def mapped(function: Callable[[Task], Answer], tasks: Iterable[Task], /) -> Iterator[Answer]:
        with _interrupts_held():  # tasks start workers as they are handed in, and workers inherit this
            return pool.map(function, tasks)

    try:
        with heard(on_news):
            yield mapped
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        # Its thread must have ended, or the interpreter's own end may trip over the pipe that the thread closes.
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
    news.put(None)
    listener.join()


def _pass_on(news: SimpleQueue[str | None], on_news: Callable[[str], None]) -> None:
    while (said := news.get()) is not None:
        on_news(said)


def _begin(news: SimpleQueue[str | None]) -> None:
    """In a worker: tell the parent, and watch it: killed alone it would leave the worker waiting for tasks for ever."""
    global _hears
    _hears = news.put
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
