import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.party import Caller, Role, Scope
from suanlian.rules.access import ACTIONS, REACH, Access, Door, Relation, Sight, allowed, reaches_all, sight
from suanlian.rules.scopes import SUBJECTS, covers, needed, opens

PRIVATE = ("job.log", "job.outputs", "job.output")
OPEN = {"health.read", "node.read", "node.keys", "operator.claim", "identifier.resolve", "identifier.history"}
OPEN |= {f"identifier.{name}" for name in ("status", "descriptor", "descriptors", "version")}
OPEN |= {"drs.service-info", "tes.service-info"}  # GA4GH: a client asks a service what it is before it has a key
OPEN |= {"session.open", "session.begin", "session.return", "session.redeem"}


def caller(role: Role) -> Caller:
    return Caller(
        principal_id=PrincipalId("p"),
        role=role,
        entity_id=EntityId("e"),
        account_id=AccountId("a"),
        project_id=ProjectId("j"),
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_key_only_the_open_doors_are_open(action: str) -> None:
    assert (allowed(None, action) is Access.FULL) == (action in OPEN)


@pytest.mark.parametrize("action", [name for name, rule in ACTIONS.items() if rule.door is Door.CONNECTOR])
@pytest.mark.parametrize("role", Role)
def test_no_key_opens_the_connectors_door(role: Role, action: str) -> None:
    assert allowed(caller(role), action) is Access.DENIED


@pytest.mark.parametrize("action", [name for name in ACTIONS if name not in OPEN])
def test_the_supervisor_does_nothing_but_keep_its_own_keys_and_sign_ins(action: str) -> None:
    if action.startswith(("key.", "identity.")):
        assert allowed(caller(Role.SUPERVISOR), action) is Access.OWN
    elif allowed(caller(Role.SUPERVISOR), action) is not Access.DENIED:
        assert ACTIONS[action].reads


@pytest.mark.parametrize("action", [name for name in ACTIONS if name.startswith(("job.", "charge."))])
def test_of_jobs_supervisor_and_operator_see_metadata_at_most_and_a_provider_nothing(action: str) -> None:
    assert allowed(caller(Role.SUPERVISOR), action) in (Access.METADATA, Access.DENIED)
    assert allowed(caller(Role.OPERATOR), action) in (Access.METADATA, Access.DENIED)
    assert allowed(caller(Role.PROVIDER), action) is Access.DENIED
    assert allowed(caller(Role.BUYER), action) is Access.OWN


@pytest.mark.parametrize("action", PRIVATE)
@pytest.mark.parametrize("role", Role)
def test_logs_and_outputs_are_open_to_their_owner_alone(role: Role, action: str) -> None:
    assert allowed(caller(role), action) is (Access.OWN if role is Role.BUYER else Access.DENIED)


@pytest.mark.parametrize("role", [Role.BUYER, Role.PROVIDER])
def test_buyers_and_providers_change_only_what_is_theirs(role: Role) -> None:
    changes = (name for name, rule in ACTIONS.items() if not rule.reads and rule.door is Door.KEY)
    assert {allowed(caller(role), name) for name in changes} == {Access.OWN, Access.DENIED}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_anothers_is_open_to_watchers_alone(action: str) -> None:
    for role in (Role.BUYER, Role.PROVIDER):
        assert sight(caller(role), action, Relation.FOREIGN) is (
            Sight.ALL if ACTIONS[action].door is Door.OPEN else Sight.NOTHING
        )
    assert sight(caller(Role.SUPERVISOR), action, Relation.OWN) is sight(
        caller(Role.SUPERVISOR), action, Relation.FOREIGN
    ) or allowed(caller(Role.SUPERVISOR), action) in (Access.OWN, Access.PUBLIC)


@pytest.mark.parametrize("access", Access)
def test_every_access_says_what_it_opens_and_nobody_sees_more_of_anothers_than_of_their_own(access: Access) -> None:
    ranks = list(Sight)
    assert set(REACH[access]) == set(Relation)
    assert ranks.index(REACH[access][Relation.OWN]) <= ranks.index(REACH[access][Relation.FOREIGN])


def test_the_catalogue_is_public_and_opens_no_owned_row_not_even_to_a_watcher() -> None:
    for role in Role:
        assert allowed(caller(role), "offer.list") is Access.PUBLIC
        assert not reaches_all(caller(role), "offer.list")
    assert reaches_all(caller(Role.SUPERVISOR), "job.list")
    assert not reaches_all(caller(Role.BUYER), "job.list")


KEYED = [name for name, rule in ACTIONS.items() if rule.door is Door.KEY]


@pytest.mark.parametrize("action", KEYED)
def test_the_scope_all_opens_everything_and_read_only_what_reads(action: str) -> None:
    assert opens({Scope.ALL}, action)
    assert opens({needed(action)}, action)
    assert opens({Scope.READ}, action) == (ACTIONS[action].reads or needed(action) is Scope.READ)
    assert opens(set(), action) == (action == "me.read" or set(ACTIONS[action].grants.values()) == {Access.PUBLIC})


@pytest.mark.parametrize("scope", [Scope.JOBS, Scope.PLATFORMS, Scope.KEYS])
def test_a_scope_changes_nothing_but_its_own_subjects(scope: Scope) -> None:
    changed = {name.partition(".")[0] for name in KEYED if opens({scope}, name) and not ACTIONS[name].reads}
    writes = [(name, name.partition(".")[0]) for name in KEYED if not ACTIONS[name].reads]
    assert changed == {subject for name, subject in writes if {name, subject} & SUBJECTS[scope]}


def test_no_subject_stands_in_two_scopes() -> None:
    named = [subject for subjects in SUBJECTS.values() for subject in subjects]
    assert len(named) == len(set(named))


@given(st.frozensets(st.sampled_from(Scope)), st.frozensets(st.sampled_from(Scope)))
def test_nobody_hands_on_what_they_do_not_have(has: frozenset[Scope], asked: frozenset[Scope]) -> None:
    if covers(has, asked):
        assert all(opens(has, action) for action in KEYED if opens(asked, action))


@pytest.mark.parametrize("action", ["platform.attempts", "platform.connectors", "offer.publish"])
def test_a_provider_has_its_own_platform_and_a_buyer_none(action: str) -> None:
    assert allowed(caller(Role.PROVIDER), action) is Access.OWN
    assert allowed(caller(Role.BUYER), action) is Access.DENIED


@pytest.mark.parametrize("action", [name for name, rule in ACTIONS.items() if rule.door is Door.KEY])
def test_every_action_behind_a_key_is_granted_to_somebody(action: str) -> None:
    assert any(allowed(caller(role), action) is not Access.DENIED for role in Role)


def test_an_action_without_a_rule_is_an_error_and_no_grant() -> None:
    with pytest.raises(KeyError):
        allowed(caller(Role.OPERATOR), "job.steal")
