"""What is refused at the door? Jobs that can never run here, or no more in time: the field at fault, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from suanlian.data.chips import chips
from suanlian.model.demand import Owners
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.job import JobSpec, Wants
from suanlian.model.levels import HubRules
from suanlian.model.place import Place
from suanlian.model.probe import PROBE_ENVIRONMENT
from suanlian.rules.addresses import refused_address
from suanlian.rules.chips import unknown_family
from suanlian.rules.feasibility import asked_of_places, too_large
from suanlian.rules.levels import hub_is_outside, hub_is_too_low
from suanlian.rules.stacks import contradiction

_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator says of submissions: origins that inputs may come from besides, which data may lie here."""

    input_origins: frozenset[str]
    data: HubRules


@dataclass(frozen=True, slots=True)
class Checks:
    """What a submission is checked against: the places and names there are, and the operator's terms."""

    places: tuple[Place, ...]
    terms: Terms
    platforms: frozenset[str]
    flavors: frozenset[str]
    environments: frozenset[str]
    entities: frozenset[str]
    """Those whose platforms have published a share."""
    chips: frozenset[str]
    """Families that platforms declare: some are in no table."""

    @classmethod
    def of(cls, places: tuple[Place, ...], terms: Terms) -> "Checks":
        """Look the names up once."""
        return cls(
            places,
            terms,
            platforms=frozenset(place.platform for place in places),
            flavors=frozenset(place.flavor.name for place in places),
            entities=frozenset(place.entity for place in places),
            environments=frozenset(e.name for place in places for e in place.flavor.environments),
            chips=frozenset(place.flavor.chip.family for place in places if place.flavor.chip is not None),
        )


def check_all(specs: Sequence[JobSpec], checks: Checks) -> None:
    """Refuse what can never run here: unknown names, too large, an input's address that is not public.

    Raises InvalidError or NotFoundError with the field at fault. Without any place there is nothing to hold it against.
    """
    fitting: set[object] = set()
    for spec in specs:
        _check_level(spec.wants, checks.terms.data)
        for number, item in enumerate(spec.inputs):
            if item.url is not None:
                _check_url(item.url, f"inputs.{number}.url", checks.terms.input_origins)
        _check_environments(spec)
        _check_stacks(spec)
        asked = asked_of_places(spec)
        if checks.places and asked not in fitting:
            _check_names(spec, checks)
            _check_size(spec, checks.places)
            fitting.add(asked)


def check_deadlines(specs: Sequence[JobSpec], now: datetime) -> None:
    """Refuse what could not end by its deadline even if it began now. Raises InvalidError ``deadline_passed``."""
    for spec in specs:
        if spec.deadline is None or spec.deadline >= now + timedelta(seconds=spec.wall_time_s):
            continue
        by = f"{spec.deadline:%Y-%m-%d %H:%M:%S} UTC"
        wrong = f"Begun now, its wall time of {spec.wall_time_s} s would pass the deadline {by}."
        todo = "Give a later deadline, or a shorter wall_time_s where the job needs less."
        if spec.deadline <= now:
            wrong, todo = f"The deadline {by} is past.", "Give a moment that is still to come, with its zone."
        raise InvalidError("deadline_passed", wrong, todo=todo, field="deadline")


def _check_level(wants: Wants, hub: HubRules) -> None:
    """The hub itself keeps inputs, logs and outputs: a job whose data may not lie here is refused."""
    if hub_is_outside(wants, hub):
        where = "is set to no region" if hub.region is None else f"lies in {hub.region}"
        wrong = f"Inputs, logs and outputs lie at this hub, which {where}: outside of {', '.join(wants.residency)}."
        todo = "Submit to a hub within these regions, or allow the hub's region too."
        raise InvalidError("residency_excludes_hub", wrong, todo=todo, field="wants.residency")
    if needed := hub_is_too_low(wants, hub):
        wrong = f"Inputs, logs and outputs lie at this hub, whose protection grade is {hub.grade}; {needed} is needed."
        todo = "Submit to a hub that is protected well enough, or lower the data level where the data allows it."
        raise InvalidError("protection_excludes_hub", wrong, todo=todo, field="wants.data_level")


def _check_environments(spec: JobSpec) -> None:
    for number, variant in enumerate(spec.variants):
        if variant.environment == PROBE_ENVIRONMENT:
            wrong = f"The environment {PROBE_ENVIRONMENT!r} is for the hub's own probes."
            field = f"variants.{number}.environment"
            raise InvalidError("environment_reserved", wrong, todo="suanlian flavors lists the others.", field=field)


def _check_stacks(spec: JobSpec) -> None:
    """A variant whose chips, software and instruction set cannot go together anywhere would wait for ever."""
    for number, variant in enumerate(spec.variants):
        against = contradiction(variant)
        if against is not None:
            field = f"variants.{number}.{against.field}"
            raise InvalidError("variant_contradicts", against.wrong, todo=against.todo, field=field)


def _check_size(spec: JobSpec, places: Sequence[Place]) -> None:
    misses = too_large(spec, places)
    if misses:
        miss = misses[0]
        wrong = f"No share could ever hold a task: wanted {miss.wanted}, the largest has {miss.had}."
        raise InvalidError("job_too_large", wrong, todo="Ask for less, or split the job.", field="resources")


def _check_url(url: str, field: str, allowed: frozenset[str]) -> None:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    reason = None if origin in allowed else refused_address(parts.hostname or "")
    if reason is not None:
        wrong = f"The address of {origin} is {reason}: a job may not read from there."
        todo = "Give a public address, or upload the file; the operator can list the origin."
        raise InvalidError("input_origin_refused", wrong, todo=todo, field=field)


def _check_names(spec: JobSpec, checks: Checks) -> None:
    wants = spec.wants
    if wants.platform is not None and wants.platform not in checks.platforms:
        wrong = f"No platform is named {wants.platform!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="wants.platform")
    if wants.flavor is not None and wants.flavor not in checks.flavors:
        wrong = f"No platform publishes the flavor {wants.flavor!r}."
        raise NotFoundError("no_such_flavor", wrong, todo="suanlian flavors lists them.", field="wants.flavor")
    _check_owners(wants.owners, checks.entities)
    for number, variant in enumerate(spec.variants):
        if variant.environment is not None and variant.environment not in checks.environments:
            wrong = f"No platform declares the environment {variant.environment!r}."
            field = f"variants.{number}.environment"
            raise NotFoundError("no_such_environment", wrong, todo="suanlian flavors lists them.", field=field)
        unknown = None if variant.chip_family is None else unknown_family(variant.chip_family, chips(), checks.chips)
        if unknown is not None:
            field = f"variants.{number}.chip_family"
            raise NotFoundError("no_such_chip", unknown.wrong, todo=unknown.todo, field=field)


def _check_owners(owners: Owners, entities: frozenset[str]) -> None:
    """A name that is misspelt among those that are never to have the job would be no bar at all."""
    for name, named in (("only", owners.only), ("never", owners.never)):
        if strangers := sorted(set(named) - entities):
            wrong = f"No entity named {strangers[0]!r} has published a share."
            known = ", ".join(sorted(entities)[:_MOST_NAMED])
            todo = f"Mind the spelling. Those that have: {known}."
            raise NotFoundError("no_such_owner", wrong, todo=todo, field=f"wants.owners.{name}")
