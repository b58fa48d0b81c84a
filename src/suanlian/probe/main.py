"""Run one probe: ``PROGRAM VALUES``, the values as one JSON object (``model/probe.ProbeTask``).

Exit codes: what the program returns; 2 when there is no such program or the values are not its own.
"""

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

PROGRAMS: Final[Mapping[str, str]] = {
    "tick": "suanlian.probe.tick",
    "hold": "suanlian.probe.hold",
    "matmul": "suanlian.probe.matmul",
    "measure": "suanlian.probe.measure",
}
"""Program -> its module, with a function ``run(values) -> exit code``. Loaded when asked for."""
_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""What a library of linear algebra reads once, when it is loaded: a machine has more cores than a probe is given."""
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
    if values.get("bind") and hasattr(os, "sched_setaffinity"):
        # before a library starts its threads: they keep what they began with
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: values["threads"]])
    os.environ.update(dict.fromkeys(_THREADS, str(values.get("threads", 1))))
    return int(importlib.import_module(PROGRAMS[arguments[0]]).run(values))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
