"""How may a version, a copy or a transfer go on? State machines as data, asked by one function each. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from suanlian.model.data import TRANSFER_ENDED, ReplicaState, TransferState, VersionState

_FIRST_S: Final = 5
_LONGEST_S: Final = 600
_V, _R, _T = VersionState, ReplicaState, TransferState

VERSION: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    _V.OPEN: frozenset({_V.SEALED, _V.DELETED}),
    _V.SEALED: frozenset({_V.LOST, _V.DELETED}),
    _V.LOST: frozenset({_V.SEALED, _V.DELETED}),
    _V.DELETED: frozenset(),
}
REPLICA: Final[Mapping[ReplicaState, frozenset[ReplicaState]]] = {
    _R.COMING: frozenset({_R.WHOLE, _R.LEAVING}),
    _R.WHOLE: frozenset({_R.DOUBTED, _R.BROKEN, _R.LEAVING}),
    _R.DOUBTED: frozenset({_R.WHOLE, _R.BROKEN, _R.LEAVING}),
    _R.BROKEN: frozenset({_R.WHOLE, _R.LEAVING}),
    _R.LEAVING: frozenset({_R.GONE}),
    _R.GONE: frozenset(),
}
TRANSFER: Final[Mapping[TransferState, frozenset[TransferState]]] = {
    _T.WAITING: frozenset({_T.GOING, _T.DONE, _T.FAILED, _T.CANCELED}),
    _T.GOING: frozenset({_T.CHECKING, _T.WAITING, _T.CANCELING, _T.DONE, _T.FAILED, _T.CANCELED}),
    _T.CHECKING: frozenset({_T.GOING, _T.WAITING, _T.CANCELING, _T.DONE, _T.FAILED, _T.CANCELED}),
    _T.CANCELING: frozenset({_T.CANCELED}),
    **{state: frozenset() for state in TRANSFER_ENDED},
}
"""What follows on each. DONE out of WAITING: the copy turned out to be whole already."""

READABLE: Final = frozenset({_R.WHOLE, _R.DOUBTED})
"""Of these a transfer may read; work reads whole ones alone."""
SAYS_NOTHING: Final = frozenset({_R.COMING, _R.LEAVING, _R.GONE})
"""Of these it is not known that they hold the version: taking one away loses nothing."""


def version_moves(old: VersionState, new: VersionState) -> bool:
    """Whether a version may go from one state to another."""
    return new in VERSION[old]


def replica_moves(old: ReplicaState, new: ReplicaState) -> bool:
    """Whether a copy may go from one state to another."""
    return new in REPLICA[old]


def transfer_moves(old: TransferState, new: TransferState) -> bool:
    """Whether a transfer may go from one state to another."""
    return new in TRANSFER[old]


def wait_after(tries: int) -> timedelta:
    """How long after so many failed tries the next one is made: doubled each time, ten minutes at most."""
    return timedelta(seconds=min(_LONGEST_S, _FIRST_S * 2 ** min(max(tries, 1) - 1, 10)))
