"""Run one probe: ``PROGRAM VALUES``, the values as one JSON object (``model/probe.ProbeTask``).

Exit codes: what the program returns; 2 when there is no such program or the values are not its own.
"""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

PROGRAMS: Final[Mapping[str, str]] = {"tick": "suanlian.probe.tick", "hold": "suanlian.probe.hold"}
"""Program -> its module, with a function ``run(values) -> exit code``. Loaded when asked for."""
_USAGE: Final = 2
_WORDS: Final = 2


def run(arguments: Sequence[str]) -> int:
    """Run the program that the arguments name; returns its exit code."""
    if len(arguments) != _WORDS or arguments[0] not in PROGRAMS:
        sys.stderr.write(f"usage: PROGRAM VALUES; programs: {', '.join(PROGRAMS)}\n")
        return _USAGE
    try:
        values: dict[str, Any] = dict(json.loads(arguments[1]))
    except ValueError as error:
        sys.stderr.write(f"the values are no JSON object: {error}\n")
        return _USAGE
    return int(importlib.import_module(PROGRAMS[arguments[0]]).run(values))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
