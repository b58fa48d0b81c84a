"""Tells the ends of jobs to the addresses that their owners chose. Load, deliver with no transaction open, apply."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

from suanlian.model.errors import InvalidError, UnavailableError
from suanlian.model.event import EventType
from suanlian.services import telling
from suanlian.services.ports import Aside, Delivers, Node, Secrets
from suanlian.services.telling import DELIVERED, Told
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.beside import Beside
from suanlian.workers.loop import Tools

_GOOD: Final = range(200, 300)
_GONE: Final = 410


class Outcome(NamedTuple):
    """What became of a try, in words that its owner may read, and whether it is over."""

    words: str
    final: bool


class Webhooks(Beside[Told, Outcome]):
    """See the module."""

    name: ClassVar[str] = "webhook"
    follows: ClassVar[frozenset[EventType]] = frozenset({EventType.JOB_ENDED})
    every_s: ClassVar[float] = 5.0

    def __init__(
        self,
        tools: Tools,
        writer: Writer,
        node_now: Callable[[], Node],
        secrets: Secrets,
        elsewhere: tuple[Delivers, frozenset[str]],
    ) -> None:
        """``elsewhere``: the way there, and origins that may be told although they are not public."""
        super().__init__(tools, writer)
        self._node_now = node_now
        self._secrets = secrets
        self._delivers, self._allowed = elsewhere

    def due(self, unit: Unit, aside: Aside, limit: int) -> Sequence[Told]:
        """Ends that are to be told."""
        return telling.due(unit, self._node_now(), aside, limit)

    def do(self, work: Told) -> Outcome:
        """Tell it."""
        if not work.url:  # the account was erased
            return Outcome("", final=True)
        headers = telling.signed(work, self._node_now(), self._secrets, self.tools.clock)
        if isinstance(headers, str):
            return Outcome(f"failed: {headers}", final=True)
        if telling.refused_url(work.url, self._allowed):
            return Outcome("failed: the address is refused", final=True)
        return self._post(work, headers)

    def _post(self, work: Told, headers: Mapping[str, str]) -> Outcome:
        try:
            status = self._delivers.post(work.url, work.body, headers)
        except UnavailableError:
            return Outcome("failed: not reached", final=False)
        except InvalidError:  # its host leads there now, and may lead elsewhere later
            return Outcome("failed: the address is refused", final=False)
        if status in _GOOD:
            return Outcome(DELIVERED, final=True)
        return Outcome(f"failed: status {status}", final=status == _GONE)

    def failed(self, error: BaseException) -> Outcome:
        """Told again later, a bounded number of times."""
        return Outcome(f"failed: {type(error).__name__}", final=False)

    def settle(self, unit: Unit, work: Told, done: Outcome) -> None:
        """Over, or owed again."""
        telling.settle(unit, work, done.words, final=done.final)
