"""Several processes give what one gives, and end quietly."""

import os
import signal
import subprocess
import sys
import time

import pytest

from infermodel.experiment.processes import processes, tell

SLEEPERS = """
import signal, time
from infermodel.experiment.processes import processes
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
    with processes(2) as mapped:
        try:
            print("working", flush=True)
            list(mapped(time.sleep, [60, 60, 60]))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            raise SystemExit(130) from None
"""

IDLERS = """
import time
from multiprocessing import active_children
from infermodel.experiment.processes import processes
if __name__ == "__main__":
    with processes(2) as mapped:
        list(mapped(time.sleep, [0.5, 0.5]))
        print(*(worker.pid for worker in active_children()), flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_answers_come_in_the_order_of_the_tasks(jobs: int) -> None:
    heard: list[str] = []
    with processes(jobs, heard.append) as mapped:
        assert list(mapped(abs, [-3, 1, -2])) == [3, 1, 2]
        list(mapped(tell, ["one load", "two loads"]))
    assert sorted(heard) == ["one load", "two loads"]
    tell("to nobody")
    assert len(heard) == 2


def test_an_error_of_a_worker_is_an_error_here() -> None:
    with pytest.raises(ValueError, match="invalid literal"), processes(2) as mapped:
        list(mapped(int, ["1", "x"]))


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
@pytest.mark.parametrize("after_s", [0.0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_an_interrupt_ends_all_workers_without_a_word_of_theirs(after_s: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPERS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "working\n"
        time.sleep(after_s)
        os.killpg(started.pid, signal.SIGINT)
        said, complained = started.communicate(timeout=30)  # to the end of the pipe, which the workers hold too
    assert (started.returncode, said, complained) == (130, "interrupted\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_parent_that_is_killed(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", IDLERS], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        workers = {int(pid) for pid in started.stdout.readline().split()}
        assert workers
        started.send_signal(how)
        started.communicate(timeout=30)  # to the end of the pipe, which the workers hold too
        deadline = time.monotonic() + 10
        while any(is_alive(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process with this number is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
