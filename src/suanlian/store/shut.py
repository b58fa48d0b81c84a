"""Which platforms take nothing new at this moment, and does the hub hear enough of them to trust its own line?"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Final

from suanlian.model.placement import Shut
from suanlian.model.platform import Downtime, Drain, PlatformState
from suanlian.model.shut import Ear, Standing, shut
from suanlian.store import lost, platforms
from suanlian.store.places import SILENT
from suanlian.store.unit import Row, Unit

_SHOWN: Final = 50


def now(unit: Unit, names: Collection[str]) -> tuple[Shut, ...]:
    """What keeps each of these platforms from taking anything, in the order in which they applied; the first of it."""
    ears: dict[str, list[Row]] = {}
    for row in platforms.all_connectors(unit):
        ears.setdefault(row["platform_id"], []).append(row)
    owing = lost.owing(unit)
    found: list[Shut] = []
    for row in platforms.list_all(unit):
        if row["name"] in names:
            heard = [_ear(connector, unit.now, owing) for connector in ears.get(row["id"], ())]
            found += shut(_standing(row), heard, unit.now)
    return tuple(found[:_SHOWN])


def in_doubt(unit: Unit) -> bool:
    """Whether at its last beat the hub heard so few connectors that nothing is given up for lost."""
    row = lost.hearing(unit)
    return row is not None and row["sure_since"] == row["at"] and row["since"] != row["at"]


def _standing(row: Row) -> Standing:
    return Standing(row["name"], PlatformState(row["state"]), row["state_since"], _drain(row["drain"]))


def _ear(row: Row, at: datetime, owing: Collection[str]) -> Ear:
    seen = row["seen_at"]
    return Ear(
        seen_at=seen,
        heard=row["lost_since"] is None and seen is not None and seen > at - SILENT,
        accepting=bool(row["accepting"]),
        clearing=row["id"] in owing,
        drain=_drain(row["drain"]),
        downtimes=tuple(Downtime.model_validate(one) for one in json.loads(row["downtimes"])),
    )


def _drain(text: str | None) -> Drain | None:
    return Drain.model_validate_json(text) if text else None
