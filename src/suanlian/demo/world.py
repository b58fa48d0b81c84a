"""Who takes part in the demo, and with what? The 1+4, one platform in the west, two buyers: plain data.

A flavor is a slice of this machine: all shares together hold two cores. Prices, PUE and contracted green shares are the
demo's own; latencies and grid factors are those of ``figures``. The price relation Zhongwei : Shanghai is 0.70.
"""

import platform as machine
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from suanlian.demo.figures import CHIP_MODEL, chip_performance, grid_g_co2_per_kwh, latencies
from suanlian.demo.work.catalogue import NATIVE, WASM
from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Architecture, ComputeClass, Grade, Performance
from suanlian.model.platform import Chip, Flavor, Inventory, NamedEnvironment, Share, Site
from suanlian.model.quantity import ResourceKind, Resources

NATIONAL: Final = "national"
DELTA: Final = "yangtze-delta"
DELTA_LABEL: Final = "YRD"
USERS: Final = {
    "310000": "qingpu_shanghai",
    "320500": "wujiang_suzhou",
    "330421": "jiashan_zhejiang",
    "340200": "wuhu_anhui",
    "640500": "zhongwei_ningxia",
}
"""Where users are: GB/T 2260 code -> the nearest place of the latency estimate."""

BUYERS: Final = {
    "buyer-research": frozenset({"search", "training", "rendering", "word-count", "dataset"}),
    "buyer-company": frozenset({"pricing", "inference", "architecture", "failure", "unplaceable"}),
}
"""Two buyers, each an entity with an account of its own, and the kinds of job that each submits."""

REGION_TITLES: Final = {
    "310000": ("Shanghai", "上海"),
    "320500": ("Suzhou", "苏州"),
    "330421": ("Jiashan", "嘉善"),
    "340200": ("Wuhu", "芜湖"),
    "640500": ("Zhongwei", "中卫"),
}
"""What people call these regions, in English and Chinese; those of sites are called as the site is."""

LAKE: Final = "lake"
"""What each platform calls its storage, a folder of this machine."""
_LAKE_BYTES: Final = 1_000_000_000
DATA_HOME: Final = "wuhu-cluster"
"""The platform where the demo's dataset lies from the beginning, in a folder that its owner opens to one buyer."""
DATA_OWNER: Final = "buyer-research"
DATA_COPIED: Final = "shanghai-trading"
"""The platform to which a rule brings a copy: the only one in Shanghai."""
DATA_REGION: Final = "31"

SLICE_CORES: Final = "0.25"
_SLICE: Final = Resources(cpu=SLICE_CORES, memory="512MiB", disk="256MiB")  # type: ignore[arg-type]  # as people write
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class SitePlan:
    """One site with one share of one flavor. ``rent`` in CNY per core-hour; a GiB-hour costs a tenth of it.

    ``egress``: CNY for a GB that leaves the site's storage; None: it has none.
    """

    site: str
    title: str
    title_zh: str
    region: str
    place: str
    province: str
    pue: str
    green_share: str
    rent: str
    egress: str | None = None
    slices: int = 1
    west: bool = False
    compute_class: ComputeClass = ComputeClass.GENERAL
    wasm_only: bool = False
    simulated_chip: bool = False


@dataclass(frozen=True)
class PlatformPlan:
    """One platform and its sites; ``at`` is where its box stands in the diagram."""

    name: str
    title: str
    title_zh: str
    sites: tuple[SitePlan, ...]

    @property
    def provider(self) -> str:
        """The entity that owns it."""
        return f"{self.name}-provider"


PLATFORMS: Final = (
    PlatformPlan(
        "shanghai-trading",
        "Shanghai trading",
        "上海算力交易平台",
        (
            SitePlan(
                "shanghai-qingpu",
                "Qingpu, Shanghai",
                "上海青浦",
                region="310118",
                place="qingpu_shanghai",
                province="CN-SH",
                pue="1.25",
                green_share="0.30",
                rent="0.100",
                egress="0.60",
            ),
        ),
    ),
    PlatformPlan(
        "suzhou-public",
        "Suzhou public",
        "苏州公共算力服务平台",
        (
            SitePlan(
                "suzhou-park",
                "Industrial Park, Suzhou",
                "苏州工业园区",
                region="320571",
                place="wujiang_suzhou",
                province="CN-JS",
                pue="1.42",
                green_share="0.20",
                rent="0.088",
                egress="0.55",
            ),
            SitePlan(
                "suzhou-wujiang",
                "Wujiang, Suzhou (wasm32 only)",
                "苏州吴江（仅 wasm32）",
                region="320509",
                place="wujiang_suzhou",
                province="CN-JS",
                pue="1.25",
                green_share="0.40",
                rent="0.060",
                wasm_only=True,
            ),
        ),
    ),
    PlatformPlan(
        "jiashan-intelligent",
        "Jiashan intelligent computing",
        "嘉善智算基地",
        (
            SitePlan(
                "jiashan",
                "Jiashan, Zhejiang",
                "浙江嘉善",
                region="330421",
                place="jiashan_zhejiang",
                province="CN-ZJ",
                pue="1.20",
                green_share="0.45",
                rent="0.094",
                egress="0.50",
                compute_class=ComputeClass.INTELLIGENT,
                simulated_chip=True,
            ),
        ),
    ),
    PlatformPlan(
        "wuhu-cluster",
        "Wuhu cluster",
        "芜湖集群公共服务平台",
        (
            SitePlan(
                "wuhu",
                "Wuhu, Anhui",
                "安徽芜湖",
                region="340200",
                place="wuhu_anhui",
                province="CN-AH",
                pue="1.25",
                green_share="0.55",
                rent="0.082",
                egress="0.45",
                slices=2,
                compute_class=ComputeClass.SUPER,
            ),
        ),
    ),
    PlatformPlan(
        "zhongwei-west",
        "Zhongwei in the west",
        "中卫西部算力平台",
        (
            SitePlan(
                "zhongwei",
                "Zhongwei, Ningxia",
                "宁夏中卫",
                region="640500",
                place="zhongwei_ningxia",
                province="CN-NX",
                pue="1.20",
                green_share="0.85",
                rent="0.070",
                egress="0.30",
                slices=2,
                west=True,
            ),
        ),
    ),
)


