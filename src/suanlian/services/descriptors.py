"""Descriptors: taken from connectors version by version, counter-signed, kept, and handed out with their chain."""

from datetime import timedelta

from suanlian.crypto.apikeys import keyed_hash
from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import verify_document
from suanlian.crypto.dossiers import sign_counter, sign_status
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.lineage import body_of
from suanlian.model.descriptor import (
    DESCRIPTOR_TYPE,
    STATUS_LIFE_S,
    Act,
    CounterSignature,
    Descriptor,
    DescriptorAnswer,
    DescriptorCall,
    DescriptorEntry,
    Dossier,
    IdentifierStanding,
    MarkKind,
    SignedStatus,
    Status,
)
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.lineage import Chain
from suanlian.rules.identifiers import same_endpoint, stale, standing_of, telling
from suanlian.services.ports import Node, Secrets
from suanlian.store import identifiers, parties, platforms
from suanlian.store.unit import Row, Unit

_ANSWER_LIFE = timedelta(seconds=60)
_DIGITS = 9
_TODO = "Ask what is registered, and sign a fresh one."


def platform_of(unit: Unit, ref: str) -> Row:
    """The platform that an identifier (or its name here) is of. Raises NotFoundError."""
    row = platforms.find(unit, ref.strip()) or platforms.find(unit, ref.strip().upper())
    if row is None:
        wrong = f"No platform here has the identifier {ref[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="Resolve it: another hub may be in charge.", field="identifier")
    return row


def standing(unit: Unit, platform: Row) -> tuple[IdentifierStanding, str]:
    """What the platform's identifier is worth today, and where it moved."""
    row = identifiers.registration(unit, platform["id"])
    registered, moved = ("active", "") if row is None else (row["standing"], row["moved_to"])
    return standing_of(registered, platform["state"]), moved


def take(unit: Unit, node: Node, secrets: Secrets, connector: Row, call: DescriptorCall) -> DescriptorAnswer:
    """Register a descriptor; the same one again changes nothing; without one, tell what is registered.

    Raises InvalidError ``descriptor_forged`` or ``descriptor_stale``, ConflictError ``identifier_frozen``,
    ``identifier_revoked``, ``duplicate_endpoint`` or ``duplicate_key``.
    """
    platform = platform_of(unit, connector["platform_id"])
    entity = parties.entity_of(unit, platform["entity_id"])
    owner = "" if entity is None else str(entity["public_id"])
    last = identifiers.last_descriptor(unit, platform["id"], connector["name"])
    if call.descriptor is not None and (last is None or last["digest"] != digest(body_of(call.descriptor))):
        _check_standing(unit, platform)
        _check_names(node, platform, connector, call.descriptor, owner)
        _check_signature(call.descriptor, call.signature, connector["public_key"])
        _check_order(unit, call.descriptor, last)
        marks = _marks(node, secrets, call)
        _check_doubles(unit, platform, marks)
        last = _register(unit, node, (platform, connector), call)
        identifiers.put_marks(unit, connector, marks)
    return DescriptorAnswer(
        connector_id=connector["id"],
        expires_at=unit.now + _ANSWER_LIFE,
        identifier=platform["public_id"],
        entity=owner,
        issuer=node.prefix,
        version=0 if last is None else last["version"],
        digest="" if last is None else last["digest"],
        registered_at=None if last is None else last["registered_at"],
    )


def _check_standing(unit: Unit, platform: Row) -> None:
    now, moved = standing(unit, platform)
    if now is IdentifierStanding.ACTIVE:
        return
    code = "identifier_frozen" if now is IdentifierStanding.FROZEN else "identifier_revoked"
    wrong = f"{platform['public_id']} is {now.value}{f' to {moved}' if moved else ''}: no descriptor is taken for it."
    raise ConflictError(code, wrong, todo="Ask the hub's operator.", field="descriptor.identifier")


def _check_names(node: Node, platform: Row, connector: Row, new: Descriptor, owner: str) -> None:
    said = (new.identifier, new.platform, new.part, new.entity, new.issuer, new.key)
    names = (platform["public_id"], platform["name"], connector["name"], owner, node.prefix, connector["public_key"])
    if said != names:
        fields = ("identifier", "platform", "part", "entity", "issuer", "key")
        field = next(name for name, a, b in zip(fields, said, names, strict=True) if a != b)
        wrong = f"The descriptor says {field} {said[fields.index(field)]!r}, which is not this connector's."
        raise InvalidError("descriptor_forged", wrong, todo=_TODO, field=f"descriptor.{field}")


def _check_signature(new: Descriptor, signature: str, key: str) -> None:
    try:
        verify_document(body_of(new), signature, PublicKey.parse(key), typ=DESCRIPTOR_TYPE)
    except CryptoError as error:
        wrong = "The descriptor is not signed by this connector's key."
        raise InvalidError("descriptor_forged", wrong, todo="Sign it as it is sent.", field="signature") from error


def _check_order(unit: Unit, new: Descriptor, last: Row | None) -> None:
    before = None if last is None else Descriptor.model_validate_json(last["body"])
    why = stale(new, before, "" if last is None else last["digest"], unit.now)
    if why:
        raise InvalidError("descriptor_stale", f"The descriptor is refused: {why}.", todo=_TODO, field="descriptor")


def _marks(node: Node, secrets: Secrets, call: DescriptorCall) -> list[tuple[str, str]]:
    if call.descriptor is None:
        return []
    endpoints = {same_endpoint(url) for url in call.descriptor.endpoints}
    serials = telling(node.id, call.hardware)
    return [
        (MarkKind.KEY.value, call.descriptor.key),
        *((MarkKind.ENDPOINT.value, url) for url in sorted(endpoints)),
        *((MarkKind.HARDWARE.value, keyed_hash(f"hardware:{serial}", secrets.pepper)) for serial in serials),
    ]


