"""Platforms as they are known: apply, look, its connectors; how one moves on stands in ``services/onboarding.py``."""

from typing import Any

from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import Kind, PlatformId, new_id, public_id
from suanlian.model.onboarding import Act
from suanlian.model.party import Caller
from suanlian.model.platform import Connector, NewConnector, NewPlatform, Platform, PlatformKind, PlatformState
from suanlian.services.ports import Node
from suanlian.store import onboarding, platforms
from suanlian.store.onboarding import Stride
from suanlian.store.unit import Row, Unit


def _platform(row: Row) -> Platform:
    return Platform.model_validate({name: row[name] for name in Platform.model_fields})


def apply(unit: Unit, node: Node, caller: Caller, new: NewPlatform) -> Platform:
    """Apply with a platform. Raises ConflictError ``duplicate_name``, InvalidError for a hub without a label."""
    if platforms.find(unit, new.name) is not None:
        wrong = f"A platform named {new.name!r} has applied already."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name.", field="name")
    if (new.kind is PlatformKind.HUB) != (new.label is not None):
        wrong = "A hub below asks for a label of the prefix; a compute platform has none."
        raise InvalidError("field_invalid", wrong, todo='Give label, such as "YRD", with kind "hub".', field="label")
    platform_id = PlatformId(new_id())
    row: dict[str, Any] = {
        **new.model_dump(exclude={"connectors"}),
        "kind": new.kind.value,
        "id": platform_id,
        "public_id": public_id(node.prefix, Kind.PLATFORM, platform_id),
        "entity_id": caller.entity_id,
        "state": PlatformState.APPLIED.value,
        "state_since": unit.now,
        "applied_at": unit.now,
        "documents_at": None,
        "live_at": None,
    }
    platforms.add(unit, row)
    onboarding.keep_step(unit, platform_id, None, Stride(Act.APPLY, PlatformState.APPLIED))
    named = new.named_connectors()
    onboarding.name_connectors(unit, _named(unit, platform_id, named))
    unit.record(EventType.PLATFORM_APPLIED, platform_id, name=new.name, connectors=len(named))
    return _platform(row)


def _named(unit: Unit, platform_id: str, connectors: tuple[NewConnector, ...]) -> list[dict[str, Any]]:
    return [{"platform_id": platform_id, "named_at": unit.now, **one.model_dump()} for one in connectors]


def name_connectors(unit: Unit, row: Row, connectors: tuple[NewConnector, ...]) -> int:
    """Name further connectors of a platform; those that are named already stay. Returns how many are new."""
    if row["state"] == PlatformState.WITHDRAWN:
        raise ConflictError("state_conflict", f"{row['name']!r} is withdrawn.", todo="Apply with another platform.")
    new = onboarding.name_connectors(unit, _named(unit, row["id"], connectors))
    if new:
        unit.record(EventType.CONNECTOR_NAMED, row["id"], name=row["name"], connectors=new)
    return new


def find(unit: Unit, ref: str) -> Row:
    """The platform's row, by UUID, identifier or name. Raises NotFoundError ``no_such_platform``."""
    row = platforms.find(unit, ref)
    if row is None:
        wrong = f"No platform has the name or identifier {ref[:80]!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="platform")
    return row


def get(unit: Unit, ref: str) -> Platform:
    """One platform. Raises NotFoundError."""
    return _platform(find(unit, ref))


def list_all(unit: Unit, *, after: str, limit: int) -> list[Platform]:
    """Platforms in the order in which they applied."""
    return [_platform(row) for row in platforms.list_all(unit, after=after, limit=limit)]


def connector(unit: Unit, connector_id: str) -> Row:
    """The connector's row with its platform's name and state. Raises NotFoundError."""
    row = platforms.find_connector(unit, connector_id)
    if row is None:
        raise NotFoundError("not_found", "There is no such connector.", todo="Enrol it.")
    return row


def connectors(unit: Unit, caller: Caller, ref: str) -> list[Connector]:
    """The connectors of a platform, for its owner and those who see all. Raises NotFoundError for others."""
    row = owned(unit, caller, ref)
    columns = Connector.model_fields
    return [Connector.model_validate({c: r[c] for c in columns}) for r in platforms.connectors_of(unit, row["id"])]


def owned(unit: Unit, caller: Caller, ref: str) -> Row:
    """The platform's row when it is the caller's own, or the caller sees all. Raises NotFoundError for others."""
    row = find(unit, ref)
    if row["entity_id"] != caller.entity_id and not caller.sees_all:
        raise NotFoundError("not_found", f"You own no platform {ref[:80]!r}.", todo="suanlian platforms lists all.")
    return row
