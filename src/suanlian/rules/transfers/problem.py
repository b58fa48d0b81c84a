"""What a plan of transfers is made of and for: transfers, links, what is reserved of them, and what each thing weighs.

Plain values: whoever has rows of a store makes these of them. Sites are named as people write them (``platform/site``).
Rates are in megabits (10^6 bits) per second, money in CNY, a GB is 10^9 bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from suanlian.model.link import Hours

HORIZON: Final = timedelta(hours=48)
MAX_TRANSFERS: Final = 5_000
MAX_LINKS: Final = 10_000
MAX_SITES: Final = 500
MAX_SOURCES: Final = 16
MAX_RESERVED: Final = 10_000
MAX_BYTES: Final = 2**53 - 1
MAX_MBPS: Final = 100_000_000.0
_MAX_CNY: Final = 1e9
_HOURS_OF_A_DAY: Final = 24


class TransfersError(ValueError):
    """What was given cannot be meant, or is too much for one plan. ``code``: size, value, name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Courier:
    """Disks by road: a tour takes so many hours, loading inside, and carries so many bytes."""

    hours: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Link:
    """What leads from a site to another. ``mbps``: what really passes now, where that is known.

    ``factors``: of the price, for each of the 24 hours of a day in China; none: the same at all hours.
    """

    name: str
    start: str
    end: str
    mbps: float
    cny_per_gb: float = 0.0
    hours: tuple[Hours, ...] = ()
    factors: tuple[float, ...] = ()
    courier: Courier | None = None


@dataclass(frozen=True, slots=True)
class Reserved:
    """So much of a link is an account's from one moment until another, and paid."""

    link: str
    account: str
    start: datetime
    end: datetime
    mbps: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a whole copy lies, and what a GB costs that leaves there. ``storage`` is handed back as it came."""

    site: str
    egress_cny_per_gb: float = 0.0
    storage: str = ""


@dataclass(frozen=True, slots=True)
class Going:
    """The way that a transfer has already taken."""

    source: str
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """``bytes`` still to be brought to ``target``, a site. ``weight`` 1 is usual; the more, the less may it wait."""

    id: str
    bytes: int
    target: str
    sources: tuple[Source, ...]
    account: str = ""
    deadline: datetime | None = None
    weight: float = 1.0
    begins: datetime | None = None
    going: Going | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """What besides money counts, in CNY.

    early: for a GB and each hour until it arrives; late: for each hour after the deadline; other_hours: for a GB
    outside of the hours that are preferred (night, green power); hysteresis: a transfer under way changes its route
    only where that saves more than this share.
    """

    early: float = 0.0005
    late: float = 10.0
    other_hours: float = 0.0
    hysteresis: float = 0.1
    preferred_hours: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything of one plan. ``relays``: sites that can stand between, with what a GB costs that leaves there."""

    transfers: tuple[Transfer, ...]
    links: tuple[Link, ...]
    moment: datetime
    reserved: tuple[Reserved, ...] = ()
    relays: Mapping[str, float] = field(default_factory=dict)
    weights: Weights = Weights()
    horizon: timedelta = HORIZON


def check(problem: Problem) -> None:
    """Refuse what cannot be meant or is too much for one plan.

    Raises:
        TransfersError: it says what, where, and the bound.
    """
    _few("transfers", problem.transfers, MAX_TRANSFERS)
    _few("links", problem.links, MAX_LINKS)
    _few("reservations", problem.reserved, MAX_RESERVED)
    sites = {site for link in problem.links for site in (link.start, link.end)}
    _few("sites", sites, MAX_SITES)
    _once("transfer", [one.id for one in problem.transfers])
    _once("link", [one.name for one in problem.links])
    if problem.moment.tzinfo is None or not timedelta(hours=1) <= problem.horizon <= timedelta(days=14):
        raise TransfersError("value", "the moment needs a zone, and the horizon is between 1 hour and 14 days")
    for transfer in problem.transfers:
        _check_transfer(transfer)
    for link in problem.links:
        _check_link(link)
    for site, price in problem.relays.items():
        _number(price, 0, _MAX_CNY, f"egress price of the relay {site}")
    known = {link.name for link in problem.links}
    for one in problem.reserved:
        _number(one.mbps, 0, MAX_MBPS, f"reserved rate of {one.link}")
        if one.link not in known or one.start.tzinfo is None or one.end.tzinfo is None or one.end <= one.start:
            raise TransfersError("value", f"a reservation of {one.link}: no such link, or it ends before its start")


def _few(what: str, given: Collection[object], most: int) -> None:
    if len(given) > most:
        raise TransfersError(
            "size", f"{len(given):,} {what} are too many for one plan, at most {most:,}: plan in parts"
        )


def _once(what: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TransfersError("name", f"the {what} {twice} is given twice")


def _number(value: float, least: float, most: float, what: str) -> None:
    if not isfinite(value) or not least <= value <= most:
        raise TransfersError("value", f"{what} is {value}, not between {least:g} and {most:g}")


def _check_transfer(transfer: Transfer) -> None:
    what = f"transfer {transfer.id}"
    if not 0 <= transfer.bytes <= MAX_BYTES:
        raise TransfersError("value", f"{what}: {transfer.bytes} bytes, not between 0 and {MAX_BYTES}")
    if len(transfer.sources) > MAX_SOURCES:
        raise TransfersError("size", f"{what} has {len(transfer.sources)} sources, at most {MAX_SOURCES}")
    _number(transfer.weight, 0.001, 1e6, f"{what}: weight")
    for source in transfer.sources:
        _number(source.egress_cny_per_gb, 0, _MAX_CNY, f"{what}: egress price at {source.site}")
    for at in (transfer.deadline, transfer.begins):
        if at is not None and at.tzinfo is None:
            raise TransfersError("value", f"{what}: a moment without a zone")


def _check_link(link: Link) -> None:
    what = f"link {link.name}"
    _number(link.mbps, 0, MAX_MBPS, f"{what}: rate")
    _number(link.cny_per_gb, 0, _MAX_CNY, f"{what}: price")
    if link.start == link.end:
        raise TransfersError("value", f"{what} leads from {link.start} to itself")
    if link.factors and len(link.factors) != _HOURS_OF_A_DAY:
        raise TransfersError("value", f"{what}: {len(link.factors)} factors, one for each of 24 hours are needed")
    for factor in link.factors:
        _number(factor, 0, 1000, f"{what}: factor of the price")
    if link.courier is not None:
        _number(link.courier.hours, 0.01, 1000, f"{what}: hours of a tour")
        _number(link.courier.bytes, 1, MAX_BYTES, f"{what}: bytes of a tour")
