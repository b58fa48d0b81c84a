"""How far connectors have joined and how full their shares are: taken as they tell it, shown with its age."""

import json

from suanlian.model.event import EventType
from suanlian.model.load import ShareLoad, ShareState, Utilisation
from suanlian.model.owner import JoinLevel
from suanlian.model.party import Caller, Role
from suanlian.model.protocol import InventoryCall, ReportCall
from suanlian.rules.states import state_of, utilisation
from suanlian.store import platforms, states
from suanlian.store.onboarding import close_gate, newest_runs
from suanlian.store.unit import Row, Unit


def joined(unit: Unit, connector_id: str, call: InventoryCall) -> None:
    """Take with an inventory how far its owner has joined, and who the partners are."""
    row = platforms.find_connector(unit, connector_id)
    partners = json.dumps(sorted(set(call.partners)))
    if row is not None and row["partners"] != partners:
        states.set_level(unit, connector_id, {"partners": partners})
        unit.record(EventType.CONNECTOR_PARTNERS, connector_id, before=json.loads(row["partners"]), after=call.partners)
    _set_level(unit, row, call.level)


def told(unit: Unit, connector_id: str, call: ReportCall) -> None:
    """Take with a report how far its owner has joined, and the loads of its shares; each stands for itself."""
    _set_level(unit, platforms.find_connector(unit, connector_id), call.level)
    shares = states.shares_of(unit, connector_id, [load.share for load in call.loads]) if call.loads else {}
    known = {shares[load.share]: load for load in call.loads if load.share in shares}
    for share_id in sorted(known):
        states.put(unit, share_id, _row(unit, connector_id, known[share_id]))


def _set_level(unit: Unit, row: Row | None, level: JoinLevel) -> None:
    if row is None or row["level"] == level:
        return
    states.set_level(unit, row["id"], {"level": level.value})
    if row["level"] == JoinLevel.OBSERVE and row["admitted_at"] is None and newest_runs(unit, [row["id"]]):
        # what was found while nothing was dispatched does not count; who was let in before may go down and up again
        close_gate(unit, row["id"])
    what = {"platform": row["platform"], "before": row["level"], "after": level.value}
    unit.record(EventType.CONNECTOR_LEVEL, row["id"], **what)


def _row(unit: Unit, connector_id: str, load: ShareLoad) -> Row:
    """What is written of a load; a fault leaves what was known before, which grows old."""
    row = {"connector_id": connector_id, "ttl_s": load.ttl_s, "told_at": unit.now}
    if load.fault or load.in_use is None:
        return row | {"fault": load.fault or "it was not told"}
    return row | {"fault": "", "body": load.model_dump_json()}


def list_all(unit: Unit, caller: Caller, *, platform_id: str | None = None) -> list[ShareState]:
    """The state of every published share, told or not; the words of a fault are for its owner and who watches."""
    watches = caller.role in (Role.OPERATOR, Role.SUPERVISOR)
    return [
        state_of(fact, unit.now, worded=watches or fact.entity_id == caller.entity_id)
        for fact in states.facts(unit)
        if platform_id in (None, fact.platform_id)
    ]


def in_use(shown: list[ShareState]) -> Utilisation:
    """How much is in use over those of them that are fresh."""
    return utilisation(shown)
