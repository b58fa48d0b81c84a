import pytest

from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.party import Caller, Role
from suanlian.rules.access import ACTIONS, Access, Door, allowed

PRIVATE = ("job.log", "job.outputs", "job.output")
OPEN = {"health.read", "node.read", "operator.claim", "identifier.resolve"}


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
def test_the_supervisor_does_nothing(action: str) -> None:
    if allowed(caller(Role.SUPERVISOR), action) is not Access.DENIED:
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
