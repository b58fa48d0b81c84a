"""How does a platform come in? The state machine as data, what each state lets happen, and what is still missing. Pure.

People's acts and facts that the hub saw move a platform; ``after`` alone applies the table. Nothing but ``go-live``,
which two persons must want, leads to ``live``; a lifted suspension only leads back to where it came from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from suanlian.model.gates import ConnectorFacts, PlatformFacts
from suanlian.model.onboarding import Act, Missing, Waiting
from suanlian.model.party import Standing
from suanlian.model.platform import PlatformKind, PlatformState
from suanlian.rules.claims import Claim, unshown

S = PlatformState
Ways = Mapping[PlatformState, PlatformState]

_BEFORE_LIVE: Final = (S.DOCUMENTS_CHECKED, S.CONNECTED, S.CONFORMANCE_PASSED, S.VERIFIED)
_STOPPED: Final = (S.SUSPENDED, S.FROZEN)
CLOSED: Final = (S.FROZEN, S.WITHDRAWN)
"""In these states nothing is started, not even to find something out."""
STOPPED: Final = (*_STOPPED, S.RECTIFYING)
"""States of a platform that was taken off, and comes back when somebody has done something."""


def _ways(to: PlatformState, *states: PlatformState) -> Ways:
    return MappingProxyType(dict.fromkeys(states, to))


WAYS: Final[Mapping[Act, Ways]] = {
    Act.CHECK_DOCUMENTS: _ways(S.DOCUMENTS_CHECKED, S.APPLIED),
    Act.CONNECT: _ways(S.CONNECTED, S.DOCUMENTS_CHECKED),
    Act.PASS_CONFORMANCE: _ways(S.CONFORMANCE_PASSED, S.CONNECTED, S.RECTIFYING),
    Act.VERIFY: _ways(S.VERIFIED, S.CONFORMANCE_PASSED),
    Act.FALL_BACK: {S.CONFORMANCE_PASSED: S.CONNECTED, S.VERIFIED: S.CONFORMANCE_PASSED},
    Act.GO_LIVE: _ways(S.LIVE, S.VERIFIED, *_STOPPED),
    Act.SUSPEND: _ways(S.SUSPENDED, *_BEFORE_LIVE, S.LIVE, S.RECTIFYING),
    Act.FREEZE: _ways(S.FROZEN, *_BEFORE_LIVE, S.LIVE, S.RECTIFYING, S.SUSPENDED),
    Act.RECTIFY: _ways(S.RECTIFYING, *_BEFORE_LIVE, S.LIVE, *_STOPPED),
    Act.WITHDRAW: _ways(S.WITHDRAWN, *(state for state in S if state is not S.WITHDRAWN)),
}
"""Act -> from which state to which. LIFT leads back to the state before and so has no fixed end."""

HUB_GOES_LIVE: Final = _ways(S.LIVE, S.CONNECTED, *_STOPPED, S.RECTIFYING)
"""A hub below runs nothing itself: no conformance, no verification, but two persons all the same."""
FACTS: Final = frozenset({Act.CONNECT, Act.PASS_CONFORMANCE, Act.VERIFY, Act.FALL_BACK})
"""Acts of the hub itself, by what it saw; nobody else can do them."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a state lets happen. What runs is ended, polled, logged and counted in every state."""

    places: bool = False
    """New work is placed here."""
    inventory: bool = False
    """Its inventory is taken and shown."""
    enrols: bool = False
    """Join tokens are minted and connectors enrol."""
    keeps_unstarted: bool = False
    """What was placed and has not started stays; else it is recalled."""


_JOINING: Final = Effects(inventory=True, enrols=True)
EFFECTS: Final[Mapping[PlatformState, Effects]] = {
    S.APPLIED: Effects(),
    S.DOCUMENTS_CHECKED: _JOINING,
    S.CONNECTED: _JOINING,
    S.CONFORMANCE_PASSED: _JOINING,
    S.VERIFIED: _JOINING,
    S.LIVE: Effects(places=True, inventory=True, enrols=True, keeps_unstarted=True),
    S.SUSPENDED: Effects(inventory=True),
    S.FROZEN: Effects(),
    S.RECTIFYING: _JOINING,
    S.WITHDRAWN: Effects(),
}


