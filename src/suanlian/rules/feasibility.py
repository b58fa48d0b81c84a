"""Can this place run this demand, and if not, why not? One small check a filter; all failed ones are listed.

What was wanted and what the place had are texts with units in English words that ``i18n/reasons.py`` knows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from suanlian.model.closing import ends_before, needed_s
from suanlian.model.demand import West
from suanlian.model.energy import NO_ENERGY, Emission, Energy
from suanlian.model.job import JobSpec, Variant
from suanlian.model.levels import Footing
from suanlian.model.offer import NewOffer
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Grade
from suanlian.model.place import Demand, Moving, Place
from suanlian.model.placement import ASKED, FailedFilter, Filter
from suanlian.model.platform import Latency, NamedEnvironment, ShareMode, Site
from suanlian.model.quantity import ResourceKind, Resources, shown
from suanlian.model.stack import Stack
from suanlian.model.throughput import Expected
from suanlian.rules.energy import emission
from suanlian.rules.images import Reference
from suanlian.rules.levels import footing, level_grade, lies_within
from suanlian.rules.orderly import helped, stays
from suanlian.rules.owner import level_admits
from suanlian.rules.pricing import data_cost, expected_hours, expected_rent, plain, unpriced
from suanlian.rules.stacks import meets

IMAGE_ENVIRONMENT: Final = "image"
"""A flavor that runs images by their digest declares an environment of this name."""

_MAX_TEXT: Final = 200
_HOUR_S: Final = 3600


INDIFFERENT: Final = frozenset(
    {
        *("name", "purpose", "inputs", "outputs", "env", "secrets", "array_size", "network", "attempts", "mounts"),
        *("priority", "budget", "after", "retries", "webhook", "tags"),
    }
)
"""Fields of a spec that no filter and no cost asks of. What a feature, a secret or a limit makes of them is kept apart;
a field that is added counts until it is named here."""
_ASKED: Final = tuple(sorted(set(JobSpec.model_fields) - INDIFFERENT))


def asked_of_places(spec: JobSpec) -> tuple[object, ...]:
    """All of a spec that bears on where it may run and at what cost: equal ones are answered alike."""
    return (spec.features, bool(spec.secrets), *(getattr(spec, name) for name in _ASKED))


@dataclass(frozen=True, slots=True)
class Question:
    """May ``demand`` run at ``place`` in this variant, now?"""

    demand: Demand
    place: Place
    variant: Variant
    now: datetime
    expected: Expected | None = None
    """How long it takes there, where places are told apart by speed (``rules.normalising``)."""
    energy: Energy = NO_ENERGY

    @property
    def hours(self) -> Decimal:
        """How long a task is expected to run there."""
        return (
            expected_hours(self.demand.spec, self.variant) if self.expected is None else self.expected.seconds / _HOUR_S
        )

    @property
    def moving(self) -> Moving | None:
        """What it takes to bring the data there, if it does."""
        return self.demand.moving.get(self.place.share_id)

    @property
    def emission(self) -> Emission | None:
        """What a task is expected to emit there; None where it is not known."""
        place, cards = self.place, self.demand.spec.total.accelerator
        return emission(cards, self.hours, place.flavor, place.site, self.energy)

    @property
    def footing(self) -> Footing:
        """What is known, by a check that holds, of the place's site."""
        return footing(self.place.site, self.place.check, self.now)

    @property
    def offer(self) -> NewOffer | None:
        """The offer, if it is valid by now and the platform trades."""
        offer = self.place.offer if self.place.level is JoinLevel.TRADE else None
        return None if offer is None or (offer.valid_from is not None and offer.valid_from > self.now) else offer

    @property
    def admitted(self) -> bool:
        """Whether the level at which the platform has joined admits the entity."""
        place = self.place
        return level_admits(place.level, self.demand.entity, place.entity, place.partners)

    @property
    def unpriced(self) -> bool:
        """Whether it would run there without a price: at level run, for whom that admits."""
        return self.place.level is JoinLevel.RUN and self.admitted


Miss = tuple[str, str] | None
"""What was wanted and what the place had, or None when the filter is passed."""


def failed_filters(question: Question) -> tuple[FailedFilter, ...]:
    """All filters that the place does not pass, in the order of ``Filter``.

    Chip, environment and maximum cost are asked only of a variant of the place's architecture.
    """
    runs = question.variant.architecture is question.place.flavor.architecture
    asked = (name for name in ASKED if runs or name not in _OF_THE_VARIANT)
    return _failed((name, CHECKS[name](question)) for name in asked)


