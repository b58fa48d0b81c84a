"""The state machine of platforms: no dead end but withdrawn, live only by an act of two, facts move nothing twice."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.i18n.onboarding import missing_line
from suanlian.model.gates import ConnectorFacts, FlavorFacts, PlatformFacts, Shown
from suanlian.model.onboarding import Act, Missing
from suanlian.model.party import Standing
from suanlian.model.performance import Architecture, ComputeClass, Grade, Performance, Precision
from suanlian.model.platform import Flavor, PlatformKind, PlatformState
from suanlian.model.quantity import Resources
from suanlian.rules.onboarding import (
    EFFECTS,
    FACTS,
    WAYS,
    after,
    is_through,
    may_go_live,
    missing,
    missing_of,
    needs_two,
    next_fact,
    reached,
)

S = PlatformState
PEOPLES = [act for act in WAYS if act not in FACTS]
STOPPED = (S.SUSPENDED, S.FROZEN)


def flavor(tera: str | None = None, *, grade: Grade = Grade.CLAIMED, precision: Precision = Precision.FP64) -> Flavor:
    figure = {"precision": precision, "tera_per_s": tera, "grade": grade}
    return Flavor(
        name="cpu",
        compute_class=ComputeClass.GENERAL,
        architecture=Architecture.X86_64,
        node=Resources.model_validate({"cpu": "4"}),
        performance=() if tera is None else (Performance.model_validate(figure),),
    )


def facts_of(state: PlatformState, *connectors: ConnectorFacts, **fields: object) -> PlatformFacts:
    kind = fields.pop("kind", PlatformKind.COMPUTE)
    assert isinstance(kind, PlatformKind)
    return PlatformFacts("p", kind, state, Standing.CHECKED, "e", connectors, **fields)  # type: ignore[arg-type]


shown = st.builds(lambda value: (Shown("matmul", "FP64", value),), st.decimals("0.1", "2", places=1))
flavors = st.lists(
    st.builds(FlavorFacts, st.sampled_from([flavor(), flavor("1")]), st.just(()) | shown), max_size=2
).map(tuple)
connectors = st.builds(
    ConnectorFacts,
    name=st.just("c"),
    id=st.sampled_from(["", "x"]),
    has_token=st.booleans(),
    observes=st.booleans(),
    cap_lacks=st.sampled_from(["", "cpu 0.4"]),
    passed=st.sampled_from([None, True, False]),
    flavors=flavors,
)
platforms = st.builds(
    PlatformFacts,
    name=st.just("p"),
    kind=st.sampled_from(PlatformKind),
    state=st.sampled_from(S),
    standing=st.sampled_from(Standing),
    entity=st.just("e"),
    connectors=st.lists(connectors, max_size=3).map(tuple),
    proposed=st.booleans(),
    operators=st.integers(1, 3),
)


def ends_of(kind: PlatformKind) -> dict[PlatformState, set[PlatformState]]:
    """Where every act leads from each state; a lifted suspension leads back to any state that it may come from."""
    found: dict[PlatformState, set[PlatformState]] = {state: set() for state in S}
    for act, state in product(WAYS, S):
        to = after(act, state, kind)
        if to is not None:
            found[state].add(to)
    return found


@pytest.mark.parametrize("kind", PlatformKind)
def test_every_state_is_reached_and_only_withdrawn_is_an_end(kind: PlatformKind) -> None:
    ways = ends_of(kind)
    seen = {S.APPLIED}
    while (wider := seen | {to for state in seen for to in ways[state]}) != seen:
        seen = wider
    assert seen == set(S)
    assert [state for state in S if not ways[state]] == [S.WITHDRAWN]
    # from each but withdrawn the way to live is open
    for start in S:
        far = {start}
        while (wider := far | {to for state in far for to in ways[state]}) != far:
            far = wider
        assert (S.LIVE in far) == (start is not S.WITHDRAWN), start


@pytest.mark.parametrize(("act", "kind", "state"), list(product(Act, PlatformKind, S)))
def test_live_is_reached_by_two_persons_alone(act: Act, kind: PlatformKind, state: PlatformState) -> None:
    if after(act, state, kind) is S.LIVE:
        assert act is Act.GO_LIVE
        assert needs_two(act, state)
        assert needs_two(act, state, by_owner=True)


@pytest.mark.parametrize(("state", "prior", "kind"), list(product(S, S, PlatformKind)))
def test_what_is_lifted_goes_back_to_where_it_was(
    state: PlatformState, prior: PlatformState, kind: PlatformKind
) -> None:
    assert after(Act.LIFT, state, kind, prior=prior) == (prior if state in STOPPED else None)


def test_nobody_is_held_up_by_a_second_person_when_something_has_to_stop() -> None:
    for act in (Act.SUSPEND, Act.FREEZE):
        assert not any(needs_two(act, state) for state in S)
    assert not needs_two(Act.WITHDRAW, S.LIVE, by_owner=True)
    assert needs_two(Act.WITHDRAW, S.LIVE)
    # what two had frozen one does not open again
    assert needs_two(Act.RECTIFY, S.FROZEN)


def test_what_each_state_lets_happen_is_written_down_for_each() -> None:
    assert set(EFFECTS) == set(S)
    assert [state for state in S if EFFECTS[state].places] == [S.LIVE]
    assert {state for state in S if not EFFECTS[state].inventory} == {S.APPLIED, S.FROZEN, S.WITHDRAWN}
    assert all(not effects.enrols or effects.inventory for effects in EFFECTS.values())


@given(platforms)
def test_facts_lead_step_by_step_to_where_they_stand_and_no_further(facts: PlatformFacts) -> None:
    state, seen = facts.state, [facts.state]
    while (act := next_fact(facts)) is not None:
        assert act in FACTS
        to = after(act, state, facts.kind)
        assert to is not None
        state = to
        facts = PlatformFacts(**{**{n: getattr(facts, n) for n in facts.__slots__}, "state": to})
        seen.append(state)
        assert len(seen) <= len(S), seen
    assert S.LIVE not in seen[1:]
    if seen[1:] and seen[0] is not S.RECTIFYING:
        # a connector that has entered stays: nothing leads back behind connected
        entered = any(connector.enrolled for connector in facts.connectors)
        assert state is (reached(facts) if entered else S.CONNECTED)


@given(platforms)
def test_a_platform_goes_live_by_a_connector_that_is_through(facts: PlatformFacts) -> None:
    through = [one for one in facts.connectors if one.enrolled and (is_through(one) or facts.kind is PlatformKind.HUB)]
    assert may_go_live(facts) == bool(through)
    assert not any(one.observes or one.passed is not True for one in facts.connectors if is_through(one))


@given(platforms)
def test_nothing_sticks_without_saying_why(facts: PlatformFacts) -> None:
    """Whoever is not live is told what is missing, by whom, unless the hub itself has a step to make."""
    found = missing(facts)
    settled = facts.state in (S.LIVE, S.WITHDRAWN)
    if not settled and next_fact(facts) is None:
        assert found, facts
    for one in found:
        assert missing_line(one.code, one.fields) != one.code, one
        assert one.command or one.by == "hub"


def codes(facts: PlatformFacts) -> list[str]:
    return [one.code for one in missing(facts)]


THROUGH = ConnectorFacts("a", "1", passed=True, flavors=(FlavorFacts(flavor()),))
DEAD = ConnectorFacts("b", "2", passed=False, flavors=(FlavorFacts(flavor()),))


def test_one_dead_data_centre_does_not_hold_up_the_others() -> None:
    facts = facts_of(S.CONFORMANCE_PASSED, THROUGH, *(DEAD,) * 33)
    assert reached(facts) is S.VERIFIED
    assert may_go_live(facts)
    assert not is_through(DEAD)


def test_a_hub_with_one_operator_says_so() -> None:
    assert codes(facts_of(S.VERIFIED, THROUGH, operators=1)) == ["go-live-proposed", "second-operator"]
    assert codes(facts_of(S.VERIFIED, THROUGH, operators=2, proposed=True)) == ["go-live-confirmed"]


def test_a_run_that_nobody_begins_by_itself_waits_for_somebody() -> None:
    """After a change of key nothing was found out of a connector: what is taken off is told who asks for a run."""
    changed = ConnectorFacts("a", "1", flavors=(FlavorFacts(flavor()),))
    waits = {}
    for state in (S.CONNECTED, S.SUSPENDED, S.FROZEN):
        (found,) = (one for one in missing(facts_of(state, changed)) if one.code == "conformance-run")
        waits[state] = (found.by, found.command)
    assert waits == {
        S.CONNECTED: ("hub", ""),
        S.SUSPENDED: ("owner", "suanlian conformance p --run"),
        S.FROZEN: ("operator", "suanlian platform rectify p --mend TEXT --why TEXT"),
    }


def test_of_a_withdrawn_platform_nothing_is_missing() -> None:
    watching = ConnectorFacts("a", "1", observes=True, flavors=(FlavorFacts(flavor()),))
    facts = facts_of(S.WITHDRAWN, watching)
    assert (missing(facts), list(missing_of(facts, watching))) == ((), [])
    assert [one.code for one in missing_of(facts_of(S.LIVE, watching), watching)] == ["level-raised"]


def test_a_cap_that_is_too_small_is_told_with_what_is_needed() -> None:
    capped = ConnectorFacts("a", "1", cap_lacks="cpu 0.4", flavors=(FlavorFacts(flavor()),))
    (found,) = missing(facts_of(S.CONNECTED, capped))
    assert (found.code, found.by, found.fields["needed"]) == ("probe-cap-raised", "owner", "cpu 0.4")


def test_who_observes_ends_at_connected_and_is_told() -> None:
    watching = ConnectorFacts("a", "1", passed=True, observes=True, flavors=(FlavorFacts(flavor()),))
    facts = facts_of(S.CONNECTED, watching)
    assert next_fact(facts) is None
    assert codes(facts) == ["level-raised"]
    assert next_fact(facts_of(S.VERIFIED, watching)) is Act.FALL_BACK


@pytest.mark.parametrize(
    ("claim", "held", "is_missing"),
    [("1", None, True), ("1", "0.79", True), ("1", "0.8", False), ("0.5", "0.4", False), ("2", "1", True)],
)
def test_a_claim_is_shown_or_lowered_to_what_was_shown(claim: str, held: str | None, *, is_missing: bool) -> None:
    known = () if held is None else (Shown("matmul", "FP64", Decimal(held)),)
    connector = ConnectorFacts("a", "1", passed=True, flavors=(FlavorFacts(flavor(claim), known),))
    found: tuple[Missing, ...] = missing(facts_of(S.CONFORMANCE_PASSED, connector))
    assert [one.code for one in found] == (["claim-verified"] if is_missing else [])
    assert is_through(connector) is not is_missing


@pytest.mark.parametrize(
    "unverifiable",
    [
        flavor("1", precision=Precision.FP16),
        flavor("1", grade=Grade.SIMULATED),
        flavor("1").model_copy(update={"simulated": True}),
    ],
)
def test_a_figure_without_a_method_blocks_nothing(unverifiable: Flavor) -> None:
    assert is_through(ConnectorFacts("a", "1", passed=True, flavors=(FlavorFacts(unverifiable),)))
