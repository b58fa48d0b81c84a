"""How are moves of many attempts made at once? In groups, so that 1,000 tasks cost few commits and few submissions.

What a move does stands in ``moves``; a group of one is made there. A group's changes of the ledger are one transaction:
all are on the disk before anything is done that rests on them, or none is.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from suanlian.agent import moves
from suanlian.agent.desk import Desk
from suanlian.agent.policy import Held
from suanlian.agent.reconcile import Move
from suanlian.agent.row import Row, Step
from suanlian.agent.secrecy import secrets_of, variables
from suanlian.drivers.contract import DriverError, Work

_MOST: Final[Mapping[Move, int]] = {
    Move.ADMIT: 1000,
    Move.STAGE: 32,
    Move.SUBMIT: 1000,
    Move.COLLECT: 16,
    Move.FORGET: 100,
}
"""So many attempts are one group at most, one of other moves: what waits for a network holds up no more than these."""
_MOST_BARE: Final = 256
"""So many are laid out together where nothing is brought in: the fewer submissions, the less the engine is asked."""


_TURN: Final[Mapping[Move, int]] = {Move.SUBMIT: -1, Move.FORGET: 1}
"""What lets the engine work comes first. What only tidies comes last: it holds up nobody's job."""


def groups(due: Sequence[tuple[Move, Row]]) -> Iterator[tuple[Move, list[Row]]]:
    """What is made together: the same move; of submissions those of one job on one share and flavor.

    What reads datasets is laid out by itself: copying them may take long.
    """
    alike: dict[tuple[str, ...], list[Row]] = {}
    for move, row in due:
        key = (row.job_id, row.share, row.flavor) if move is Move.SUBMIT else ("bare",) if is_bare(move, row) else ()
        key = (row.attempt_id,) if move is Move.STAGE and row.laden else key
        alike.setdefault((move.value, *key), []).append(row)
    for (name, *_key), rows in sorted(alike.items(), key=lambda item: _TURN.get(Move(item[0][0]), 0)):
        move, left = Move(name), iter(rows)
        most = _MOST_BARE if is_bare(move, rows[0]) else _MOST.get(move, 1)
        while part := list(islice(left, most)):
            yield move, part


def is_bare(move: Move, row: Row) -> bool:
    """Whether it lays out what needs nothing brought in: a few files, for which no thread is worth its while."""
    return move is Move.STAGE and row.bare


def make_all(move: Move, desk: Desk, rows: Sequence[Row]) -> None:
    """Make a move for each; what one raises is told, and that row is tried again later."""
    if len(rows) == 1:
        moves.make(move, desk, rows[0])
    else:
        _TOGETHER[move](desk, rows)


def _admit(desk: Desk, rows: Sequence[Row]) -> None:
    held = Held.of(desk.ledger.rows())
    with desk.ledger.together():
        for row in rows:
            moves.attempted(Move.ADMIT, desk, row, partial(moves.admit, desk, row, held))


def _forget(desk: Desk, rows: Sequence[Row]) -> None:
    gone = [row for row in rows if moves.attempted(Move.FORGET, desk, row, partial(moves.vanish, desk, row))]
    with desk.ledger.together():
        for row in gone:
            moves.bury(desk, row)


def _stage(desk: Desk, rows: Sequence[Row]) -> None:
    laid = [row for row in rows if moves.attempted(Move.STAGE, desk, row, partial(moves.lay, desk, row))]
    held, ready = Held.of(desk.ledger.rows()), list[Row]()
    with desk.ledger.together():
        for row in laid:
            held.remove(row)  # judged beside the others, itself apart
            after = moves.intend(desk, row, held)
            if after is not None:
                held.add(after)
                ready.append(after)
    for row in ready:
        if not moves.waits_for_others(desk, row):
            moves.make(Move.SUBMIT, desk, row)


def _submit(desk: Desk, rows: Sequence[Row]) -> None:
    for work, alike in _alike(desk, _laid_out(desk, rows)):
        _start(desk, work, alike)


def _laid_out(desk: Desk, rows: Sequence[Row]) -> list[Row]:
    """Those with inputs, or that the driver has; the crash came before it had the others: they are laid out again."""
    absent = [row for row in rows if not moves.folder(desk, row).is_dir()]
    if not absent:
        return list(rows)
    known = moves.known(desk)
    lost = {row.attempt_id for row in absent if row.attempt_id not in known}
    with desk.ledger.together():
        for row in absent:
            if row.attempt_id in lost:
                desk.change(row, lambda was: was.with_(step=Step.STAGING))
    return [row for row in rows if row.attempt_id not in lost]


def _alike(desk: Desk, rows: Sequence[Row]) -> Iterator[tuple[Work, dict[int, Row]]]:
    """One work for all rows that differ by their index alone."""
    works: list[tuple[Work, dict[int, Row]]] = []
    for row in rows:
        moves.attempted(Move.SUBMIT, desk, row, partial(_place, desk, row, works))
    yield from works


def _place(desk: Desk, row: Row, works: list[tuple[Work, dict[int, Row]]]) -> None:
    said = moves.instruction(desk, row)
    work = moves.work_of(desk, said, variables(said, secrets_of(desk, row, said)))
    for other, alike in works:
        if other == work and said.task_index not in alike:
            alike[said.task_index] = row
            return
    works.append((work, {said.task_index: row}))


def _start(desk: Desk, work: Work, alike: Mapping[int, Row]) -> None:
    staged = {row.attempt_id: moves.folder(desk, row) for row in alike.values()}
    keys = {index: row.attempt_id for index, row in alike.items()}
    try:
        natives = desk.driver.submit(replace(work, staged=staged), keys=keys)
    except DriverError as error:
        _failed(desk, list(alike.values()), error)
        return
    with desk.ledger.together():
        for index, row in alike.items():
            moves.started(desk, row, natives[index])
    for path in staged.values():
        shutil.rmtree(path, ignore_errors=True)


def _failed(desk: Desk, rows: Sequence[Row], error: DriverError) -> None:
    """Later all together; what is refused for good is tried one by one, since it may be one that is at fault."""
    if error.transient:
        with desk.ledger.together():
            for row in rows:
                desk.postpone(row, error)
        return
    for row in rows:
        moves.make(Move.SUBMIT, desk, row)


def _collect(desk: Desk, rows: Sequence[Row]) -> None:
    found = [moves.attempted(Move.COLLECT, desk, row, partial(moves.collected, desk, row)) for row in rows]
    ends = [end for end in found if end is not None]
    with desk.ledger.together():
        for end in ends:
            end()


_TOGETHER: Final[Mapping[Move, Callable[[Desk, Sequence[Row]], None]]] = {
    Move.ADMIT: _admit,
    Move.STAGE: _stage,
    Move.SUBMIT: _submit,
    Move.COLLECT: _collect,
    Move.FORGET: _forget,
}