def _failed(misses: Iterable[tuple[Filter, Miss]]) -> tuple[FailedFilter, ...]:
    return tuple(
        FailedFilter(filter=name, wanted=clip(miss[0]), had=clip(miss[1])) for name, miss in misses if miss is not None
    )


def too_large(spec: JobSpec, places: Sequence[Place]) -> tuple[FailedFilter, ...]:
    """Why no place could ever hold one task, whatever is free now: the sizes of the largest miss. Empty: one could.

    Asked of the places that the job names, where there are such; without any place it waits, so empty too.
    """
    named = [place for place in places if _is_named(spec, place)] or places
    misses = [
        _failed(
            (
                (Filter.NODE_SIZE, _sizes(spec.resources, p.flavor.node)),
                (Filter.SHARE_SIZE, _sizes(spec.total, p.share.capacity)),
            )
        )
        for p in named
    ]
    return min(misses, key=len, default=())


def ever_fits(spec: JobSpec, places: Sequence[Place]) -> bool:
    """Whether some place could hold one task when empty, or there is no place yet; else the job is too large."""
    return not too_large(spec, places)


def _is_named(spec: JobSpec, place: Place) -> bool:
    wants = spec.wants
    pairs = ((wants.platform, place.platform), (wants.site, place.site.name), (wants.flavor, place.flavor.name))
    return all(wanted is None or wanted == had for wanted, had in pairs)


def latency_of(site: Site, region: str) -> Latency | None:
    """The one-way latency from the site to users of the region; of several the longest; None when none is known."""
    known = (latency for latency in site.latencies if latency.region == region)
    return max(known, key=lambda latency: latency.one_way_ms, default=None)


def clip(text: str) -> str:
    """The text cut to what ``model.base.Text`` takes."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."


def _platform_live(q: Question) -> Miss:
    return None if q.place.platform_live else ("live", "not live")


def _admitted(q: Question) -> Miss:
    return None if q.place.admitted else ("admitted", "not admitted")


def _level(q: Question) -> Miss:
    return None if q.admitted else (JoinLevel.TRADE.value, q.place.level.value)


def _accepting(q: Question) -> Miss:
    return None if q.place.accepting else ("accepting", "not accepting")


def _not_at_home(q: Question) -> Miss:
    return ("elsewhere", "lent from here") if q.demand.lender == q.place.platform else None


def _same(wanted: str | None, had: str) -> Miss:
    return None if wanted is None or wanted == had else (wanted, had)


def _wanted_platform(q: Question) -> Miss:
    return _same(q.demand.spec.wants.platform, q.place.platform)


def _wanted_site(q: Question) -> Miss:
    return _same(q.demand.spec.wants.site, q.place.site.name)


def _wanted_flavor(q: Question) -> Miss:
    return _same(q.demand.spec.wants.flavor, q.place.flavor.name)


def _architecture(q: Question) -> Miss:
    had = q.place.flavor.architecture
    if q.variant.architecture is had:
        return None
    every = dict.fromkeys(variant.architecture.value for variant in q.demand.spec.variants)
    return " / ".join(every), had.value


def _chip(q: Question) -> Miss:
    wanted, chip = q.variant.chip_family, q.place.flavor.chip
    if wanted is None or (chip is not None and chip.family == wanted):
        return None
    if chip is None:
        return wanted, "none"
    return wanted, f"{chip.family} (simulated)" if q.place.simulated else chip.family


def _environment(q: Question) -> Miss:
    wanted = q.variant.environment or IMAGE_ENVIRONMENT
    every = [e for e in q.place.flavor.environments if e.architecture is q.variant.architecture]
    declared = [e.name for e in every]
    if q.variant.image is not None and IMAGE_ENVIRONMENT not in declared:
        return None if q.place.flavor.image_runtime is not None else (wanted, "no image runtime")
    if q.variant.stands_for and not any(e.name == wanted and _stands(e, q.variant.stands_for) for e in every):
        return f"{wanted} ({', '.join(q.variant.stands_for)})", ", ".join(declared) or "none"
    return None if wanted in declared else (wanted, ", ".join(declared) or "none")


def _stands(environment: NamedEnvironment, asked: Sequence[str]) -> bool:
    """Whether an environment stands for all of these images where it is declared."""
    listed = [Reference.read(image) for image in environment.images]
    return all(any(known.covers(Reference.read(image)) for known in listed) for image in asked)


def _stack(q: Question) -> Miss:
    need = q.variant.stack
    if need is None or need.name is Stack.NONE or any(meets(had, need) for had in q.place.flavor.stacks):
        return None
    wanted = need.name.value + (f" >= {need.at_least}" if need.at_least else "")
    return wanted, ", ".join(f"{had.name.value} {had.version}" for had in q.place.flavor.stacks) or "none"


def _closing(q: Question) -> Miss:
    if ends_before(q.demand.spec, q.place.closing, q.now) or q.place.closing is None:
        return None
    return f"{needed_s(q.demand.spec)} s", f"{max(0, int((q.place.closing - q.now).total_seconds()))} s"


def _features(q: Question) -> Miss:
    missing = sorted(q.demand.spec.features - set(q.place.flavor.features))
    return (", ".join(missing), ", ".join(q.place.flavor.features) or "none") if missing else None


def _notice(q: Question) -> Miss:
    """A leftover share may be taken back: the job's checkpoint must fit into the notice."""
    checkpoint, share = q.demand.spec.checkpoint, q.place.share
    if checkpoint is None or share.mode is not ShareMode.LEFTOVER or checkpoint.grace_s <= share.notice_s:
        return None
    return f"{checkpoint.grace_s} s", f"{share.notice_s} s"


