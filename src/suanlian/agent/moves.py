"""How is each move made? One short function a move: look, do, journal. Each may be repeated after a crash."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from suanlian.agent import policy, probes
from suanlian.agent.collect import collect_and_close
from suanlian.agent.desk import STALE, Desk, coded, log
from suanlian.agent.fetch import HostUnknownError
from suanlian.agent.levels import misplaced
from suanlian.agent.policy import House, Present, Refusal
from suanlian.agent.reconcile import Move, given_up, staged
from suanlian.agent.row import Row, Step
from suanlian.agent.secrecy import secrets_of, variables
from suanlian.agent.stage import lay_secrets, stage
from suanlian.drivers.contract import DriverError, Limits, Lists, NativeId, Work
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.job import JobState
from suanlian.model.protocol import Instruction

_DAY: Final = timedelta(days=1)
MAX_STAGE_TRIES: Final = 6
"""Together about half a minute; then the platform says that it cannot have the inputs."""
MAX_HOST_TRIES: Final = 3
"""Together 7 seconds, for a name that has just been made; then the request is at fault, here and everywhere."""


def admit(desk: Desk, row: Row) -> None:
    """Ask the owner's policy; what is admitted counts against its share from here on."""
    said = desk.ledger.instruction(row.attempt_id)
    if said is None or said.spec is None:
        desk.close(row, JobState.SYSTEM_ERROR, "field_invalid: the instruction to run it brought no job")
        return
    refusal = _refusal(desk, row, said)
    if refusal is not None:
        _refuse(desk, row, refusal)
        return
    if row.probe is not None:
        # counted first: a crash in between costs one of the day's probes, never the owner's cap
        desk.ledger.count_probe(row.attempt_id, desk.clock())
    desk.change(row, lambda was: was.with_(step=Step.STAGING))


def _refusal(desk: Desk, row: Row, said: Instruction) -> Refusal | None:
    others = tuple(other for other in desk.ledger.rows() if other.attempt_id != row.attempt_id)
    now, house = desk.clock(), desk.house[-1]
    made = [found for found in desk.ledger.probes_since(now - _DAY) if found != row.attempt_id]
    return (
        misplaced(said, house, now)
        or _over_cap(said, house, others, len(made))
        or policy.admit(said, house, Present(desk.level, now, others, len(made)))
    )


def _over_cap(said: Instruction, house: House, others: Sequence[Row], made_today: int) -> Refusal | None:
    """Why the owner's cap on probes does not let it in, in words for the hub; the policy's own clause says the same."""
    over = probes.over_cap(said, house.policy.probes, others, made_today) if said.probe is not None else None
    return None if over is None else Refusal(JobState.PREEMPTED, over)


def _refuse(desk: Desk, row: Row, refusal: Refusal) -> None:
    if refusal.clauses:
        log.info("attempt %s is refused by the owner's policy: %s", row.attempt_id, ", ".join(refusal.clauses))
    desk.close(row, refusal.state, refusal.reason)


def lay_out(desk: Desk, row: Row) -> None:
    """Bring the inputs together, then journal the intent to start and start."""
    said = _instruction(desk, row)
    try:
        values = secrets_of(desk, row, said)
        stage(said, _folder(desk, row), desk.sources(row))
        lay_secrets(said, _folder(desk, row), values)
    except UnavailableError as error:
        if row.tries < (MAX_HOST_TRIES if isinstance(error, HostUnknownError) else MAX_STAGE_TRIES):
            raise
        desk.close(row, JobState.SYSTEM_ERROR, coded(error))
        return
    except SuanlianError as error:
        desk.close(row, JobState.SYSTEM_ERROR, coded(error))
        return
    except OSError as error:
        desk.close(row, JobState.PREEMPTED, f"engine_failed: the inputs cannot be laid out here: {error}")
        return
    # laying out may have taken long: the hour, the level or the policy may be another by now, or a check run out
    refusal, halted = _refusal(desk, row, said), bool(desk.halt.why(row))
    if refusal is not None and not halted:
        _refuse(desk, row, refusal)
        shutil.rmtree(_folder(desk, row), ignore_errors=True)
        return
    after = desk.change(row, lambda was: staged(was, paused=halted))
    if after.step is Step.SUBMITTING:
        submit(desk, after)


def submit(desk: Desk, row: Row) -> None:
    """Start it: the driver takes the attempt as its key, so a second time starts nothing more."""
    folder, said = _folder(desk, row), _instruction(desk, row)
    if not folder.is_dir() and _native(desk, row) is None:
        # the crash came before the driver had it: its inputs have to be laid out again
        desk.change(row, lambda was: was.with_(step=Step.STAGING))
        return
    try:
        work = _work(said, folder, variables(said, secrets_of(desk, row, said)), _image_runtime(desk, said.flavor))
        natives = desk.driver.submit(work, keys={said.task_index: said.attempt_id})
    except DriverError as error:
        if error.transient:
            raise
        desk.close(row, JobState.SYSTEM_ERROR, f"engine_failed: {error}")
        return
    native = natives[said.task_index]
    desk.change(row, lambda was: was.with_(step=Step.STARTED, native_id=native, tries=0, not_before=None))
    shutil.rmtree(folder, ignore_errors=True)


