"""What would have become of these jobs in this world? One deterministic event simulation, four strategies."""

from enum import StrEnum

from suanlian.twin.results import Results
from suanlian.twin.trace import Trace
from suanlian.twin.world import World


class Strategy(StrEnum):
    """Who decides.

    ``ALONE``: each platform by itself, strictly first come; ``POOLED``: one platform of all nodes, first come, at no
    cost of moving; ``FIFO``: federated, strict queues, a head goes where there is room; ``SKIP``: federated, first fit;
    ``SUANLIAN``: the queueing policy of the hub.
    """

    ALONE = "alone"
    POOLED = "pooled"
    FIFO = "fifo"
    SKIP = "skip"
    SUANLIAN = "suanlian"


def simulate(world: World, trace: Trace, strategy: Strategy) -> Results:
    """Run the trace to its end; the same input gives the same result. ``TraceError`` for what cannot be meant."""
    world.validate()
    trace.validate(len(world.names))
    raise NotImplementedError(strategy)
