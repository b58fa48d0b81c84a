"""A platform that is probed, played by hand: it multiplies what it is told, honestly or not, in a time that is set."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from suanlian.model.job import JobState, Outcome
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Inventory
from suanlian.model.probe import Hold, Multiply, ProbeCap, Purpose, probe_environment
from suanlian.model.protocol import Instruction, InventoryCall, LogCall, OutputCall, Wish
from suanlian.probe.matmul import multiplied
from suanlian.probe.workload import Chains
from suanlian.testing.hub import SignedConnector
from tests.hub.world import World, offer

Multiplies = Callable[[Chains], bytes]


def honestly(work: Chains) -> bytes:
    return multiplied(work).tobytes()


def offering(made: Inventory) -> Inventory:
    """The inventory with the environment of probes."""
    flavors = tuple(
        flavor.model_copy(update={"environments": (*flavor.environments, probe_environment(flavor.architecture))})
        for flavor in made.flavors
    )
    return made.model_copy(update={"flavors": flavors})


@dataclass
class Probed:
    """One platform: ``took_s`` is how long each probe takes by the world's clock, in turn, the last one for ever."""

    world: World
    platform: str = "wuhu-cluster"
    took_s: tuple[float, ...] = (5.0,)
    multiply: Multiplies = honestly
    refuses: tuple[int, ...] = ()
    """The numbers of the probes that are given back."""
    reason: str = "the owner says no"
    seen: list[Instruction] = field(default_factory=list)

    @property
    def connector(self) -> SignedConnector:
        return self._connector

    def __post_init__(self) -> None:
        self._connector = self.world.connector(self.platform)

    def publish(self, made: Inventory, cap: ProbeCap | None = None, host: str = "") -> None:
        call = InventoryCall(
            inventory=offering(made), offers=(offer(),), probes=cap or ProbeCap(), host=host, level=JoinLevel.TRADE
        )
        self._connector.client.inventory(call)

    def told(self) -> list[Instruction]:
        """The probes that it is told to run now."""
        return [said for said in self._connector.poll().instructions if said.probe and said.wish is Wish.RUN]

    def go_on(self) -> bool:
        """Do the next probe; false when there is none."""
        told = [said for said in self.told() if said.attempt_id not in {known.attempt_id for known in self.seen}]
        if not told:
            return False
        self.do(told[0])
        return True

    def do(self, said: Instruction) -> None:
        number = len(self.seen)
        self.seen.append(said)
        began = self.world.clock()
        if number in self.refuses:
            self._connector.report(said, JobState.PREEMPTED, outcome=Outcome(reason=self.reason))
            return
        self._connector.report(said, JobState.RUNNING, started_at=began)
        self.world.clock.advance(self.took_s[min(number, len(self.took_s) - 1)])
        if isinstance(said.task, Multiply):
            work = Chains(said.task.seed, said.task.precision.value, said.task.n, said.task.segments)
            product = self.multiply(work)
            self.commit(said, hashlib.sha256(product).hexdigest())
            self.hand_in(said, product)
        elif isinstance(said.task, Hold):
            assert said.probe is Purpose.SUPPLY
        self._connector.report(said, JobState.COMPLETE, started_at=began, outcome=Outcome(exit_code=0))

    def commit(self, said: Instruction, digest: str) -> None:
        line = json.dumps({"commitment": digest, "own_s": 0.1}).encode() + b"\n"
        data = base64.b64encode(line).decode()
        call = LogCall(attempt_id=said.attempt_id, token=said.token, stream="stdout", offset=0, data=data)
        self._connector.client.log(call)

    def hand_in(self, said: Instruction, product: bytes) -> None:
        sha256, data = hashlib.sha256(product).hexdigest(), base64.b64encode(product).decode()
        call = OutputCall(attempt_id=said.attempt_id, token=said.token, path="product", sha256=sha256, data=data)
        self._connector.client.output(call)

    def until_done(self, rounds: int = 40) -> None:
        """Let hub and platform go on until neither has anything left to do."""
        for _ in range(rounds):
            self.world.hub.settle()
            if not self.go_on():
                return
        raise AssertionError("it does not come to an end")