def after(act: Act, state: PlatformState, kind: PlatformKind, *, prior: PlatformState | None = None) -> S | None:
    """Where ``act`` leads from ``state``; None where it leads nowhere. ``prior``: the state before a suspension."""
    if act is Act.LIFT:
        return prior if state in _STOPPED else None
    if act is Act.GO_LIVE and kind is PlatformKind.HUB:
        return HUB_GOES_LIVE.get(state)
    return WAYS[act].get(state) if act in WAYS else None


def needs_two(act: Act, state: PlatformState, *, by_owner: bool = False) -> bool:
    """Whether the act waits for a second person. Suspending and freezing do not wait; they are confirmed afterwards."""
    if act is Act.WITHDRAW:
        return not by_owner
    return act is Act.GO_LIVE or (act is Act.RECTIFY and state is S.FROZEN)


def unshown_at(connector: ConnectorFacts) -> tuple[Claim, ...]:
    """The claims of what the connector publishes that must be shown and were not."""
    return tuple(claim for facts in connector.flavors for claim in unshown(facts))


def conforms(connector: ConnectorFacts) -> bool:
    """Whether the connector takes work and its newest run that counts was passed."""
    return connector.passed is True and not connector.observes


def is_through(connector: ConnectorFacts) -> bool:
    """Whether the connector has passed every gate, so that its shares may be placed on."""
    return conforms(connector) and bool(connector.flavors) and not unshown_at(connector)


def reached(facts: PlatformFacts) -> PlatformState:
    """How far the facts alone would bring a platform. One connector that is through opens the gate for the platform."""
    there = [connector for connector in facts.connectors if connector.enrolled]
    if not there:
        return S.DOCUMENTS_CHECKED
    if facts.kind is PlatformKind.HUB or not any(conforms(connector) for connector in there):
        return S.CONNECTED
    return S.VERIFIED if any(is_through(connector) for connector in there) else S.CONFORMANCE_PASSED


_STEP: Final[Mapping[PlatformState, Callable[[PlatformState], Act | None]]] = {
    S.DOCUMENTS_CHECKED: lambda far: Act.CONNECT if far is not S.DOCUMENTS_CHECKED else None,
    S.CONNECTED: lambda far: Act.PASS_CONFORMANCE if far in (S.CONFORMANCE_PASSED, S.VERIFIED) else None,
    S.RECTIFYING: lambda far: Act.PASS_CONFORMANCE if far in (S.CONFORMANCE_PASSED, S.VERIFIED) else None,
    S.CONFORMANCE_PASSED: lambda far: {S.VERIFIED: Act.VERIFY, S.CONFORMANCE_PASSED: None}.get(far, Act.FALL_BACK),
    S.VERIFIED: lambda far: None if far is S.VERIFIED else Act.FALL_BACK,
}


def next_fact(facts: PlatformFacts) -> Act | None:
    """The step that the facts make now, if any; what is live is moved by people alone."""
    step = _STEP.get(facts.state)
    return None if step is None else step(reached(facts))


def may_go_live(facts: PlatformFacts) -> bool:
    """Whether the gates are open: a connector of its that is through; of a hub below, one that entered."""
    if facts.kind is PlatformKind.HUB:
        return any(connector.enrolled for connector in facts.connectors)
    return any(connector.enrolled and is_through(connector) for connector in facts.connectors)


def missing(facts: PlatformFacts) -> tuple[Missing, ...]:
    """What stands between the platform and being live, who can do it, and by which command."""
    if facts.state is S.WITHDRAWN:
        return ()
    return tuple(_of_entity(facts)) + tuple(_of_platform(facts))


def _of_entity(facts: PlatformFacts) -> Iterator[Missing]:
    if facts.standing is Standing.CHECKED:
        return
    name = facts.entity
    code = {Standing.EXPIRED: "qualification-renewed", Standing.REFUSED: "entity-accepted"}
    by = Waiting.OWNER if facts.standing in code else Waiting.OPERATOR
    command = f"suanlian entity change {name}" if facts.standing in code else f"suanlian entity check {name} --why TEXT"
    yield Missing(code=code.get(facts.standing, "entity-checked"), by=by, command=command, fields={"entity": name})


