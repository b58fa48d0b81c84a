"""Which secrets does an attempt have, and what may be told of it? Between the desk and the vault."""

from collections.abc import Sequence

from suanlian.agent.desk import Desk
from suanlian.agent.redaction import Redactor
from suanlian.agent.row import Row
from suanlian.agent.vault import Values
from suanlian.model.errors import ConflictError
from suanlian.model.job import SecretUse
from suanlian.model.protocol import Instruction, SecretsCall


def secrets_of(desk: Desk, row: Row, said: Instruction | None) -> Values:
    """What the job's secrets say: as they are kept here, else as the hub seals them now.

    Raises ConflictError ``secret_unreadable``, UnavailableError, and the error of a refusal (``no_such_secret``).
    """
    kept = desk.vault.kept(row)
    if kept is not None:
        return kept
    if said is None or said.spec is None:
        wrong = "It is not known here whether the job has secrets."
        raise ConflictError("secret_unreadable", wrong, todo="Its log stays here.")
    wanted = {use.name for use in said.spec.secrets}
    if not wanted:
        return desk.vault.none(row)
    if said.probe is not None:
        raise ConflictError("secret_unreadable", "A probe has no secrets.")
    call = SecretsCall(attempt_id=row.attempt_id, token=row.token)
    values = desk.vault.keep(row, desk.hub.secrets(call).sealed)
    if set(values) != wanted:
        desk.vault.drop(row.attempt_id)
        raise ConflictError("secret_unreadable", "The hub sent other secrets than the job names.")
    return values


def variables(said: Instruction, values: Values) -> dict[str, str]:
    """The environment variables that are secrets."""
    uses: Sequence[SecretUse] = said.spec.secrets if said.spec else ()
    return {use.env: values[use.name].decode() for use in uses if use.env is not None}


def paths(said: Instruction | None) -> frozenset[str]:
    """The files of the working directory that are secrets: none of them is brought back."""
    uses: Sequence[SecretUse] = said.spec.secrets if said is not None and said.spec is not None else ()
    return frozenset(use.path for use in uses if use.path is not None)


def redactor_of(desk: Desk, row: Row) -> Redactor:
    """What masks the secrets of an attempt. Raises as `secrets_of`: what cannot be masked is not told."""
    known = desk.vault.redactor(row)
    if known is not None:
        return known
    secrets_of(desk, row, desk.ledger.instruction(row.attempt_id))
    return desk.vault.redactor(row) or Redactor(())