def native_architecture() -> Architecture:
    """The instruction set of this machine. Raises ValueError for one that the model does not know."""
    name = machine.machine().lower()
    return Architecture(_ARCHITECTURES.get(name, name))


def inventory(plan: PlatformPlan, measured: tuple[Performance, ...]) -> Inventory:
    """What the platform publishes; ``measured`` is what one slice of this machine reached."""
    return Inventory(
        sites=tuple(_site(site) for site in plan.sites),
        flavors=tuple(_flavor(site, measured) for site in plan.sites),
        shares=tuple(
            Share(name=site.site, site=site.site, flavor=f"{site.site}-slice", capacity=_capacity(site))
            for site in plan.sites
        ),
        storage=tuple(_storage(site) for site in plan.sites if site.egress is not None),
    )


def offers(plan: PlatformPlan) -> tuple[NewOffer, ...]:
    """The prices of each share."""
    return tuple(NewOffer(name=f"{site.site}-on-demand", share=site.site, rates=_rates(site)) for site in plan.sites)


def _site(plan: SitePlan) -> Site:
    return Site(
        name=plan.site,
        title=plan.title,
        title_zh=plan.title_zh,
        region=plan.region,
        west=plan.west,
        green_share=Decimal(plan.green_share),
        grid_g_co2_per_kwh=grid_g_co2_per_kwh(plan.province),
        pue=Decimal(plan.pue),
        latencies=latencies(plan.place, USERS),
    )


def _storage(plan: SitePlan) -> StorageShare:
    return StorageShare(
        name=LAKE,
        site=plan.site,
        kind=StorageKind.POSIX,
        capacity=_LAKE_BYTES,
        egress_cny_per_gb=Decimal(plan.egress or 0),
    )


def _flavor(plan: SitePlan, measured: tuple[Performance, ...]) -> Flavor:
    native = native_architecture()
    architecture = Architecture.WASM32 if plan.wasm_only else native
    environment = NamedEnvironment(
        name=WASM if plan.wasm_only else NATIVE,
        architecture=architecture,
        description="WASI preview 1" if plan.wasm_only else "CPython with numpy, scikit-learn and Pillow",
    )
    return Flavor(
        name=f"{plan.site}-slice",
        compute_class=plan.compute_class,
        architecture=architecture,
        node=_node(plan),
        chip=Chip(family="ascend", model=CHIP_MODEL, grade=Grade.SIMULATED) if plan.simulated_chip else None,
        performance=chip_performance() if plan.simulated_chip else () if plan.wasm_only else measured,
        environments=(environment,),
        simulated=plan.simulated_chip,
        note=_note(plan),
    )


def _note(plan: SitePlan) -> str:
    slice_of = f"A slice of {SLICE_CORES} core of one machine that plays all five platforms."
    if plan.simulated_chip:
        return f"{slice_of} The chip is simulated: it is not in the machine, jobs run on the slice."
    return slice_of


def _node(plan: SitePlan) -> Resources:
    return _SLICE.plus(Resources.of({"accelerator": 1})) if plan.simulated_chip else _SLICE


def _capacity(plan: SitePlan) -> Resources:
    capacity = Resources()
    for _slice in range(plan.slices):
        capacity = capacity.plus(_node(plan))
    return capacity


def _rates(plan: SitePlan) -> tuple[Rate, ...]:
    rent = Decimal(plan.rent)
    rates = [
        Rate(kind=ResourceKind.CPU, per_unit_hour=rent),
        Rate(kind=ResourceKind.MEMORY, per_unit_hour=rent / 10),
    ]
    if plan.simulated_chip:
        # the price level of 2026 for a domestic AI card; no job of the demo asks for one
        rates.append(Rate(kind=ResourceKind.ACCELERATOR, per_unit_hour=Decimal("1.8")))
    return tuple(rates)
