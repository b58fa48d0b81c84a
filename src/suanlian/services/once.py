"""Doing a thing once under an idempotency key: the same key and body again gets the first answer."""

from collections.abc import Callable

from suanlian.model.errors import ConflictError
from suanlian.model.party import Caller
from suanlian.store import journal
from suanlian.store.unit import Unit


def once(unit: Unit, caller: Caller, key: str, request_hash: str, work: Callable[[], str]) -> str:
    """Run ``work`` and keep its answer, or return the answer that was kept. Raises ConflictError for another body."""
    kept = kept_answer(unit, caller, key, request_hash)
    if kept is None:
        answer = work()
        row = {"principal_id": caller.principal_id, "key": key, "request_hash": request_hash, "response": answer}
        journal.keep_answer(unit, {**row, "written_at": unit.now})
        return answer
    return kept


def kept_answer(unit: Unit, caller: Caller, key: str, request_hash: str) -> str | None:
    """The answer that was kept under the key, if any. Raises ConflictError for another body."""
    kept = journal.find_answer(unit, caller.principal_id, key)
    if kept is None:
        return None
    if kept["request_hash"] != request_hash:
        raise ConflictError(
            "idempotency_conflict",
            "This idempotency key was used with another request.",
            todo="Use a fresh key for each new request.",
            field="Idempotency-Key",
        )
    return str(kept["response"])
