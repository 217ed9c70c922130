"""Questions under way: which request is which call of which question, and when each was answered."""

from __future__ import annotations

from math import nan

import numpy as np

from infermodel.tables import QuestionTable
from infermodel.workload.sessions import Call, Session


class Questions:
    """The questions of a service.

    Attributes:
        open: numbers of the measured questions that are neither answered nor given up.
    """

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self._answered_at: list[float] = []
        self._calls: dict[int, tuple[int, Call]] = {}  # request -> number of its question, its call
        self.open: set[int] = set()

    def ask(self, session: Session, *, measured: bool) -> int:
        """A question comes; returns its number."""
        number = len(self._sessions)
        self._sessions.append(session)
        self._answered_at.append(nan)
        if measured:
            self.open.add(number)
        return number

    def sent(self, request: int, question: int, call: Call) -> None:
        """A call of a question has become a request."""
        self._calls[request] = question, call

    def answered(self, request: int, at: float) -> tuple[int, list[Call]]:
        """A call has its last token: the number of its question, and the calls that may be sent now."""
        question, call = self._calls.pop(request)
        session = self._sessions[question]
        ready = session.next_calls(call, at)
        if session.answered:
            self._answered_at[question] = at
            self.open.discard(question)
        return question, ready

    def give_up(self, request: int) -> None:
        """A call was refused for good, so its question is never answered."""
        self.open.discard(self._calls.pop(request)[0])

    def table(self) -> QuestionTable:
        """All questions so far."""
        plans = [session.plan for session in self._sessions]
        return QuestionTable(
            arrived_at=np.array([session.arrived_at for session in self._sessions], np.float64),
            answered_at=np.array(self._answered_at, np.float64),
            calls=np.array([len(plan) for plan in plans], np.int64),
            prompt_tokens=np.array([sum(call.prompt_tokens for call in plan) for plan in plans], np.int64),
            output_tokens=np.array([sum(call.output_tokens for call in plan) for plan in plans], np.int64),
        )
