"""How full is each share? What the driver says of its engine, with what this hub's jobs hold; a fault stays alone."""

from collections.abc import Sequence
from datetime import datetime

from suanlian.agent.desk import log
from suanlian.agent.policy import House
from suanlian.agent.reconcile import plain
from suanlian.agent.row import HOLDING, Row, Step
from suanlian.drivers.contract import Driver, DriverError, EngineLoad, Loads
from suanlian.model.job import JobState
from suanlian.model.load import MAX_LOADS, ShareLoad
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources, total

_MAX_FAULT = 200


def loads_of(driver: Driver, house: House, rows: Sequence[Row], now: datetime) -> list[ShareLoad]:
    """One entry a share, with a fault where it cannot be told; none where the driver knows of no load at all."""
    if not isinstance(driver, Loads):
        return []
    return [_of(driver, house, share, (rows, now)) for share in house.inventory.shares[:MAX_LOADS]]


def _of(driver: Loads, house: House, share: Share, present: tuple[Sequence[Row], datetime]) -> ShareLoad:
    rows, now = present
    ours = total(row.granted for row in rows if row.share == share.name and row.step in HOLDING)
    if not house.status.ready:
        return _faulty(share, ours, now, f"the engine is not ready: {house.status.detail}")
    running = total(row.granted for row in rows if row.share == share.name and row.step is Step.STARTED and _runs(row))
    try:
        return _load(share, (ours, running), driver.load(share), now)
    except DriverError as error:
        return _faulty(share, ours, now, f"the engine does not tell it: {error}")
    except Exception as error:  # noqa: BLE001 - a driver's fault with one share must not hide the others
        log.exception("the load of share %s cannot be told", share.name)
        return _faulty(share, ours, now, f"the driver failed: {type(error).__name__}")


def _runs(row: Row) -> bool:
    return row.state in (JobState.RUNNING, JobState.PAUSED)


def _load(share: Share, held: tuple[Resources, Resources], said: EngineLoad, now: datetime) -> ShareLoad:
    """What is granted counts as in use, also while it idles; a share is never fuller than full.

    Of what the engine counts, only what surely runs is taken as ours: so the owner's part is never told too small.
    """
    ours, running = held
    most, engine, mine = share.capacity.base(), said.in_use.base(), ours.base()
    in_use = Resources.of({kind: min(most[kind], max(engine[kind], mine[kind])) for kind in most})
    wanted = said.in_use.minus(running).plus(said.waiting).base()
    others = Resources.of({kind: min(most[kind], wanted[kind]) for kind in most})
    return ShareLoad(
        share=share.name,
        in_use=in_use,
        ours=ours,
        others=others,
        running=said.running,
        queued=said.queued,
        observed_at=now,
    )


def _faulty(share: Share, ours: Resources, now: datetime, why: str) -> ShareLoad:
    return ShareLoad(share=share.name, ours=ours, observed_at=now, fault=plain(why)[:_MAX_FAULT])