def give_up(desk: Desk, row: Row) -> None:
    """End what has not started."""
    now, halted = desk.clock(), desk.halt.why(row)
    desk.change(row, lambda was: given_up(was, now, halted))
    shutil.rmtree(_folder(desk, row), ignore_errors=True)


def find(desk: Desk, row: Row) -> None:
    """It may have been started before a crash, and is to end: take what the driver knows, else it never began."""
    native = _native(desk, row)
    if native is None:
        give_up(desk, row)
    else:
        desk.change(row, lambda was: was.with_(step=Step.STARTED, native_id=native))


def stop(desk: Desk, row: Row) -> None:
    """Ask the driver to end it; that it ended is seen later."""
    now = desk.clock()
    desk.change(row, lambda was: was.with_(stop_asked_at=now))
    if row.native_id is not None:
        desk.driver.cancel(NativeId(row.native_id))


def collect(desk: Desk, row: Row) -> None:
    """Send what is left of logs and outputs, then let the end be reported."""
    try:
        collect_and_close(desk, row, desk.ledger.instruction(row.attempt_id))
    except DriverError as error:
        if error.transient:
            raise
        desk.close(row, JobState.SYSTEM_ERROR, f"engine_failed: {error}")
    except UnavailableError:
        raise
    except SuanlianError as error:
        if error.code == STALE:
            desk.abandon(row)
        else:
            desk.close(row, JobState.SYSTEM_ERROR, coded(error))


def forget(desk: Desk, row: Row) -> None:
    """Remove every trace but the tombstone."""
    desk.vault.drop(row.attempt_id)
    if row.native_id is not None:
        desk.driver.forget(NativeId(row.native_id))
    shutil.rmtree(_folder(desk, row), ignore_errors=True)
    desk.change(row, lambda was: was.with_(step=Step.FORGOTTEN))


SLOW: Final = frozenset({Move.STAGE, Move.SUBMIT, Move.COLLECT})
"""Moves that may wait for a network or a disk: made apart, so that the others go on."""

_MOVES: Final[Mapping[Move, Callable[[Desk, Row], None]]] = {
    Move.ADMIT: admit,
    Move.STAGE: lay_out,
    Move.SUBMIT: submit,
    Move.GIVE_UP: give_up,
    Move.FIND: find,
    Move.STOP: stop,
    Move.COLLECT: collect,
    Move.FORGET: forget,
}


def make(move: Move, desk: Desk, row: Row) -> None:
    """Make a move; whatever it raises is told, and the row is tried again later: one attempt never stops the others."""
    try:
        _MOVES[move](desk, row)
    except (UnavailableError, DriverError) as error:
        desk.postpone(row, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours with one attempt must not stop all the others
        log.exception("attempt %s: %s failed", row.attempt_id, move)
        desk.postpone(row, error)


def _instruction(desk: Desk, row: Row) -> Instruction:
    said = desk.ledger.instruction(row.attempt_id)
    if said is None or said.spec is None:
        message = f"the ledger holds no job for attempt {row.attempt_id}"
        raise LookupError(message)
    return said


def _folder(desk: Desk, row: Row) -> Path:
    return desk.home.staging / row.attempt_id


def _native(desk: Desk, row: Row) -> NativeId | None:
    """The driver's own id of the attempt, where the driver can list what it has."""
    if not isinstance(desk.driver, Lists):
        return None
    return next((native for native, attempt in desk.driver.known() if attempt == row.attempt_id), None)


def _image_runtime(desk: Desk, flavor: str) -> str | None:
    inventory = desk.house[-1].inventory
    return next((known.image_runtime for known in inventory.flavors if known.name == flavor), None)


def _work(said: Instruction, folder: Path, secret_env: Mapping[str, str], image_runtime: str | None) -> Work:
    if said.spec is None:
        message = f"the instruction for attempt {said.attempt_id} brings no job"
        raise LookupError(message)
    spec, variant = said.spec, said.spec.variants[said.variant]
    array = {} if spec.array_size is None else {"SUANLIAN_ARRAY_SIZE": str(spec.array_size)}
    index = {} if spec.array_size is None else {"SUANLIAN_TASK_INDEX": str(said.task_index)}
    return Work(
        command=variant.command,
        environment=variant.environment,
        image=variant.image,
        env={**spec.env, **index, **array},
        secret_env=secret_env,
        granted=spec.resources if said.granted == spec.total else said.granted,
        limits=Limits(wall_time_s=spec.wall_time_s),
        network=spec.network,
        staged={said.attempt_id: folder},
        share=said.share,
        flavor=said.flavor,
        entity=said.entity,
        nodes=spec.nodes,
        mounts=spec.mounts,
        priority=spec.priority,
        array_size=spec.array_size,
        image_runtime=image_runtime,
        checkpoint=spec.checkpoint,
    )
