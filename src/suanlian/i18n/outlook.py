"""What a buyer could change, how a job stands in the queue, by which prices it was decided; in both languages."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from suanlian.i18n.catalog import gettext as _
from suanlian.i18n.catalog import ngettext
from suanlian.i18n.reasons import money_text, money_with_sign
from suanlian.model.outlook import Change, Effect, Gain
from suanlian.model.placement import Explanation, Filter, MarketView, Queueing


def change_text(change: Change) -> str:
    """What the change is: `with a wall time of 3600 s instead of 7200 s`."""
    if change.field == "variants":
        return _variant_text(change)
    told = _FIELDS.get(change.field)
    text = told() if told is not None else _("with {field}: {to}")
    return text.format(field=change.field, was=_shown(change.was), to=_shown(change.to))


def gain_text(effect: Effect, when: str) -> str:
    """What it brings: `starts now`, `12 % cheaper`; ``when``: the start as people read it, empty for now."""
    part = "" if effect.part is None else f"{(effect.part * 100).quantize(Decimal(1)):f}"
    if effect.gain is Gain.CHEAPER:
        return _("{part} % cheaper").format(part=part)
    if effect.gain is Gain.GREENER:
        return _("{part} % less CO2").format(part=part)
    if effect.gain is Gain.FASTER:
        return _("{part} % sooner done").format(part=part)
    return _("starts {when}").format(when=when) if when else _("starts now")


def effect_text(effect: Effect) -> str:
    """Where, and at what bill: `at wuhu/a100 for 20.40 CNY (+1.10 CNY)`."""
    place = f"{effect.platform}/{effect.share}"
    place = _("{place} (simulated)").format(place=place) if effect.simulated else place
    if effect.billed is None:
        return _("at {place}").format(place=place)
    if not effect.more:
        return _("at {place} for {cost}").format(place=place, cost=money_text(effect.billed))
    text = _("at {place} for {cost} ({more})")
    return text.format(place=place, cost=money_text(effect.billed), more=money_with_sign(effect.more))


def missed_text(explanation: Explanation) -> str:
    """How many places failed by what, the most first: `18 chip, 9 room`; empty where none did."""
    counts = sorted(explanation.missed.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {_SHORT[name]()}" for name, count in counts)


def market_text(view: MarketView, when: str) -> str:
    """By which prices it was decided."""
    if view.tick is None:
        return _("Nothing was scarce; version {policy} of the weights.").format(policy=view.policy)
    return _("Prices of scarcity of {when}, version {policy} of the weights.").format(when=when, policy=view.policy)


def queue_lines(queueing: Queueing, starts: str) -> Iterator[str]:
    """How it stood among those that waited; ``starts``: from when on a place is reserved, as people read it."""
    text = _("Queue: {place} of {of}; waited {n} min; the account has used {fair} of its fair share")
    yield text.format(
        place=queueing.place, of=queueing.of, n=queueing.waited_s // 60, fair=f"{queueing.fair.normalize():f}"
    )
    if queueing.reserved is not None:
        text = _("Reserved for it: {share} from {when}, if what stands before it takes as long as estimated")
        yield text.format(share=queueing.reserved, when=starts)


def tasks_text(tasks: int, room: int) -> str:
    """How many tasks of an array have room now."""
    return ngettext("{room} of {n} task has room now.", "{room} of {n} tasks have room now.", tasks).format(
        room=room, n=tasks
    )


def before_it_text(waiting: int) -> str:
    """That others wait already, for whom places may be kept."""
    return ngettext(
        "{n} job waits already: what is free may be kept for it.",
        "{n} jobs wait already: what is free may be kept for them.",
        waiting,
    ).format(n=waiting)


def all_tasks_text(tasks: int, each: Decimal) -> str:
    """What all tasks of an array are billed at the price of one."""
    return _("All {n} of them at this price: about {cost}.").format(n=tasks, cost=money_text(each * tasks))


def _shown(value: object) -> str:
    if value is None:
        return _("any")
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _variant_text(change: Change) -> str:
    further = change.to[-1] if isinstance(change.to, list) and change.to else {}
    made = further if isinstance(further, dict) else {}
    wanted = [str(made[name]) for name in ("architecture", "chip_family", "environment") if made.get(name)]
    return _("with a variant for {wanted}").format(wanted=", ".join(wanted))


# A look-up happens when a text is shown, in the language of that moment: so the tables hold functions.

_FIELDS: Final[Mapping[str, Callable[[], str]]] = {
    "start": lambda: _("as it is, if it may wait"),
    "wall_time_s": lambda: _("with a wall time of {to} s instead of {was} s"),
    "nodes": lambda: _("with {to} nodes instead of {was}"),
    "resources.accelerator": lambda: _("with {to} cards instead of {was}"),
    "resources.cpu": lambda: _("with {to} cores instead of {was}"),
    "wants.max_latency_ms": lambda: _("with a latency up to {to} ms instead of {was} ms"),
    "wants.near": lambda: _("with near: {to} instead of {was}"),
    "wants.west": lambda: _("with west: {to}"),
    "wants.green_min": lambda: _("with a green share from {to} on instead of {was}"),
    "wants.max_g_co2": lambda: _("with at most {to} g CO2"),
    "wants.prefer": lambda: _("with prefer: {to}"),
    "wants.tiers": lambda: _("with the terms {to}"),
    "wants.max_cost": lambda: _("with a max_cost of {to} CNY instead of {was} CNY"),
    "budget": lambda: _("with a budget of {to} CNY instead of {was} CNY"),
    "wants.platform": lambda: _("on any platform, not {was} alone"),
    "wants.site": lambda: _("at any site, not {was} alone"),
    "wants.flavor": lambda: _("on any flavor, not {was} alone"),
}

_SHORT: Final[Mapping[Filter, Callable[[], str]]] = {
    Filter.PLATFORM_LIVE: lambda: _("not live"),
    Filter.ADMITTED: lambda: _("not admitted"),
    Filter.LEVEL: lambda: _("level of joining"),
    Filter.ACCEPTING: lambda: _("takes no new jobs"),
    Filter.CLOSING: lambda: _("closes too soon"),
    Filter.NOT_AT_HOME: lambda: _("lent it"),
    Filter.WANTED_PLATFORM: lambda: _("another platform"),
    Filter.WANTED_SITE: lambda: _("another site"),
    Filter.WANTED_FLAVOR: lambda: _("another flavor"),
    Filter.ARCHITECTURE: lambda: _("instruction set"),
    Filter.CHIP: lambda: _("chip"),
    Filter.ENVIRONMENT: lambda: _("software environment"),
    Filter.STACK: lambda: _("software of the cards"),
    Filter.FEATURES: lambda: _("what the engine can do"),
    Filter.NOTICE: lambda: _("notice"),
    Filter.ISOLATION: lambda: _("isolation"),
    Filter.NODE_SIZE: lambda: _("size of a node"),
    Filter.SHARE_SIZE: lambda: _("size of the share"),
    Filter.SECRETS: lambda: _("sealing of secrets"),
    Filter.LATENCY: lambda: _("latency"),
    Filter.GREEN: lambda: _("green power"),
    Filter.DATA_LEVEL: lambda: _("data level"),
    Filter.PROTECTION: lambda: _("protection"),
    Filter.RESIDENCY: lambda: _("residency"),
    Filter.DATA: lambda: _("data"),
    Filter.OWNERS: lambda: _("owner"),
    Filter.WEST: lambda: _("east or west"),
    Filter.TIER: lambda: _("terms of the offer"),
    Filter.PRICED: lambda: _("no price"),
    Filter.MAX_COST: lambda: _("cost"),
    Filter.CARBON: lambda: _("carbon"),
    Filter.ELSEWHERE: lambda: _("failed there before"),
    Filter.OWNER_REFUSED: lambda: _("refused by the owner"),
    Filter.ROOM: lambda: _("room"),
    Filter.UNKNOWN: lambda: _("of another reason"),
}
