"""Who are the entities of the demo? Well-formed credit codes that nobody holds, with `DEM` where a licence has none."""

from collections.abc import Mapping
from typing import Final

from suanlian.demo.world import DELTA, PLATFORMS
from suanlian.model.party import EntityKind, NewEntity

DELTA_OWNER: Final = f"{DELTA}-hub"
"""The entity that runs the hub of the delta; at the national hub it owns a platform of kind hub."""
SUPERVISION: Final = "supervision"

_CODES: Final[Mapping[str, tuple[str, str, EntityKind]]] = {
    DELTA_OWNER: ("Y1310000DEM000002Y", "310000", EntityKind.PROVIDER),
    "shanghai-trading-provider": ("Y1310000DEM0000032", "310000", EntityKind.BOTH),
    "suzhou-public-provider": ("Y1320500DEM0000043", "320500", EntityKind.PROVIDER),
    "jiashan-intelligent-provider": ("Y1330400DEM0000055", "330400", EntityKind.PROVIDER),
    "wuhu-cluster-provider": ("Y1340200DEM0000062", "340200", EntityKind.PROVIDER),
    "zhongwei-west-provider": ("Y1640500DEM000007Q", "640500", EntityKind.PROVIDER),
    "buyer-research": ("Y1310000DEM000008H", "310000", EntityKind.BUYER),
    "buyer-company": ("Y1320500DEM000009J", "320500", EntityKind.BUYER),
    SUPERVISION: ("Y1310000DEM000010R", "310000", EntityKind.SUPERVISOR),
}
_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    **{plan.provider: (f"Owner of {plan.title}", f"{plan.title_zh}运营方") for plan in PLATFORMS},
    DELTA_OWNER: ("Exchange centre of the delta", "长三角算力互联互通中心"),
    "buyer-research": ("Research institute", "研究机构（示例）"),
    "buyer-company": ("Company", "企业用户（示例）"),
    SUPERVISION: ("Supervision", "监管部门"),
}


def entity(name: str) -> NewEntity:
    """What is said of an entity to register it. Raises KeyError for one that does not take part."""
    code, region, kind = _CODES[name]
    title, title_zh = _TITLES[name]
    return NewEntity(name=name, title=title, title_zh=title_zh, kind=kind, credit_code=code, region=region)


NAMES: Final = frozenset(_CODES)
"""Everybody who takes part, the operators of the hubs apart: they come in by the hub's own first link."""
