"""Problems of the matcher and its answers as bytes: a header in JSON, then arrays as they lie in memory. No pickle."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields, is_dataclass
from typing import Any, Final

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Ints, Pools, Quotas, Sites
from suanlian.rules.matching.moves import Move

MAGIC: Final = b"SLM1"
LENGTH: Final = 12
"""Bytes before the body: MAGIC and its length, big-endian."""
MOST: Final = 512 * 2**20
"""No problem and no answer is larger, in bytes."""
_DTYPES: Final = {"<f8", "<i8", "<u8", "<f4", "<i4", "|b1"}
_ROOMS: Final[Mapping[str, type[Any]]] = {
    "pools": Pools,
    "demands": Demands,
    "pools.sites": Sites,
    "demands.quotas": Quotas,
}


_ASKED: Final = ("prices", "room", "dearer")


class WireError(Exception):
    """Bytes that no matcher of this version wrote."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is matched, warm from ``prices`` [M, R] where there are some.

    ``room`` [M, R]: units that are free now, where moves of what runs are asked for; ``dearer`` [N]: as for ``moves``.
    """

    pools: Pools
    demands: Demands
    prices: Floats | None = None
    room: Floats | None = None
    dearer: Floats | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """``pool`` [N]: where each demand is best, -1 nowhere. ``prices`` [M, R] CNY per hour. See ``Match``.

    ``moves``: what running work should do.
    """

    pool: Ints
    prices: Floats
    bound: float
    total: float
    moves: tuple[Move, ...] = ()


def framed(body: bytes) -> bytes:
    """With what stands before every body. Raises WireError where it is too large."""
    if len(body) > MOST:
        raise WireError(f"{len(body)} bytes are more than {MOST}")
    return MAGIC + len(body).to_bytes(LENGTH - len(MAGIC), "big") + body


def length(head: bytes) -> int:
    """How long the body is that follows. Raises WireError."""
    if len(head) != LENGTH or not head.startswith(MAGIC):
        raise WireError("this is no frame of the matcher")
    found = int.from_bytes(head[len(MAGIC) :], "big")
    if found > MOST:
        raise WireError(f"{found} bytes are more than {MOST}")
    return found


def pack(said: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """A body of what is said (JSON) and arrays."""
    flat = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    index = [[name, array.dtype.str, list(array.shape)] for name, array in flat.items()]
    head = json.dumps({"said": said, "arrays": index}, allow_nan=False).encode()
    return b"".join([len(head).to_bytes(8, "big"), head, *(array.tobytes() for array in flat.values())])


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """What was said, and the arrays, which are read only. Raises WireError."""
    try:
        begin = 8 + int.from_bytes(body[:8], "big")
        head = json.loads(body[8:begin])
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for name, dtype, shape in head["arrays"]:
            if dtype not in _DTYPES:
                raise WireError(f"arrays of {dtype} are not sent")
            size = math.prod(shape)
            arrays[name] = np.frombuffer(body, dtype=dtype, count=size, offset=begin).reshape(shape)
            begin += size * np.dtype(dtype).itemsize
        if begin != len(body):
            raise WireError(f"{len(body) - begin} bytes are left over")
        return head["said"], arrays
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"this is no message of the matcher: {error}") from error


def problem_bytes(problem: Problem) -> bytes:
    """A problem as a body."""
    arrays = dict(_flat("pools", problem.pools)) | dict(_flat("demands", problem.demands))
    asked = {name: getattr(problem, name) for name in _ASKED}
    return pack({}, arrays | {name: array for name, array in asked.items() if array is not None})


def read_problem(body: bytes) -> Problem:
    """The problem of a body. Raises WireError."""
    _said, arrays = unpack(body)
    try:
        return Problem(_made("pools", arrays), _made("demands", arrays), *(arrays.get(name) for name in _ASKED))
    except TypeError as error:
        raise WireError(f"the problem is not whole: {error}") from error


def solution_bytes(solution: Solution) -> bytes:
    """A solution as a body; a bound that is infinite is not said."""
    bound = solution.bound if math.isfinite(solution.bound) else None
    moves = [astuple(move) for move in solution.moves]
    said = {"bound": bound, "total": solution.total, "moves": moves}
    return pack(said, {"pool": solution.pool, "prices": solution.prices})


def refusal_bytes(code: str, why: str) -> bytes:
    """That a problem cannot be meant, as a body."""
    return pack({"code": code, "why": why[:1000]}, {})


def read_solution(body: bytes) -> Solution:
    """The solution of a body. Raises WireError; RefusedProblemError where it was refused."""
    said, arrays = unpack(body)
    if "code" in said:
        raise RefusedProblemError(str(said["code"]), str(said["why"]))
    try:
        bound = -math.inf if said["bound"] is None else float(said["bound"])
        moves = tuple(Move(*move) for move in said["moves"])
        return Solution(arrays["pool"], arrays["prices"], bound, float(said["total"]), moves)
    except TypeError as error:
        raise WireError(f"the answer cannot be read: {error}") from error
    except KeyError as error:
        raise WireError(f"the answer is not whole: {error} is missing") from error


class RefusedProblemError(Exception):
    """The matcher says that the problem cannot be meant. ``code``: of ``matching.arrays.CODES``."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def _flat(name: str, room: object) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """All arrays of a value of arrays, by dotted names; what is None is left out."""
    for one in fields(room):  # type: ignore[arg-type]  # a dataclass by its callers
        value = getattr(room, one.name)
        if is_dataclass(value):
            yield from _flat(f"{name}.{one.name}", value)
        elif value is not None:
            yield f"{name}.{one.name}", value


def _made(name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:  # noqa: ANN401 - the type of its name
    room = _ROOMS[name]
    known = {one.name for one in fields(room)}
    parts: dict[str, Any] = {}
    for inner in known:
        dotted = f"{name}.{inner}"
        if dotted in arrays:
            parts[inner] = arrays[dotted]
        elif dotted in _ROOMS and any(other.startswith(f"{dotted}.") for other in arrays):
            parts[inner] = _made(dotted, arrays)
    return room(**parts)
