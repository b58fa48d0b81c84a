"""What has a job's budget gone to? Pure sums in CNY, by the estimates that placement compares.

An attempt that has not ended counts with its whole estimate; one that has, with the share of it that its time is of the
expected time: its rates do not change, so that is what is charged for it.
"""

from datetime import datetime
from decimal import ROUND_UP, Context, Decimal, localcontext
from typing import Final

from suanlian.model.job import JobSpec, Variant
from suanlian.model.placement import BILLED, Candidate, Explanation, Filter
from suanlian.model.throughput import Expected
from suanlian.rules.pricing import QUANTITY_STEP, expected_hours, plain

CODE: Final = "budget_spent"
"""The code of tasks that are cancelled because the budget is not enough for them."""
_HOUR_S: Final = Decimal(3600)
_EXACT: Final = Context(prec=80)
_MOST: Final = Decimal(10) ** 15
"""The largest amount that money can be here."""


def spent(
    estimate: Decimal,
    spec: JobSpec,
    variant: Variant,
    times: tuple[datetime | None, datetime | None],
    expected: Expected | None = None,
) -> Decimal:
    """What an attempt cost that was estimated so and ran between two times; nothing where it never began.

    ``expected``: the time that the estimate was made for, where places were told apart by speed.
    """
    started, ended = times
    if started is None or ended is None or ended <= started:
        return Decimal(0)
    with localcontext(_EXACT):
        hours = Decimal((ended - started).total_seconds()) / _HOUR_S
        cost = estimate * hours / (expected_hours(spec, variant) if expected is None else expected.seconds / _HOUR_S)
        return min(cost.quantize(QUANTITY_STEP, ROUND_UP), _MOST)


_SOON: Final = frozenset({Filter.ROOM, Filter.ACCEPTING, Filter.ELSEWHERE, Filter.OWNER_REFUSED})
"""What time mends: a place that only these stand against is waited for."""


def rent(candidate: Candidate) -> Decimal | None:
    """What a task is to cost there, without weights that nobody is billed; None where it has no price."""
    amounts = [term.amount for term in candidate.terms if term.term in BILLED]
    return sum(amounts, start=Decimal(0)) if amounts else None


def within(spec: JobSpec, left: Decimal | None) -> JobSpec:
    """The spec with a task that costs at most what is left of the budget."""
    if left is None:
        return spec
    most = left if spec.wants.max_cost is None else min(left, spec.wants.max_cost)
    return spec.model_copy(update={"wants": spec.wants.model_copy(update={"max_cost": most})})


def affords(candidate: Candidate, left: Decimal | None) -> int | None:
    """How many tasks at this price what is left of the budget is enough for; None: for any number."""
    cost = rent(candidate)
    return None if left is None or not cost else int(left / cost)


def too_little(explanation: Explanation, max_cost: Decimal | None, left: Decimal) -> str:
    """Why the budget ends the job: the cheapest place that it could have costs more than is left. Empty: none does.

    A place that would do, if only time passed, is waited for; one that the job's own ``max_cost`` excludes is none.
    """
    open_ = [c for c in explanation.candidates if {miss.filter for miss in c.failed} <= _SOON | {Filter.MAX_COST}]
    if any(Filter.MAX_COST not in {miss.filter for miss in c.failed} for c in open_):
        return ""
    costs = [cost for c in open_ if (cost := rent(c)) is not None and (max_cost is None or cost <= max_cost)]
    if not costs or min(costs) <= left:
        return ""
    return (
        f"{CODE}: {plain(max(left, Decimal(0)), 6)} CNY are left, the cheapest place costs {plain(min(costs), 6)} CNY"
    )


def rest(budget: Decimal | None, committed: Decimal | None) -> Decimal | None:
    """What is left of a budget; None where there is none."""
    return None if budget is None else budget - (committed or Decimal(0))
