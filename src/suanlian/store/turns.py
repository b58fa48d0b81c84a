"""In which order are waiting jobs looked at? By age; within an account by its own priorities.

The account's turns come when its waiting jobs are old enough for them, so nobody gets ahead of another account by
calling a job urgent: which of its own jobs takes a turn is all that a priority decides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from suanlian.model.ids import ShareId
from suanlian.store import jobs
from suanlian.store.unit import Row, Unit


@dataclass(frozen=True, slots=True)
class Turn:
    """How far one pass over the waiting jobs has come.

    ``after``: the turn that was last; ``taken``: of each account with priorities, the last that took a turn, as
    (priority, id); ``kept``: shares that are kept free for a gang that has waited long.
    """

    after: str = ""
    taken: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    kept: frozenset[ShareId] = frozenset()
    preferring: frozenset[str] | None = None
    """Accounts with priorities, as they were when the pass began."""


def rows(unit: Unit, turn: Turn, *, limit: int, untold: bool = False) -> tuple[Sequence[Row], Turn | None]:
    """The jobs whose turn is next, and where to go on after them; None when all had theirs.

    A row tells in ``instead_of`` whose turn it took.
    ``untold``: only those of which it is not said yet why they wait, oldest first, for one look.
    """
    found = jobs.queued(unit, after=turn.after, limit=limit, untold=untold)
    if untold or not found:
        return [{**row, "instead_of": ""} for row in found], None
    preferring = jobs.preferring(unit) if turn.preferring is None else turn.preferring
    chosen = _by_priority(unit, found, turn, preferring)
    taken = {**turn.taken, **{row["account_id"]: (row["priority"], row["id"]) for row in chosen}}
    following = Turn(found[-1]["turn"], taken, turn.kept, preferring)
    return chosen, following if len(found) == limit else None


def _by_priority(unit: Unit, found: Sequence[Row], turn: Turn, preferring: frozenset[str]) -> Sequence[Row]:
    turns = Counter(row["account_id"] for row in found if row["account_id"] in preferring)
    instead = {
        account: iter(jobs.preferred(unit, account, turn.taken.get(account), count)) for account, count in turns.items()
    }
    chosen = []
    for row in found:
        taker = next(instead[row["account_id"]], None) if row["account_id"] in instead else row
        if taker is not None:
            chosen.append({**taker, "instead_of": "" if taker["id"] == row["id"] else row["id"]})
    return chosen
