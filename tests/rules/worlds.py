"""Places, demands and moments that the tests of this room share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec, Variant, Wants
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.place import Demand, Place
from suanlian.model.platform import Flavor, NamedEnvironment, Share, Site
from suanlian.model.quantity import ResourceKind, Resources

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def resources(cpu: int = 0, memory: int = 0, disk: int = 0, accelerator: int = 0) -> Resources:
    return Resources.of({"cpu": cpu, "memory": memory, "disk": disk, "accelerator": accelerator})


def offer(**rates: str) -> NewOffer:
    priced = tuple(Rate(kind=ResourceKind(kind), per_unit_hour=Decimal(rate)) for kind, rate in rates.items())
    return NewOffer(name="on-demand", share="cpu", rates=priced)


def flavor(architecture: Architecture = Architecture.X86_64, *, simulated: bool = False) -> Flavor:
    return Flavor(
        name="small",
        compute_class=ComputeClass.GENERAL,
        architecture=architecture,
        node=resources(cpu=2000, memory=4096),
        environments=(NamedEnvironment(name="python", architecture=architecture),),
        simulated=simulated,
    )


def place(name: str = "wuhu", rate: str = "0.05", **changes: object) -> Place:
    """A live place that takes what `demand()` asks for, with the fields in `changes` otherwise."""
    fields: dict[str, object] = {
        "share_id": ShareId(f"share-{name}"),
        "platform": name,
        "platform_live": True,
        "accepting": True,
        "entity": "owner",
        "site": Site(name="site", region="340200"),
        "share": Share(name="cpu", site="site", flavor="small", capacity=resources(4000, 8192), isolated=True),
        "flavor": flavor(),
        "offer": offer(cpu=rate),
        "versions": (),
        "free": resources(4000, 8192),
    }
    return Place(**{**fields, **changes})  # type: ignore[arg-type]  # the fields are those of Place


def variant(architecture: Architecture = Architecture.X86_64, throughput: str | None = None) -> Variant:
    speed = None if throughput is None else Decimal(throughput)
    return Variant(architecture=architecture, environment="python", command=("python", "-V"), throughput=speed)


def spec(*variants: Variant, wants: Wants | None = None, cpu: int = 500, memory: int = 256) -> JobSpec:
    return JobSpec(
        name="job", resources=resources(cpu, memory), variants=variants or (variant(),), wants=wants or Wants()
    )


def demand(of: JobSpec | None = None, avoid: frozenset[ShareId] = frozenset()) -> Demand:
    return Demand(spec=of or spec(), entity="buyer", avoid=avoid)


amounts = st.builds(resources, *(st.integers(0, 8),) * 4)
moments = st.integers(0, 12).map(after)
