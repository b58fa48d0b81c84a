"""The usual policy of "orderly from east to west": `east_west.toml`."""

import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files

from suanlian.model.demand import JobClass
from suanlian.model.orderly import Assistance, ClassRule, Orderly


@cache
def orderly() -> Orderly:
    """The policy as the file has it."""
    said = tomllib.loads((files("suanlian.data") / "east_west.toml").read_text(encoding="utf-8"))
    return Orderly(
        classes=tuple(
            ClassRule(
                job_class=JobClass(one["job_class"]),
                west=one["west"],
                within_ms=Decimal(one["within_ms"]) if "within_ms" in one else None,
                own_word=one.get("own_word", True),
            )
            for one in said["class"]
        ),
        assistance=tuple(
            Assistance((one["between"][0], one["between"][1]), Decimal(one["above"])) for one in said["assistance"]
        ),
    )
