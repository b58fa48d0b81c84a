"""May a job of this class go there? "Orderly from east to west", by a policy that is data. Pure.

A class may go west, or stays: within so many milliseconds of its users where that is known, else in the east. Of two
clusters that help each other, one takes over what would stay near the other while that is nearly full.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from suanlian.model.demand import West
from suanlian.model.job import Wants
from suanlian.model.orderly import ClassRule, Order, Orderly
from suanlian.model.place import Place
from suanlian.model.platform import Site
from suanlian.model.quantity import ResourceKind
from suanlian.rules.levels import lies_within

_COUNTED = (ResourceKind.CPU, ResourceKind.ACCELERATOR)


def order_now(policy: Orderly, places: Sequence[Place]) -> Order:
    """The policy as it stands with the places as they are: who helps whom."""
    return Order(policy.classes, tuple(_helps(policy, places)))


def _helps(policy: Orderly, places: Sequence[Place]) -> Iterator[tuple[str, str]]:
    for pair in policy.assistance:
        for full, other in (pair.between, pair.between[::-1]):
            if in_use(place for place in places if lies_within(place.site.region, (full,))) >= pair.above:
                yield full, other


def in_use(places: Iterable[Place]) -> Decimal:
    """How much of these places is taken, 0 to 1: of cores or cards, what is scarcer; nothing is taken of no place."""
    free, capacity = dict.fromkeys(_COUNTED, 0), dict.fromkeys(_COUNTED, 0)
    for place in places:
        left, whole = place.free.base(), place.share.capacity.base()
        for kind in _COUNTED:
            free[kind] += max(0, left.get(kind, 0))
            capacity[kind] += whole.get(kind, 0)
    taken = (1 - Decimal(free[kind]) / capacity[kind] for kind in _COUNTED if capacity[kind])
    return max(taken, default=Decimal(0))


def stays(wants: Wants, rule: ClassRule | None) -> bool:
    """Whether the policy keeps such a job near its users, or in the east."""
    return rule is not None and not rule.west and not (rule.own_word and wants.west is West.YES)


def helped(order: Order, wants: Wants, site: Site) -> bool:
    """Whether the site's cluster takes over from that of the job's users at present."""
    region = wants.user_region
    return region is not None and any(
        lies_within(region, (full,)) and lies_within(site.region, (other,)) for full, other in order.helps
    )
