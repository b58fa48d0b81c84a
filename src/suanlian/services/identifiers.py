"""What does an identifier name? Our own are answered, those of a hub below or above are referred, answers are kept."""

from collections.abc import Callable
from datetime import datetime, timedelta

from suanlian.crypto.documents import sign_document
from suanlian.model.descriptor import IdentifierStanding
from suanlian.model.errors import NotFoundError
from suanlian.model.ids import SCHEME, Identifier, Kind
from suanlian.model.lineage import Delegation, SignedDelegation
from suanlian.model.node import ABSENT_TTL_S, FOUND_TTL_S, RESOLUTION_TYPE, Resolution, Resolved, Standing
from suanlian.model.party import Caller
from suanlian.rules.identifiers import standing_of
from suanlian.services.ports import Node
from suanlian.store import identifiers, jobs, journal, keys, nodes, parties, platforms, published
from suanlian.store.unit import Row, Unit

_Told = tuple[str, str, datetime]


def resolve(unit: Unit, node: Node, caller: Caller | None, text: str) -> Resolution:
    """Answer, or name the hub to ask next; signed. Raises InvalidError ``identifier_invalid``, NotFoundError."""
    identifier = SCHEME.parse(text)
    said = Resolution(
        identifier=text,
        standing=Standing.FOUND,
        kind=identifier.kind,
        issuer=identifier.prefix,
        by=node.prefix,
        as_of=unit.now,
        ttl_s=FOUND_TTL_S,
    )
    if identifier.prefix in nodes.prefixes(unit):
        return _signed(node, _found(unit, node, caller, identifier, said))
    below = platforms.delegation_of(unit, identifier.prefix)
    if below is not None:
        return _signed(node, said.model_copy(update=_downwards(unit, below)))
    above = nodes.uplinks(unit)
    if above:
        return _signed(node, said.model_copy(update=_upwards(above[0])))
    raise _unknown(text)


def _unknown(text: str) -> NotFoundError:
    wrong = f"Nothing here that you may see has the identifier {text[:80]!r}."
    return NotFoundError("not_found", wrong, todo="Check it, or ask with the key of its owner.", field="identifier")


def _signed(node: Node, said: Resolution) -> Resolution:
    body = said.model_dump(mode="json")
    return said.model_copy(update={"signature": sign_document(body, node.keypair, typ=RESOLUTION_TYPE)})


def _downwards(unit: Unit, below: Row) -> dict[str, object]:
    issued = keys.delegations(unit, below["prefix"])
    delegation = None
    if issued:
        body = Delegation.model_validate_json(issued[-1]["body"])
        delegation = SignedDelegation(delegation=body, signature=issued[-1]["signature"])
    return {
        "standing": Standing.REFERRAL,
        "by": below["prefix"].rpartition(".")[0],
        "refer_to": below["url"],
        "refer_key": below["public_key"],
        "refer_prefix": below["prefix"],
        "refer_delegation": delegation,
    }


def _upwards(above: Row) -> dict[str, object]:
    return {
        "standing": Standing.REFERRAL,
        "by": above["prefix"],
        "refer_to": above["url"],
        "refer_key": above["hub_key"],
        "refer_prefix": above["prefix"].rpartition(".")[0],
    }


def _found(unit: Unit, node: Node, caller: Caller | None, identifier: Identifier, said: Resolution) -> Resolution:
    found = _look_up(unit, node, caller, identifier)
    if found is None:
        raise _unknown(said.identifier)
    name, state, registered_at = found
    told: dict[str, object] = {"name": name, "state": state, "registered_at": registered_at}
    if identifier.kind is Kind.PLATFORM:
        row = identifiers.registration(unit, identifier.uuid)
        status = standing_of("active" if row is None else row["standing"], state)
        told["status"] = status.value
        if row is not None and status is IdentifierStanding.MOVED:
            told |= {"standing": Standing.MOVED, "moved_to": row["moved_to"]}
    return said.model_copy(update=told)


def kept(unit: Unit, text: str) -> tuple[Resolved | None, bool]:
    """What another hub answered before, with its age, and whether that still holds.

    Raises NotFoundError where the hub in charge said a moment ago that there is no such thing.
    """
    row = identifiers.cached(unit, text)
    if row is None:
        return None, False
    fresh = row["fresh_until"] > unit.now
    if row["absent"]:
        if fresh:
            raise _unknown(text)
        return None, False
    age_s = max(0, int((unit.now - row["fetched_at"]).total_seconds()))
    answer = Resolved.model_validate_json(row["body"])
    return answer.model_copy(update={"fetched_at": row["fetched_at"], "age_s": age_s, "stale": not fresh}), fresh


def keep(unit: Unit, answer: Resolved) -> Resolved:
    """Keep what another hub answered, for as long as it says that it holds."""
    ttl = timedelta(seconds=min(max(answer.resolution.ttl_s, 0), FOUND_TTL_S))
    row = {"identifier": answer.resolution.identifier, "body": answer.model_dump_json(), "absent": False}
    identifiers.keep_answer(unit, {**row, "fetched_at": unit.now, "fresh_until": unit.now + ttl})
    return answer.model_copy(update={"fetched_at": unit.now})


def keep_absent(unit: Unit, text: str) -> None:
    """Keep for a moment that the hub in charge knows no such thing."""
    row = {"identifier": text, "body": "", "absent": True, "fetched_at": unit.now}
    identifiers.keep_answer(unit, {**row, "fresh_until": unit.now + timedelta(seconds=ABSENT_TTL_S)})


def _look_up(unit: Unit, node: Node, caller: Caller | None, identifier: Identifier) -> _Told | None:
    kind, uuid = identifier.kind, identifier.uuid
    if kind is Kind.HUB:
        own = nodes.get(unit)
        return None if own is None or uuid != node.id else (node.name, "live", own["created_at"])
    if kind is Kind.ENTITY:
        return _of(parties.find_entity(unit, uuid), lambda row: (row["name"], "registered", row["created_at"]))
    if kind is Kind.PLATFORM:
        return _of(platforms.find(unit, uuid), lambda row: (row["name"], row["state"], row["applied_at"]))
    if kind is Kind.JOB:
        row = None if caller is None else jobs.find(unit, caller, uuid)
        return _of(row, lambda job: (job["name"], job["state"], job["created_at"]))
    if kind is Kind.REPORT:
        row = journal.find_report_received(unit, uuid)
        return _of(row, lambda report: (report["name"], "received", report["received_at"]))
    return _of(published.find(unit, uuid), _published)


def _of(row: Row | None, told: Callable[[Row], _Told]) -> _Told | None:
    return None if row is None else told(row)


def _published(row: Row) -> _Told:
    state = "withdrawn" if row["withdrawn"] else f"version {row['version']}"
    return row["name"], state, row["written_at"]
