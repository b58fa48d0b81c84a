"""A worker whose work goes on beside its turns: calls to addresses that somebody else chose, which may be slow.

What ends is written as it ends, whatever became of the others. An account has only so many under way at once, so that
its slow addresses hold up itself alone; a call that raises what nobody thought of is a failed try, which is counted.
"""

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from suanlian.services.ports import Aside
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.25
"""While something is under way it is looked for new work so often."""


class Owned(Protocol):
    """Work of a job, of an account."""

    @property
    def job_id(self) -> str:
        """Whose end it follows, or before whose beginning it is done."""
        ...

    @property
    def account_id(self) -> str:
        """By whose order."""
        ...


W = TypeVar("W", bound=Owned)
D = TypeVar("D")


class Beside(Worker, Generic[W, D]):
    """See the module."""

    at_once: ClassVar[int] = 8
    per_account: ClassVar[int] = 2

    def __init__(self, tools: Tools, writer: Writer) -> None:
        """Nothing is under way."""
        super().__init__(tools, writer)
        self._pool = ThreadPoolExecutor(self.at_once, thread_name_prefix=self.name)
        self._busy: dict[Future[D], W] = {}

    @abstractmethod
    def due(self, unit: Unit, aside: Aside, limit: int) -> Sequence[W]:
        """What is due, the longest due first."""

    @abstractmethod
    def do(self, work: W) -> D:
        """Do it, with no transaction open, in a thread of its own."""

    @abstractmethod
    def failed(self, error: BaseException) -> D:
        """What became of work that raised: a failed try, for which another may do."""

    @abstractmethod
    def settle(self, unit: Unit, work: W, done: D) -> None:
        """Write what became of it."""

    def step(self) -> bool:
        """Write what was done, begin what is due; whether anything is under way."""
        wait(self._busy, timeout=_LOOK_S if self._busy else 0, return_when=FIRST_COMPLETED)
        ended = [future for future in self._busy if future.done()]
        self.each(ended, self._written)
        self._begin()
        return bool(self._busy or ended)

    def stop(self) -> None:
        """End; what goes on is done again by the next process."""
        super().stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _written(self, future: Future[D]) -> bool:
        work, error = self._busy.pop(future), future.exception()
        if error is not None:
            _LOG.error("worker %s: a call for job %s failed", self.name, work.job_id, exc_info=error)
        done = future.result() if error is None else self.failed(error)
        self.writer.run(self.apply(lambda unit: self.settle(unit, work, done)))
        return True

    def _begin(self) -> None:
        """Fill what is free; an account that has enough is asked about no more, so that it hides nobody."""
        while len(self._busy) < self.at_once:
            counted = Counter(work.account_id for work in self._busy.values())
            full = frozenset(account for account, count in counted.items() if count >= self.per_account)
            aside = Aside(frozenset(work.job_id for work in self._busy.values()), full)
            with self.tools.reading() as unit:
                due = self.due(unit, aside, self.at_once)
            for work in due:
                if len(self._busy) < self.at_once and counted[work.account_id] < self.per_account:
                    counted[work.account_id] += 1
                    self._busy[self._pool.submit(self.do, work)] = work
            if len(due) < self.at_once:
                return
