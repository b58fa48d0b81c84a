"""Laws of levels at the connector: nothing begins that the level of the moment bars, nothing that runs ends by it."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.policy import Halt, Held, House, Present, admit
from suanlian.agent.reconcile import LOWERED, PAUSED, Move, decide, given_up, staged
from suanlian.agent.row import UNSTARTED, Row, Step, first_row
from suanlian.drivers.contract import DriverStatus
from suanlian.model.job import JobState
from suanlian.model.owner import JoinLevel, OwnerPolicy
from suanlian.model.platform import Flavor, Inventory, Share, Site
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import Resources
from tests.agent.bench import START, run
from tests.rules.worlds import flavor

POLICY = OwnerPolicy(own_entity="own", partners=("partner",), entities=("*",))
WHO = ("own", "partner", "stranger")
READY = DriverStatus(ready=True, isolated=True, isolation="all")


def house() -> House:
    kind: Flavor = flavor().model_copy(update={"name": "f1", "node": Resources.of({"cpu": 9000, "memory": 9000})})
    share = Share(name="h1", site="s1", flavor="f1", capacity=Resources.of({"cpu": 9000, "memory": 99_000}))
    return House(POLICY, Inventory(sites=(Site(name="s1", region="310000"),), flavors=(kind,), shares=(share,)), READY)


HOUSE = house()
STEPS = st.lists(
    st.one_of(
        st.sampled_from(JoinLevel),
        st.sampled_from(WHO),  # a job of this entity comes
        st.sampled_from(["tick", "pause", "resume"]),
    ),
    max_size=40,
)


class Platform:
    """A connector in values alone: rows, the owner's word, and what begins when."""

    def __init__(self) -> None:
        self.said: dict[str, Instruction] = {}
        self.rows: dict[str, Row] = {}
        self.halt = Halt(paused=False, level=JoinLevel.TRADE, policy=POLICY)
        self.begun: list[tuple[str, JoinLevel, bool]] = []

    def step(self, what: object) -> None:
        if isinstance(what, JoinLevel):
            self.halt = replace(self.halt, level=what)
        elif what in WHO:
            said = run(entity=str(what))
            self.said[said.attempt_id] = said
            self.rows[said.attempt_id] = first_row(said)
        elif what == "tick":
            for row in tuple(self.rows.values()):
                self.rows[row.attempt_id] = self._moved(row)
        else:
            self.halt = replace(self.halt, paused=what == "pause")

    def _moved(self, row: Row) -> Row:
        why = self.halt.why(row)
        move = decide(row, paused=bool(why), now=START)
        if move is Move.GIVE_UP:
            return given_up(row, START, why)
        if move is Move.ADMIT:
            return self._admitted(row)
        if move is Move.STAGE:
            return self._started(staged(row, paused=bool(why)))
        assert move is Move.WAIT
        return row

    def _admitted(self, row: Row) -> Row:
        others = tuple(other for other in self.rows.values() if other.attempt_id != row.attempt_id)
        refusal = admit(self.said[row.attempt_id], HOUSE, Present(self.halt.level, START, Held.of(others)))
        if refusal is None:
            return row.with_(step=Step.STAGING)
        return row.closed(refusal.state, row.outcome.model_copy(update={"reason": refusal.reason}), START)

    def _started(self, row: Row) -> Row:
        if row.step is not Step.SUBMITTING:
            return row
        self.begun.append((row.entity, self.halt.level, self.halt.paused))
        return row.with_(step=Step.STARTED, native_id="n", state=JobState.RUNNING)


@given(STEPS)
def test_whatever_the_owner_says_in_whatever_order(steps: Sequence[object]) -> None:
    platform = Platform()
    for what in steps:
        running = {row.attempt_id for row in platform.rows.values() if row.step is Step.STARTED}
        platform.step(what)
        assert all(platform.rows[attempt].step is Step.STARTED for attempt in running), "what runs goes on"
    for entity, level, paused in platform.begun:
        assert not paused
        assert level is not JoinLevel.OBSERVE
        assert level is JoinLevel.TRADE or entity in ("own", "partner")
    closed = [row for row in platform.rows.values() if row.step is Step.CLOSED]
    assert {row.outcome.reason for row in closed} <= {PAUSED, LOWERED, "owner_refuses: level"}
    assert all(row.state is JobState.PREEMPTED for row in closed)


@given(STEPS)
def test_with_the_level_up_again_nothing_is_held_back(steps: Sequence[object]) -> None:
    platform = Platform()
    for what in [*steps, "resume", JoinLevel.TRADE, "tick", "tick"]:
        platform.step(what)
    assert not [row for row in platform.rows.values() if row.step in UNSTARTED]
