"""What was compiled before a file of the room changed is not what is tested: a loop is kept by its own file alone."""

from pathlib import Path

from suanlian.rules import matching

_ROOM = Path(matching.__file__).parent
_CHANGED = max(file.stat().st_mtime for file in _ROOM.glob("*.py"))
for _kept in (_ROOM / "__pycache__").glob("*.nb[ic]"):
    if _kept.stat().st_mtime < _CHANGED:
        _kept.unlink(missing_ok=True)