def _isolation(q: Question) -> Miss:
    share = q.place.share
    at_home = q.demand.entity == q.place.entity
    return None if share.isolated or share.allow_unisolated or at_home else ("isolated", "not isolated")


def _sizes(wanted: Resources, within: Resources) -> Miss:
    short = wanted.short_of(within)
    return (amounts(wanted, short), amounts(within, short)) if short else None


def amounts(resources: Resources, kinds: Sequence[ResourceKind]) -> str:
    """So much of each of these kinds, with units: ``cpu 0.5 core, memory 2 GiB``."""
    base = resources.base()
    return ", ".join(f"{kind.value} {shown(kind, base[kind])}" for kind in kinds)


def _node_size(q: Question) -> Miss:
    return _sizes(q.demand.spec.resources, q.place.flavor.node)


def _share_size(q: Question) -> Miss:
    return _sizes(q.demand.spec.total, q.place.share.capacity)


def _secrets(q: Question) -> Miss:
    return ("sealing key", "none") if q.demand.spec.secrets and not q.place.seals else None


def _latency(q: Question) -> Miss:
    wants = q.demand.spec.wants
    return None if wants.one_way_ms is None else _within(q, wants.one_way_ms)


def _within(q: Question, most_ms: Decimal) -> Miss:
    """At most so many milliseconds from the job's users, one way; a latency that is not known is too long."""
    region = q.demand.spec.wants.user_region
    known = None if region is None else latency_of(q.place.site, region)
    wanted = f"<= {plain(most_ms)} ms"
    if known is None:
        return wanted, "unknown"
    if known.one_way_ms <= most_ms:
        return None
    note = " (simulated)" if known.grade is Grade.SIMULATED else ""
    return wanted, f"{plain(known.one_way_ms)} ms{note}"


def _west(q: Question) -> Miss:
    """By the job's own word, else by the policy for its class."""
    wants, site = q.demand.spec.wants, q.place.site
    rule = q.demand.order.rule(q.demand.spec.job_class)
    if wants.west is West.NO and site.west:
        return "east", "west"
    if rule is None or not stays(wants, rule) or helped(q.demand.order, wants, site):
        return None
    known = None if wants.user_region is None else latency_of(site, wants.user_region)
    if rule.within_ms is not None and wants.one_way_ms is None and known is not None:
        return _within(q, rule.within_ms)
    return ("east", "west") if site.west else None


def _owners(q: Question) -> Miss:
    owners, had = q.demand.spec.wants.owners, q.place.entity
    if owners.only and had not in owners.only:
        return ", ".join(owners.only), had
    return (f"not {', '.join(owners.never)}", had) if had in owners.never else None


def _tier(q: Question) -> Miss:
    tiers = q.demand.spec.wants.tiers
    if q.unpriced or q.offer is None or q.offer.tier in tiers:
        return None
    return ", ".join(tiers), q.offer.tier.value


def _green(q: Question) -> Miss:
    wanted, had = q.demand.spec.wants.green_min, q.place.site.green_share
    return None if had >= wanted else (f">= {_percent(wanted)}", _percent(had))


def _data_level(q: Question) -> Miss:
    needed = level_grade(q.demand.spec.wants, q.demand.levels)
    return _graded(q, needed, f"level {q.demand.spec.wants.data_level}: ")


def _protection(q: Question) -> Miss:
    return _graded(q, q.demand.spec.wants.protection_min, "")


