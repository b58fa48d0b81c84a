"""How is each move made? One short function a move: look, do, journal. Each may be repeated after a crash."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from suanlian.agent import keeping, policy, probes
from suanlian.agent.collect import gathered, saved, saves
from suanlian.agent.data.layout import DataGoneError, Layout, NotHereYetError
from suanlian.agent.desk import STALE, Desk, coded, log
from suanlian.agent.levels import misplaced
from suanlian.agent.policy import Held, House, Present, Refusal
from suanlian.agent.reconcile import Move, given_up, staged
from suanlian.agent.row import Row, Step
from suanlian.agent.secrecy import secrets_of, variables
from suanlian.agent.stage import lay_secrets, stage
from suanlian.drivers.contract import DriverError, Limits, Lists, NativeId, Work
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.protocol import Instruction
from suanlian.rules.owner import UNFIT
from suanlian.sdk.strangers import HostUnknownError
from suanlian.storage.contract import StorageError

T = TypeVar("T")
_DAY: Final = timedelta(days=1)
MAX_STAGE_TRIES: Final = 6
"""Together about half a minute; then the platform says that it cannot have the inputs."""
MAX_HOST_TRIES: Final = 3
"""Together 7 seconds, for a name that has just been made; then the request is at fault, here and everywhere."""


def admit(desk: Desk, row: Row, held: Held | None = None) -> None:
    """Ask the owner's policy; what is admitted counts against its share, and in ``held``, from here on."""
    said = desk.ledger.instruction(row.attempt_id)
    if said is None or said.spec is None:
        desk.close(row, JobState.SYSTEM_ERROR, "field_invalid: the instruction to run it brought no job")
        return
    refusal = _refusal(desk, row, said, held)
    if refusal is not None:
        _refuse(desk, row, refusal)
        return
    if row.probe is not None:
        # counted first: a crash in between costs one of the day's probes, never the owner's cap
        desk.ledger.count_probe(row.attempt_id, desk.clock())
    after = desk.change(row, lambda was: was.with_(step=Step.STAGING))
    if held is not None:
        held.add(after)


