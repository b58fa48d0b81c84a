"""May this be lent, and is it surely over? Asked by the hub of what connectors offer. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from suanlian.model.job import JobSpec


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of one attempt of a lent job: whether it has ended here, and whether its place has said so.

    ``told``: whether its connector can have heard of it at all.
    """

    ended: bool
    acknowledged: bool
    told: bool = True


def unlendable(spec: JobSpec, platform: str) -> tuple[str, str] | None:
    """The field and the fault of a job that no platform may lend; None where it may.

    What is lent is one task on one node without anything that the account keeps: neither secrets nor uploads of others.
    """
    found = (
        ("secrets", spec.secrets, "it names secrets, which are never lent"),
        ("array_size", spec.array_size is not None, "it is an array"),
        ("nodes", spec.nodes > 1, "it takes several nodes"),
        ("after", spec.after, "it comes after other jobs"),
        ("webhook", spec.webhook, "its end is told to an address"),
        ("inputs", any(item.object for item in spec.inputs), "an input was uploaded by somebody"),
        ("wants.platform", spec.wants.platform == platform, "it wants the very platform that lends it"),
    )
    return next(((field, wrong) for field, is_so, wrong in found if is_so), None)


def is_stopped(ended: bool, tries: Iterable[Tried]) -> bool:  # noqa: FBT001 - the job's end, as a fact
    """Whether nothing of the job can run any more: then, and only then, it may begin at home.

    An end that the hub alone decided, of a place that was not heard of, is none: the place may be running it still.
    """
    return ended and all((one.ended and one.acknowledged) or not one.told for one in tries)
