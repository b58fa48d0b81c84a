"""Secrets of an account: set, listed by name, removed; sealed anew for the one connector that starts a job.

Nothing here is ever told to people again. Sealing and opening is done outside of units of work.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suanlian.crypto.errors import KeyTextError, SealError
from suanlian.crypto.sealing import SealingKey, open_at_rest, seal_at_rest, seal_to
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.job import JobSpec
from suanlian.model.party import Caller
from suanlian.model.protocol import SecretsCall, Wish
from suanlian.model.secret import AT_REST, MAX_PER_ACCOUNT, NewSecret, SecretAbout, SecretContents, bound_to
from suanlian.services.ports import Secrets
from suanlian.store import attempts, jobs, platforms, secrets
from suanlian.store.unit import Row, Unit

ON_ITS_WAY: Final = "suanlian-secrets-of-attempt"


def sealed(caller: Caller, own: Secrets, name: str, new: NewSecret) -> str:
    """The value as it is kept: it opens only as this name of this account."""
    return seal_at_rest(new.value.get_secret_value().encode(), own.at_rest, AT_REST, bound_to(caller.account_id, name))


def keep(unit: Unit, caller: Caller, name: str, text: str) -> SecretAbout:
    """Keep a sealed value under a name, in place of one that is there. Raises ConflictError ``quota_exceeded``."""
    before = secrets.find(unit, caller.account_id, name)
    if before is None and secrets.count(unit, caller.account_id) >= MAX_PER_ACCOUNT:
        wrong = f"An account has at most {MAX_PER_ACCOUNT} secrets."
        raise ConflictError("quota_exceeded", wrong, todo="Remove some: suanlian secret rm NAME.", field="name")
    if before is None:
        row: Row = {"id": new_id(), "account_id": caller.account_id, "name": name, "sealed": text}
        row = {**row, "created_at": unit.now, "changed_at": unit.now}
        secrets.add(unit, row)
    else:
        secrets.change(unit, before["id"], {"sealed": text, "changed_at": unit.now})
        row = {**before, "changed_at": unit.now}
    unit.record(EventType.SECRET_SET, row["id"], account_id=caller.account_id, name=name, replaced=before is not None)
    return _about(row)


def _about(row: Row) -> SecretAbout:
    return SecretAbout.model_validate({name: row[name] for name in SecretAbout.model_fields})


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> list[SecretAbout]:
    """The account's secrets by name, without what they say."""
    return [_about(row) for row in secrets.list_of(unit, caller.account_id, after=after, limit=limit)]


def remove(unit: Unit, caller: Caller, name: str) -> None:
    """Remove it; jobs that name it and have not started will not. Raises NotFoundError ``no_such_secret``."""
    row = secrets.find(unit, caller.account_id, name)
    if row is None:
        wrong = f"You have no secret {name[:80]!r}."
        raise NotFoundError("no_such_secret", wrong, todo="suanlian secrets lists yours.", field="name")
    secrets.remove(unit, row["id"])
    unit.record(EventType.SECRET_REMOVED, row["id"], account_id=caller.account_id, name=name)


def note_key(unit: Unit, connector: Row, text: str) -> None:
    """Note the key that a connector told with its inventory. Raises InvalidError ``key_malformed``."""
    if not text or text == connector["sealing_key"]:
        return
    try:
        key = SealingKey.parse(text)
    except KeyTextError as error:
        raise InvalidError("key_malformed", error.message, field="sealing_key") from error
    before = connector["sealing_key"]
    secrets.set_sealing_key(unit, connector["id"], text)
    old = None if before is None else SealingKey.parse(before).key_id
    unit.record(EventType.CONNECTOR_SEALING_KEY, connector["id"], before=old, after=key.key_id)


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be sealed to whom: rows as they are kept, the key, and the attempt that it is for."""

    account_id: str
    rows: Mapping[str, str]
    key: SealingKey
    bound: Mapping[str, str]


def release(unit: Unit, connector_id: str, call: SecretsCall) -> Release:
    """Find the secrets of an attempt that is live, for the connector that has it, and note that it got them.

    Raises ConflictError ``report_stale`` or ``sealing_key_missing``, NotFoundError ``no_such_secret``.
    """
    row = attempts.find(unit, call.attempt_id)
    is_its = attempts.is_current(row, connector_id, call.token)
    if row is None or not is_its or row["ended_at"] is not None or row["wish"] == Wish.FORGET:
        wrong = "This connector has no such attempt, or it ended, or its token is not the current one."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="attempt_id")
    connector = platforms.find_connector(unit, connector_id)
    if connector is None or not connector["sealing_key"]:
        wrong = "The connector has told no key to seal to."
        raise ConflictError("sealing_key_missing", wrong, todo="Publish the inventory with sealing_key first.")
    job = jobs.lock(unit, row["job_id"])
    uses = () if job is None or job["purpose"] else JobSpec.model_validate_json(job["spec"]).secrets
    names = sorted({use.name for use in uses})
    found = secrets.named(unit, row["account_id"], names)
    if missing := [name for name in names if name not in found]:
        wrong = f"The secret {missing[0]!r} was removed since the job was submitted."
        raise NotFoundError("no_such_secret", wrong, todo="Set it again and submit anew.", field="secrets")
    unit.record(EventType.SECRET_SENT, row["id"], account_id=row["account_id"], connector=connector_id, names=names)
    return Release(
        account_id=row["account_id"],
        rows={name: found[name]["sealed"] for name in names},
        key=SealingKey.parse(connector["sealing_key"]),
        bound={"attempt": row["id"], "token": str(call.token), "connector": connector_id},
    )


def seal(release: Release, own: Secrets) -> str:
    """Seal them to the connector, for this attempt and token alone. Raises ConflictError ``secret_unreadable``."""
    try:
        opened = {
            name: open_at_rest(text, own.at_rest, AT_REST, bound_to(release.account_id, name))
            for name, text in release.rows.items()
        }
    except SealError as error:
        wrong = "A secret does not open with this hub's key: the key file is another one than when it was set."
        raise ConflictError("secret_unreadable", wrong, todo="Set the secret again.") from error
    values = {name: base64.b64encode(value).decode("ascii") for name, value in opened.items()}
    content = SecretContents(values=values).model_dump_json().encode()
    return seal_to(content, release.key, ON_ITS_WAY, release.bound)
