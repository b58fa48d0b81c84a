"""The process that matches, apart from the hub: pure compute between two pipes, so that nobody waits for it.

`python -m suanlian.workers.matching_child [MEMORY_BYTES]`. One problem after another comes by standard input, each is
answered by standard output. It ends with its input, whatever it is doing then: who asked is gone.
"""

import os
import resource
import select
import sys
import threading
from typing import BinaryIO, Final

from suanlian.rules.matching import arrays
from suanlian.rules.matching.matching import match
from suanlian.rules.matching.moves import Move, moves
from suanlian.workers import matching_wire as wire

_NICE: Final = 5


def answer(body: bytes) -> bytes:
    """The answer to one problem: a solution, or why it cannot be meant."""
    try:
        problem = wire.read_problem(body)
        found, going = _solved(problem)
    except (arrays.MatchingError, wire.WireError) as error:
        return wire.refusal_bytes(getattr(error, "code", "shape"), str(error))
    except MemoryError:
        return wire.refusal_bytes("too_large", "the matcher's memory is not enough for so many demands")
    return wire.solution_bytes(wire.Solution(found.pool, found.prices, found.bound, found.total, going))


def _solved(problem: wire.Problem) -> tuple[arrays.Match, tuple[Move, ...]]:
    if problem.room is None:
        return match(problem.demands, problem.pools, prices=problem.prices, certify=True), ()
    return moves(problem.demands, problem.pools, problem.room, dearer=problem.dearer, prices=problem.prices)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while head := source.read(wire.LENGTH):
        body = source.read(wire.length(head))
        sink.write(wire.framed(answer(body)))
        sink.flush()


def end_with(pipe: int) -> None:
    """Let this process end as soon as nobody holds the other end, also in the midst of compiling.

    A signal at the parent's death would come when the thread ends that started this one, not the hub.
    """

    def watch() -> None:
        poller = select.poll()
        poller.register(pipe, 0)  # that it is hung up is told unasked
        poller.poll()
        os._exit(0)

    threading.Thread(target=watch, name="end-with-input", daemon=True).start()


def main() -> None:
    """See the module."""
    memory = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(_NICE)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    end_with(0)
    try:
        serve(sys.stdin.buffer, sink)
    except BrokenPipeError:  # who asked was killed: nobody is left to tell
        os._exit(0)


if __name__ == "__main__":
    main()
