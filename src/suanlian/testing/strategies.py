"""Values of the vocabulary for tests that search: anything that a caller could have sent, edges first."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from suanlian.model.demand import Near, Owners, Prefer, West
from suanlian.model.ids import Identifier, Kind
from suanlian.model.job import MAX_ARRAY, MAX_WALL_S, Input, JobSpec, Variant, Wants
from suanlian.model.offer import Tier
from suanlian.model.performance import Architecture
from suanlian.model.quantity import MAX_BASE, Resources

_LABEL_CHARS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ALNUM: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_MOST: Final = {"cpu": 10**9, "memory": MAX_BASE, "disk": MAX_BASE, "accelerator": 10**6}

names = st.text(f"{_ALNUM}._-", min_size=1, max_size=10).map(lambda text: text.strip("._-") or "a")
"""Names that people type."""

texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=40)
"""Lines that people read, in any script."""

_labels = st.text(_LABEL_CHARS, min_size=1, max_size=16)
_first_labels = st.builds("{}{}".format, st.sampled_from(_LABEL_CHARS[:26]), st.text(_LABEL_CHARS, max_size=15))
prefixes = st.builds(lambda first, rest: ".".join([first, *rest]), _first_labels, st.lists(_labels, max_size=7))
"""Prefixes of hubs, up to eight labels."""

uuids = st.integers(0, 2**128 - 1).map(lambda number: str(UUID(int=number)))
"""Any 128 bits as a UUID, not only version 7."""

identifiers = st.builds(Identifier, prefixes, st.sampled_from(Kind), uuids)
"""Public identifiers of every kind."""

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds of the strategy are naive
"""Moments in UTC, to the microsecond."""

digests = st.integers(0, 2**256 - 1).map("{:064x}".format)
"""SHA-256 digests, of nothing in particular."""

paths = st.lists(names, min_size=1, max_size=3).map("/".join)
"""Relative paths that stay where they are."""


def decimals(low: str, high: str, *, places: int = 12) -> st.SearchStrategy[Decimal]:
    """Decimals between two others, written with at most so many decimals."""
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


def resources(*, smallest: int = 0) -> st.SearchStrategy[Resources]:
    """Amounts of every kind from ``smallest`` base units to the most that may be written."""
    amounts = st.fixed_dictionaries({kind: st.integers(smallest, most) for kind, most in _MOST.items()})
    return amounts.map(Resources.of)


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_arguments = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_images = st.builds("{}@sha256:{}".format, names, digests)
_software = st.fixed_dictionaries({"environment": names}) | st.fixed_dictionaries({"image": _images})
_regions = st.integers(100_000, 999_999).map(str)
_variables = st.builds("{}{}".format, st.sampled_from(f"_A{_ALNUM[0]}"), st.text(f"_Z{_ALNUM}", max_size=6))
_urls = st.builds("{}://{}:{}/{}".format, st.sampled_from(["http", "https"]), names, st.integers(1, 65535), paths)
_sources = st.one_of(
    st.fixed_dictionaries({"content": st.text(st.characters(exclude_categories=["Cs"]), max_size=40)}),
    st.fixed_dictionaries({"content_base64": st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())}),
    st.fixed_dictionaries({"object": st.just(value=True), "sha256": digests}),
    st.fixed_dictionaries({"url": _urls, "sha256": digests}),
)
_variants = st.builds(
    lambda software, **fields: Variant(**software, **fields),
    _software,
    architecture=st.sampled_from(Architecture),
    command=st.lists(_arguments, min_size=1, max_size=4).map(tuple),
    chip_family=_optional(names),
    throughput=_optional(decimals("0.000000000001", "1000000")),
)
inputs = st.builds(lambda path, source: Input(path=path, **source), paths, _sources)
"""Files that lie there before the job starts, from each of the four sources."""


@st.composite
def _wants(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Wants:
    region = draw(_optional(_regions))
    return Wants(
        platform=draw(_optional(names)),
        site=draw(_optional(names)),
        flavor=draw(_optional(names)),
        user_region=region,
        max_latency_ms=None if region is None else draw(_optional(decimals("0", "10000"))),
        green_min=draw(decimals("0", "1")),
        max_cost=draw(_optional(decimals("0.000000000001", "1000000000000000"))),
        near=None if region is None else draw(_optional(st.sampled_from(Near))),
        west=draw(st.sampled_from(West)),
        owners=Owners(only=draw(st.lists(names, max_size=2).map(tuple))),
        tiers=draw(st.lists(st.sampled_from(Tier), min_size=1, unique=True).map(tuple)),
        max_g_co2=draw(_optional(decimals("0.000000000001", "1000000000"))),
        detour=draw(_optional(decimals("0", "0.05"))),
        prefer=draw(st.sampled_from(Prefer)),
    )


def _alike(variant: Variant) -> tuple[object, ...]:
    return variant.architecture, variant.chip_family, variant.environment, variant.image


job_specs = st.builds(
    JobSpec,
    name=names,
    purpose=texts,
    resources=resources(smallest=1),
    variants=st.lists(_variants, min_size=1, max_size=2, unique_by=_alike).map(tuple),
    inputs=st.lists(inputs, max_size=2, unique_by=lambda item: item.path).map(tuple),
    outputs=st.lists(paths, max_size=3).map(tuple),
    env=st.dictionaries(_variables, _arguments, max_size=2),
    array_size=_optional(st.integers(1, MAX_ARRAY)),
    wall_time_s=st.integers(1, MAX_WALL_S),
    network=st.booleans(),
    attempts=st.integers(1, 10),
    wants=_wants(),
)
"""Whole specs, every field filled or left out."""