def _check_doubles(unit: Unit, platform: Row, marks: list[tuple[str, str]]) -> None:
    for kind in (MarkKind.KEY, MarkKind.ENDPOINT):
        values = [value for name, value in marks if name == kind.value]
        if identifiers.same_marks(unit, platform["id"], kind.value, values):
            # it is not told whose: that would be a way to ask who owns what
            wrong = f"The {kind.value} stands under another identifier already."
            todo = "Withdraw it there first, or ask the hub's operator."
            raise ConflictError(f"duplicate_{kind.value}", wrong, todo=todo, field=f"descriptor.{kind.value}s")
    serials = [value for name, value in marks if name == MarkKind.HARDWARE.value]
    others = identifiers.same_marks(unit, platform["id"], MarkKind.HARDWARE.value, serials)
    foreign = sorted({row["public_id"] for row in others if row["entity_id"] != platform["entity_id"]})
    if foreign:
        unit.record(EventType.IDENTIFIER_DOUBLED, platform["public_id"], by="hardware", others=foreign)


def _register(unit: Unit, node: Node, who: tuple[Row, Row], call: DescriptorCall) -> Row:
    (platform, connector), new = who, call.descriptor
    if new is None:
        raise InvalidError("field_invalid", "There is no descriptor.", field="descriptor")
    text = digest(body_of(new))
    counter = CounterSignature(
        identifier=new.identifier,
        part=new.part,
        version=new.version,
        digest=text,
        signature_digest=digest(call.signature),
        issuer=node.prefix,
        hub_id=node.id,
        registered_at=unit.now,
        signed_at=unit.now,
    )
    row = {"platform_id": platform["id"], "part": new.part, "version": new.version, "identifier": new.identifier}
    row |= {"connector_id": connector["id"], "digest": text, "body": new.model_dump_json()}
    row |= {"signature": call.signature, "counter": counter.model_dump_json()}
    row |= {"counter_signature": sign_counter(counter, node.keypair), "made_at": new.made_at, "registered_at": unit.now}
    identifiers.add_descriptor(unit, row)
    act = Act.REGISTERED if new.version == 1 else Act.CHANGED
    told = {"platform_id": platform["id"], "act": act.value, "part": new.part, "version": new.version}
    identifiers.add_act(unit, {**told, "why": "", "actor": connector["id"], "at": unit.now})
    kind = EventType.IDENTIFIER_REGISTERED if new.version == 1 else EventType.IDENTIFIER_CHANGED
    unit.record(kind, platform["public_id"], part=new.part, before=new.previous, after=text)
    return row


def status(unit: Unit, node: Node, ref: str) -> SignedStatus:
    """What holds of an identifier now, signed, for a few minutes. Raises NotFoundError."""
    platform = platform_of(unit, ref)
    now, moved = standing(unit, platform)
    said = Status(
        identifier=platform["public_id"],
        standing=now,
        state=platform["state"],
        moved_to=moved,
        issuer=node.prefix,
        hub_id=node.id,
        as_of=unit.now,
        valid_until=unit.now + timedelta(seconds=STATUS_LIFE_S),
    )
    return sign_status(said, node.keypair)


def dossier(unit: Unit, node: Node, ref: str, which: tuple[str | None, int | None], chain: Chain) -> Dossier:
    """A version of a part (the newest, the only part, where none is named) with all that proves it.

    Raises NotFoundError, InvalidError naming the parts when there are several.
    """
    platform, (part, version) = platform_of(unit, ref), which
    part = _part(unit, platform, part)
    row = (
        identifiers.last_descriptor(unit, platform["id"], part)
        if version is None
        else identifiers.descriptor(unit, platform["id"], part, version)
    )
    if row is None:
        wrong = f"{platform['public_id']} has no such descriptor."
        raise NotFoundError("not_found", wrong, todo="suanlian identifier history lists the versions.", field="version")
    return Dossier(
        descriptor=Descriptor.model_validate_json(row["body"]),
        signature=row["signature"],
        counter=CounterSignature.model_validate_json(row["counter"]),
        counter_signature=row["counter_signature"],
        status=status(unit, node, platform["id"]),
        chain=chain,
    )


def _part(unit: Unit, platform: Row, part: str | None) -> str:
    if part is not None:
        return part
    known = identifiers.parts(unit, platform["id"])
    if len(known) > 1:
        wrong = f"{platform['public_id']} has several parts: {', '.join(known[:20])}."
        raise InvalidError("field_invalid", wrong, todo="Name one.", field="part")
    return known[0] if known else ""


def versions(unit: Unit, ref: str, *, part: str | None, after: str, limit: int) -> list[DescriptorEntry]:
    """Every version that is kept, by part and number. Raises NotFoundError."""
    platform = platform_of(unit, ref)
    name, _colon, number = after.rpartition(":")
    # a cursor is what we gave; anything else begins anew
    behind = (name, int(number)) if number.isascii() and number.isdecimal() and len(number) <= _DIGITS else ("", 0)
    return [
        DescriptorEntry(
            identifier=row["identifier"],
            part=row["part"],
            version=row["version"],
            digest=row["digest"],
            made_at=row["made_at"],
            registered_at=row["registered_at"],
        )
        for row in identifiers.descriptors(unit, platform["id"], part=part, after=behind, limit=limit)
    ]
