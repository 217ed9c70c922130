"""A process that simulates for the page, a question a line: it is ended as soon as its answer is no longer wanted."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any, TextIO

MOST_BYTES = 64 * 1024**2
"""Of an answer's line."""


class Superseded(Exception):
    """Another question came before this one was answered."""


class Worker:
    """The process, and a new one in its place where it had to be ended."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._busy = False

    async def start(self) -> Process:
        """Have a process ready, so that the next question need not wait for its imports."""
        if self._process is None or self._process.returncode is not None:
            command = (sys.executable, "-m", "infermodel.explore.worker")
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=MOST_BYTES)
        return self._process

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question; the one before it is given up.

        Raises:
            Superseded: another question came meanwhile, or the worker was stopped.
        """
        if self._busy:
            await self.stop()
        process = await self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        self._busy = True
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            line = await process.stdout.readline()
        finally:
            if process is self._process:
                self._busy = False
        if not line:
            raise Superseded
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def drop(self) -> None:
        """Give up what is being answered, and be ready for the next question."""
        if self._busy:
            await self.stop()
            await self.start()

    async def stop(self) -> None:
        """End the process."""
        process, self._process, self._busy = self._process, None, False
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What a question's line is answered with: a run, or a capacity bracket; or what is wrong."""
    from infermodel import api
    from infermodel.errors import InputError
    from infermodel.explore.answers import bracketed, exactly, refusals, simulated

    try:
        scenario = api.load(question["scenario"], set=question["changes"])
        return {"run": simulated, "capacity": bracketed, "exact": exactly}[question["ask"]](scenario)
    except InputError as error:
        return {"errors": refusals(error)}
    except Exception as error:  # the page says what `infermodel run` would: no traceback reaches a user
        return {"errors": [{"path": "", "message": f"infermodel failed: {type(error).__name__}: {error}"[:500]}]}


def main(questions: TextIO, answers: TextIO) -> None:
    """Answer until there are no more questions."""
    for line in questions:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    main(sys.stdin, sys.stdout)