def _graded(q: Question, needed: int, before: str) -> Miss:
    had, claimed = q.footing.grade, q.place.site.protection_grade
    if had >= needed:
        return None
    note = f" ({claimed} claimed, not checked)" if claimed > had else ""
    return f"{before}protection grade >= {needed}", f"protection grade {had}{note}"


def _residency(q: Question) -> Miss:
    allowed, found = q.demand.spec.wants.residency, q.footing.region
    if lies_within(found, allowed):
        return None
    region = q.place.site.region
    return ", ".join(allowed), found or f"{region} (claimed, not checked)"


def _data(q: Question) -> Miss:
    """Its datasets are there, or can be brought there."""
    moving = q.moving
    if moving is None or not moving.wrong:
        return None
    spec = q.demand.spec
    return ", ".join([use.dataset for use in spec.data] or [saved.dataset for saved in spec.save]), moving.wrong


def _percent(fraction: Decimal) -> str:
    return f"{plain(fraction * 100)}%"


def _priced(q: Question) -> Miss:
    wanted = q.demand.spec.resources
    if q.unpriced:
        return None
    if q.offer is None:
        return "offer", "none"
    missing = ", ".join(kind.value for kind in unpriced(wanted, q.offer))
    return (missing, "none") if missing else None


def _max_cost(q: Question) -> Miss:
    spec, offer = q.demand.spec, q.offer
    limit = spec.wants.max_cost
    if limit is None or offer is None or unpriced(spec.resources, offer):
        return None
    billed = expected_rent(spec, q.variant, offer, q.expected) + data_cost(q.moving)
    return None if billed <= limit else (f"<= {plain(limit)} CNY", f"{plain(billed)} CNY")


def _carbon(q: Question) -> Miss:
    most, found = q.demand.spec.wants.max_g_co2, q.emission
    if most is None:
        return None
    wanted = f"<= {plain(most)} g CO2"
    if found is None:
        return wanted, "unknown"
    return None if found.g_co2 <= most else (wanted, f"{plain(found.g_co2)} g CO2")


def _elsewhere(q: Question) -> Miss:
    return ("elsewhere", "failed here before") if q.place.share_id in q.demand.avoid else None


def _owner_refused(q: Question) -> Miss:
    return ("elsewhere", "refused here before") if q.place.share_id in q.demand.refused else None


def _room(q: Question) -> Miss:
    spec, free = q.demand.spec, q.place.free
    miss = _sizes(spec.total, free)
    if miss is None and q.place.kept:
        wanted = amounts(spec.total, [kind for kind, amount in spec.total.base().items() if amount])
        miss = (wanted, "kept for those before it")
    return miss if miss is None or spec.nodes == 1 else (f"{spec.nodes} nodes at once: {miss[0]}", miss[1])


_OF_THE_VARIANT: Final = frozenset({Filter.CHIP, Filter.ENVIRONMENT, Filter.STACK, Filter.MAX_COST, Filter.CARBON})

CHECKS: Final[Mapping[Filter, Callable[[Question], Miss]]] = {
    Filter.PLATFORM_LIVE: _platform_live,
    Filter.ADMITTED: _admitted,
    Filter.LEVEL: _level,
    Filter.ACCEPTING: _accepting,
    Filter.CLOSING: _closing,
    Filter.NOT_AT_HOME: _not_at_home,
    Filter.WANTED_PLATFORM: _wanted_platform,
    Filter.WANTED_SITE: _wanted_site,
    Filter.WANTED_FLAVOR: _wanted_flavor,
    Filter.ARCHITECTURE: _architecture,
    Filter.CHIP: _chip,
    Filter.ENVIRONMENT: _environment,
    Filter.STACK: _stack,
    Filter.FEATURES: _features,
    Filter.NOTICE: _notice,
    Filter.ISOLATION: _isolation,
    Filter.NODE_SIZE: _node_size,
    Filter.SHARE_SIZE: _share_size,
    Filter.SECRETS: _secrets,
    Filter.LATENCY: _latency,
    Filter.GREEN: _green,
    Filter.DATA_LEVEL: _data_level,
    Filter.PROTECTION: _protection,
    Filter.RESIDENCY: _residency,
    Filter.DATA: _data,
    Filter.OWNERS: _owners,
    Filter.WEST: _west,
    Filter.TIER: _tier,
    Filter.PRICED: _priced,
    Filter.MAX_COST: _max_cost,
    Filter.CARBON: _carbon,
    Filter.ELSEWHERE: _elsewhere,
    Filter.OWNER_REFUSED: _owner_refused,
    Filter.ROOM: _room,
}
"""How each filter is asked."""