def _of_platform(facts: PlatformFacts) -> Iterator[Missing]:
    name, state = facts.name, facts.state
    if state is S.APPLIED:
        command = f"suanlian platform check-documents {name} --why TEXT"
        yield Missing(code="documents-checked", by=Waiting.OPERATOR, command=command)
        return
    if state in _STOPPED:
        yield Missing(
            code=f"{state.value}-ended", by=Waiting.OPERATOR, command=f"suanlian platform go-live {name} --why TEXT"
        )
    if not facts.connectors:
        yield Missing(code="connector-named", by=Waiting.OWNER, command=f"suanlian platform connector-add {name} NAME")
    elif not any(connector.enrolled for connector in facts.connectors):
        yield from _of_connectors(facts, facts.connectors)
    elif not may_go_live(facts):
        yield from _of_connectors(facts, [one for one in facts.connectors if one.enrolled])
    elif state in (S.VERIFIED, S.CONNECTED, S.RECTIFYING) and after(Act.GO_LIVE, state, facts.kind):
        yield from _going_live(facts)


def _going_live(facts: PlatformFacts) -> Iterator[Missing]:
    go = f"suanlian platform go-live {facts.name} --why TEXT"
    if not facts.proposed:
        yield Missing(code="go-live-proposed", by=Waiting.OPERATOR, command=go)
    if facts.operators < 2:  # noqa: PLR2004 - four eyes
        command = "suanlian operator invite NAME"
        yield Missing(code="second-operator", by=Waiting.OPERATOR, command=command)
    elif facts.proposed:
        yield Missing(code="go-live-confirmed", by=Waiting.OPERATOR, command=go)


def _of_connectors(facts: PlatformFacts, connectors: Sequence[ConnectorFacts]) -> Iterator[Missing]:
    for connector in connectors:
        yield from missing_of(facts, connector)


def missing_of(facts: PlatformFacts, connector: ConnectorFacts) -> Iterator[Missing]:
    """What stands between one connector and jobs."""
    fields = {"connector": connector.name}
    if facts.state is S.WITHDRAWN or (connector.enrolled and facts.kind is PlatformKind.HUB):
        return
    if not connector.enrolled:
        if EFFECTS[facts.state].enrols and not connector.has_token:
            command = f"suanlian platform tokens {facts.name}"
            yield Missing(code="token-minted", by=Waiting.OWNER, command=command, fields=fields)
        elif EFFECTS[facts.state].enrols:
            command = "suanlian-agent enrol"
            yield Missing(code="connector-enrolled", by=Waiting.OWNER, command=command, fields=fields)
        return
    if not connector.flavors:
        yield Missing(code="inventory-published", by=Waiting.OWNER, command="suanlian-agent run", fields=fields)
    elif connector.observes:
        yield Missing(code="level-raised", by=Waiting.OWNER, command="suanlian-agent level trade", fields=fields)
    elif connector.cap_lacks and not conforms(connector):
        needed = {**fields, "needed": connector.cap_lacks}
        yield Missing(code="probe-cap-raised", by=Waiting.OWNER, command="suanlian-agent status", fields=needed)
    elif connector.passed is None:
        yield _run_of(facts, fields)
    elif not conforms(connector):
        command = f"suanlian conformance {facts.name}"
        yield Missing(code="conformance-passed", by=Waiting.OWNER, command=command, fields=fields)
    else:
        yield from (_unshown(connector, claim) for claim in unshown_at(connector))


def _run_of(facts: PlatformFacts, fields: Mapping[str, str]) -> Missing:
    """A run begins by itself, but not at a platform that was taken off: there somebody has to ask for it."""
    code, name = "conformance-run", facts.name
    if facts.state is S.SUSPENDED:
        return Missing(code=code, by=Waiting.OWNER, command=f"suanlian conformance {name} --run", fields=fields)
    if facts.state is S.FROZEN:  # nothing is started there: it is let mend first
        command = f"suanlian platform rectify {name} --mend TEXT --why TEXT"
        return Missing(code=code, by=Waiting.OPERATOR, command=command, fields=fields)
    return Missing(code=code, by=Waiting.HUB, fields=fields)


def _unshown(connector: ConnectorFacts, claim: Claim) -> Missing:
    figure = f"{claim.value} T/s {claim.precision.value}"
    fields = {"connector": connector.name, "flavor": claim.flavor, "figure": figure}
    return Missing(code="claim-verified", by=Waiting.HUB, fields=fields)