def _refusal(desk: Desk, row: Row, said: Instruction, held: Held | None) -> Refusal | None:
    """``held``: what the others hold, where it has been added up already."""
    now, house = desk.clock(), desk.house[-1]
    others: Sequence[Row] = ()
    if held is None or said.probe is not None:
        others = tuple(other for other in desk.ledger.rows() if other.attempt_id != row.attempt_id)
    made = [found for found in desk.ledger.probes_since(now - _DAY) if found != row.attempt_id] if said.probe else []
    return (
        misplaced(said, house, now)
        or _over_cap(said, house, others, len(made))
        or policy.admit(said, house, Present(desk.level, now, held or Held.of(others), len(made), desk.loads))
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
    after = intend(desk, row) if lay(desk, row) else None
    if after is not None and not waits_for_others(desk, after):
        submit(desk, after)


def waits_for_others(desk: Desk, row: Row) -> bool:
    """Whether it is a task of an array: those that are ready by then are submitted together at the next tick."""
    spec = instruction(desk, row).spec
    return spec is not None and spec.array_size is not None


def lay(desk: Desk, row: Row) -> bool:
    """Bring the inputs together; False where that ended the attempt, or its data is not here yet."""
    try:
        return _lay(desk, row, instruction(desk, row))
    except UnavailableError as error:
        if row.tries < (MAX_HOST_TRIES if isinstance(error, HostUnknownError) else MAX_STAGE_TRIES):
            raise
        desk.close(row, JobState.SYSTEM_ERROR, coded(error))
    except SuanlianError as error:
        desk.close(row, JobState.SYSTEM_ERROR, coded(error))
    except OSError as error:
        desk.close(row, JobState.PREEMPTED, f"engine_failed: the inputs cannot be laid out here: {error}")
    return False


def _lay(desk: Desk, row: Row, said: Instruction) -> bool:
    layout = Layout(desk.shelf)
    try:
        layout.check(said.data)
        values = secrets_of(desk, row, said)
        stage(said, folder(desk, row), desk.sources(row))
        for one in said.data:
            layout.lay(one, said.entity, folder(desk, row))
        lay_secrets(said, folder(desk, row), values)
    except NotHereYetError as error:
        desk.bring(row, str(error))
    except DataGoneError as error:
        desk.close(row, JobState.PREEMPTED, f"{UNFIT}: its data is not here as it should be: {error}")
    except StorageError as error:
        if error.transient and row.tries < MAX_STAGE_TRIES:
            raise UnavailableError("engine_failed", f"The job's data cannot be read: {error}.") from error
        desk.close(row, JobState.PREEMPTED, f"{UNFIT}: its data cannot be read here: {error}")
    else:
        return True
    return False


def intend(desk: Desk, row: Row, held: Held | None = None) -> Row | None:
    """Journal the intent to start what is laid out; None where it is not to start."""
    said = instruction(desk, row)
    # laying out may have taken long: the hour, the level or the policy may be another by now, or a check run out
    refusal, halted = _refusal(desk, row, said, held), bool(desk.halt.why(row))
    if refusal is not None and not halted:
        _refuse(desk, row, refusal)
        shutil.rmtree(folder(desk, row), ignore_errors=True)
        return None
    after = desk.change(row, lambda was: staged(was, paused=halted))
    return after if after.step is Step.SUBMITTING else None


def submit(desk: Desk, row: Row) -> None:
    """Start it: the driver takes the attempt as its key, so a second time starts nothing more."""
    place, said = folder(desk, row), instruction(desk, row)
    if not place.is_dir() and row.attempt_id not in known(desk):
        # the crash came before the driver had it: its inputs have to be laid out again
        desk.change(row, lambda was: was.with_(step=Step.STAGING))
        return
    try:
        shared = work_of(desk, said, variables(said, secrets_of(desk, row, said)))
        index = {} if shared.array_size is None else {"SUANLIAN_TASK_INDEX": str(said.task_index)}
        planned = replace(shared, env={**shared.env, **index}, staged={said.attempt_id: place})
        natives = desk.driver.submit(planned, keys={said.task_index: said.attempt_id})
    except DriverError as error:
        if error.transient:
            raise
        desk.close(row, JobState.SYSTEM_ERROR, f"engine_failed: {error}")
        return
    started(desk, row, natives[said.task_index])
    shutil.rmtree(place, ignore_errors=True)


def started(desk: Desk, row: Row, native: NativeId) -> None:
    """Journal that the driver has it."""
    desk.change(row, lambda was: was.with_(step=Step.STARTED, native_id=native, tries=0, not_before=None))


def give_up(desk: Desk, row: Row) -> None:
    """End what has not started."""
    now, halted = desk.clock(), desk.halt.why(row)
    desk.change(row, lambda was: given_up(was, now, halted))
    shutil.rmtree(folder(desk, row), ignore_errors=True)


def find(desk: Desk, row: Row) -> None:
    """It may have been started before a crash, and is to end: take what the driver knows, else it never began."""
    native = known(desk).get(row.attempt_id)
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
    collected(desk, row)()


def collected(desk: Desk, row: Row) -> Callable[[], object]:
    """Send what is left of logs and outputs; what is then to be journalled, so that the end is reported."""
    try:
        said = desk.ledger.instruction(row.attempt_id)
        end, outcome = saved(desk, row, said) if saves(said) else gathered(desk, row, said)
    except DriverError as error:
        if error.transient:
            raise
        return partial(desk.close, row, JobState.SYSTEM_ERROR, f"engine_failed: {error}")
    except UnavailableError:
        raise
    except SuanlianError as error:
        if error.code == STALE:
            return partial(desk.abandon, row)
        return partial(desk.close, row, JobState.SYSTEM_ERROR, coded(error))
    now = desk.clock()
    return lambda: desk.change(row, lambda was: was.closed(end, outcome, now))


def forget(desk: Desk, row: Row) -> None:
    """Remove every trace but the tombstone."""
    vanish(desk, row)
    bury(desk, row)


def vanish(desk: Desk, row: Row) -> bool:
    """Remove every trace; what is gone already is no error."""
    desk.vault.drop(row.attempt_id)
    if row.native_id is not None:
        desk.driver.forget(NativeId(row.native_id))
    shutil.rmtree(folder(desk, row), ignore_errors=True)
    return True


def bury(desk: Desk, row: Row) -> None:
    """Journal that nothing is left but the tombstone."""
    desk.change(row, lambda was: was.with_(step=Step.FORGOTTEN))


SLOW: Final = frozenset({Move.STAGE, Move.SUBMIT, Move.COLLECT, Move.FORGET, Move.KEEP})
"""Moves that may wait for a network or a disk: made apart, so that the others go on."""

_MOVES: Final[Mapping[Move, Callable[[Desk, Row], None]]] = {
    Move.ADMIT: admit,
    Move.STAGE: lay_out,
    Move.SUBMIT: submit,
    Move.GIVE_UP: give_up,
    Move.FIND: find,
    Move.STOP: stop,
    Move.SIGNAL: keeping.signal,
    Move.SUSPEND: keeping.suspend,
    Move.RESUME: keeping.resume,
    Move.KEEP: keeping.keep,
    Move.COLLECT: collect,
    Move.FORGET: forget,
}


def make(move: Move, desk: Desk, row: Row) -> None:
    """Make a move; whatever it raises is told, and the row is tried again later: one attempt never stops the others."""
    attempted(move, desk, row, partial(_MOVES[move], desk, row))


def attempted(move: Move, desk: Desk, row: Row, work: Callable[[], T]) -> T | None:
    """Do a part of a move, as `make` does the whole; None where it raised."""
    try:
        return work()
    except (UnavailableError, DriverError) as error:
        desk.postpone(row, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours with one attempt must not stop all the others
        log.exception("attempt %s: %s failed", row.attempt_id, move)
        if move in _BEFORE_THE_ENGINE and row.tries >= MAX_STAGE_TRIES:
            # nothing has been started, and nobody is billed for what is held meanwhile: not for ever, then
            desk.close(row, JobState.SYSTEM_ERROR, f"engine_failed: it cannot be prepared here: {error}")
        else:
            desk.postpone(row, error)
    return None


_BEFORE_THE_ENGINE: Final = frozenset({Move.ADMIT, Move.STAGE})


def instruction(desk: Desk, row: Row) -> Instruction:
    """What the hub wants of the attempt. Raises LookupError where it brought no job."""
    said = desk.ledger.instruction(row.attempt_id)
    if said is None or said.spec is None:
        message = f"the ledger holds no job for attempt {row.attempt_id}"
        raise LookupError(message)
    return said


def folder(desk: Desk, row: Row) -> Path:
    """Where its inputs lie until the driver takes them over."""
    return desk.home.staging / row.attempt_id


def known(desk: Desk) -> Mapping[AttemptId, NativeId]:
    """What the driver has, by attempt, where it can list that."""
    if not isinstance(desk.driver, Lists):
        return {}
    return {attempt: native for native, attempt in desk.driver.known()}


def _image_runtime(desk: Desk, flavor: str) -> str | None:
    inventory = desk.house[-1].inventory
    return next((known.image_runtime for known in inventory.flavors if known.name == flavor), None)


def work_of(desk: Desk, said: Instruction, secret_env: Mapping[str, str]) -> Work:
    """What the driver is asked for, but for what lies where and for the index, which it sets itself."""
    if said.spec is None:
        message = f"the instruction for attempt {said.attempt_id} brings no job"
        raise LookupError(message)
    spec, variant = said.spec, said.spec.variants[said.variant]
    array = {} if spec.array_size is None else {"SUANLIAN_ARRAY_SIZE": str(spec.array_size)}
    restored = {"SUANLIAN_ATTEMPT": str(said.number), **({"SUANLIAN_RESTORED": "1"} if said.restored else {})}
    return Work(
        command=variant.command,
        environment=variant.environment,
        image=variant.image,
        env={**spec.env, **array, **restored},
        secret_env=secret_env,
        granted=spec.resources if said.granted == spec.total else said.granted,
        limits=Limits(wall_time_s=spec.wall_time_s),
        network=spec.network,
        staged={},
        share=said.share,
        flavor=said.flavor,
        entity=said.entity,
        nodes=spec.nodes,
        mounts=spec.mounts,
        priority=spec.priority,
        array_size=spec.array_size,
        image_runtime=_image_runtime(desk, said.flavor),
        checkpoint=spec.checkpoint,
    )
