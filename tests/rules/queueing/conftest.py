"""What was compiled before a file changed that it calls is not what is tested: a loop is kept by its own file alone."""

from pathlib import Path

from suanlian.rules.queueing import queue
from suanlian.twin import simulate

_ROOMS = [Path(str(room.__file__)).parent for room in (queue, simulate)]
_CHANGED = max(file.stat().st_mtime for file in _ROOMS[0].glob("*.py"))
for _kept in (kept for room in _ROOMS for kept in (room / "__pycache__").glob("*.nb[ic]")):
    if _kept.stat().st_mtime < _CHANGED:
        _kept.unlink(missing_ok=True)
