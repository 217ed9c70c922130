"""Points on a Dask cluster: only workers with this very program answer, and a cluster that does not work says so."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, Queue
from time import monotonic
from typing import Any

from infermodel import __version__
from infermodel.errors import InputError
from infermodel.search.capacity_cache import program_digest
from infermodel.search.points import Outcome, Task

CONNECT_S = 10
"""How long a scheduler may take to answer at first."""

PATIENCE_S = 20.0
"""How long there may be no worker or no scheduler before a sweep ends: one that is restarted comes back sooner."""

TRIES = 3
"""How often a point is given to another worker when its own dies."""


class ClusterError(InputError, RuntimeError):
    """The cluster cannot go on; points that are finished are on disk."""


def on_cluster(tasks: Sequence[Task], address: str) -> Iterator[Outcome]:
    """Outcomes as they come from a Dask cluster; a point whose worker dies is given to another one.

    Raises:
        ModuleNotFoundError: Dask is not installed; it is the `cluster` extra.
        ClusterError: nobody answers at the address, a worker has not this program or another version of it, there is no
            worker, or the scheduler is gone.
    """
    with _connected(address) as client:
        done: Queue[Any] = Queue()
        numbers = {}
        for task in tasks:
            future = client.submit(
                _asker(), __version__, program_digest(), pickle.dumps(task), pure=False, retries=TRIES
            )
            numbers[future.key] = future, task.number
            future.add_done_callback(done.put)
        working_at = monotonic()
        while numbers:
            try:
                future = done.get(timeout=1.0)
            except Empty:
                if _has_workers(client):
                    working_at = monotonic()
                elif monotonic() - working_at > PATIENCE_S:
                    what = "no worker has been" if client.status == "running" else "no scheduler has answered"
                    raise ClusterError(f"{what} at {address} for {PATIENCE_S:g} s") from None
                continue
            number = numbers.pop(future.key)[1]
            yield _outcome(future, number, address)
            working_at = monotonic()


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler; Dask's own log, which tells of every try to reconnect, is silent meanwhile."""
    from distributed import Client
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    connect: Callable[..., Any] = Client  # Dask has no types
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        try:
            scheme, place = parse_address(address)  # a client of a wrong one would complain once more when it is gone
            get_backend(scheme)
            parse_host_port(place)
            client = connect(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise ClusterError(f"no Dask scheduler answers at {address}: {said}") from None
        try:
            yield client
        finally:
            client.close(timeout=2)
    finally:
        logging.disable(before)


def _has_workers(client: Any) -> bool:
    """Whether the scheduler answers and knows a worker."""
    if client.status != "running":
        return False
    try:
        return bool(client.nthreads())
    except (OSError, RuntimeError):
        return False


def _outcome(future: Any, number: int, address: str) -> Outcome:
    """What a worker said of a point."""
    from concurrent.futures import CancelledError

    try:
        refused, answer = future.result(timeout=CONNECT_S)
    except CancelledError:
        raise ClusterError(f"the scheduler at {address} has lost the points that it was given") from None
    except Exception as error:  # a worker that died again and again, code that does not load there
        said = str(error).partition("\n")[0]
        raise ClusterError(f"a worker at {address} cannot answer: {type(error).__name__}: {said}"[:400]) from None
    if refused:
        raise ClusterError(refused)
    return Outcome(number, **answer)


def _asker() -> Callable[[str, str, bytes], tuple[str, dict[str, Any]]]:
    """What a worker is sent. It travels by value, as functions in functions do, and imports the program only there: so
    it runs on workers, and passes through schedulers, that have another version or none, and can say so.
    """

    def ask(version: str, digest: str, task: bytes) -> tuple[str, dict[str, Any]]:
        """Why this worker must not answer, empty where it may, and the parts of the outcome."""
        import pickle
        import socket

        where = f"the worker on {socket.gethostname()}"
        try:
            import infermodel
            from infermodel.search.capacity_cache import program_digest
            from infermodel.search.points import evaluate
        except ImportError as missing:
            return f"{where} does not have infermodel {version}: {missing}", {}
        if infermodel.__version__ != version:
            return f"{where} has infermodel {infermodel.__version__}, not {version}", {}
        found = program_digest()
        if found != digest:
            return f"{where} has other sources of infermodel {version}: digest {found[:12]}, not {digest[:12]}", {}
        outcome = evaluate(pickle.loads(task))
        return "", {name: getattr(outcome, name) for name in ("answers", "notes", "reason", "lasting", "busy_s")}

    return ask
