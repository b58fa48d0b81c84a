"""May the data of this job lie here? Asked again at the platform, whatever the hub says. Pure.

A hub can lie about what it relied on, so no more counts than the owner's own file claims, and which grade a level needs
is the owner's word too. What the job wants is the hub's word: a connector has no other.
"""

from datetime import datetime

from suanlian.agent.policy import House, Refusal
from suanlian.model.job import JobState
from suanlian.model.levels import LevelRules
from suanlian.model.protocol import Instruction
from suanlian.rules.levels import is_bound, narrowed, unfit_at
from suanlian.rules.owner import REFUSED, Clause


def misplaced(said: Instruction, house: House, now: datetime) -> Refusal | None:
    """Why the job's data may not lie at the site of its share, to be placed elsewhere; None when it may."""
    rules = LevelRules(grades=house.policy.level_grades)
    if said.spec is None or said.probe is not None or not is_bound(said.spec.wants, rules):
        return None
    share = next((share for share in house.inventory.shares if share.name == said.share), None)
    site = next((site for site in house.inventory.sites if share is not None and site.name == share.site), None)
    if site is None:
        return Refusal(JobState.PREEMPTED, f"the platform publishes no share {said.share!r}")
    unfit = unfit_at(narrowed(said.relied, site, now), said.spec.wants, rules)
    if not unfit:
        return None
    # by the owner's code: the hub leaves the place out for a while instead of offering it again at once
    return Refusal(
        JobState.PREEMPTED, f"{REFUSED}: {Clause.DATA_LEVEL}: its data may not lie at site {site.name!r}: {unfit}"
    )
