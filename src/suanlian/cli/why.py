"""Why a job went where it is, or why it waits: every candidate, in words."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from suanlian.cli.arguments import Index, JobName
from suanlian.cli.jobs import condition
from suanlian.cli.output import AsJson, Columns, is_narrow, print_json, say, table
from suanlian.cli.session import job_named, open_hub
from suanlian.cli.shown import when
from suanlian.cli.waiting import resting, shut_lines
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.i18n.outlook import (
    all_tasks_text,
    before_it_text,
    change_text,
    effect_text,
    gain_text,
    market_text,
    missed_text,
    queue_lines,
    tasks_text,
)
from suanlian.i18n.reasons import CandidateLine, candidate_lines, reason_line
from suanlian.model.errors import NotFoundError
from suanlian.model.outlook import Change, Outlook, Verdict
from suanlian.model.placement import Explanation

commands = nouns()
_MOST_ROWS: Final = 12
"""So many places are shown; further ones are counted by reason."""
_FEW_ROWS: Final = 5
"""The same where a row takes several lines."""


@commands.command(
    "why", cls=Command, options_metavar=OPTIONS, help=N_("Tell why a job went where it is, or why it waits.")
)
def _why(job: JobName, index: Index = 0, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        name = job_named(hub, job)
        try:
            explanation = hub.jobs.why(name, index, outlook=True)
        except NotFoundError as error:
            if error.code != "not_found" or as_json:
                raise
            rests = next((task for task in hub.jobs.tasks(name, index) if task.due is not None), None)
            if rests is None:
                raise
            say(_("waits {why}").format(why=resting(rests)))
            return
        tasks = () if as_json else tuple(hub.jobs.tasks(name, index))
    tell(explanation, as_json=as_json)
    for line in () if as_json else shut_lines(explanation):
        say(line)
    for line in (condition(task.attempts[-1]) for task in tasks if task.attempts):
        if line:
            say(line)


def tell(explanation: Explanation, *, as_json: bool) -> None:
    """Print the whole comparison."""
    if as_json:
        print_json(explanation.model_dump(mode="json"))
        return
    say(reason_line(explanation))
    if not explanation.candidates:
        return
    lines = candidate_lines(explanation)
    every: list[tuple[str, Callable[[CandidateLine], str]]] = [
        (_("Place"), lambda line: line.place),
        (_("Architecture"), lambda line: line.architecture),
        (_("Billed, CNY"), lambda line: line.billed),
        (_("Weights, not billed"), lambda line: line.weights),
        (_("Expected time"), lambda line: line.time),
        (_("CO2, g"), lambda line: line.co2),
        (_("Outcome"), lambda line: line.outcome),
    ]
    shown = lines[: _FEW_ROWS if is_narrow() else _MOST_ROWS]
    columns = [(title, cell) for title, cell in every if any(cell(line) for line in shown)]
    table(shown, _folded(columns) if is_narrow() else columns)
    for text in _below(explanation, len(lines) - len(shown)):
        say(text)


def _folded(columns: Columns[CandidateLine]) -> Columns[CandidateLine]:
    """Two columns of many: the place, and below what came of it its figures, each with its title."""
    (place, *figures, outcome) = columns

    def told(line: CandidateLine) -> str:
        said = [f"{title}: {cell(line)}" for title, cell in figures if cell(line)]
        return "\n".join((str(outcome[1](line)), "; ".join(said)))

    return [place, (outcome[0], told)]


def _below(explanation: Explanation, hidden: int) -> Iterator[str]:
    """What stands below the table: further places by reason, the queue, the prices, what is to be expected."""
    if hidden or explanation.left_out:
        text = _("{n} more places; of all, did not fit: {counts}")
        yield text.format(n=hidden + explanation.left_out, counts=missed_text(explanation))
    if explanation.market is not None:
        yield market_text(explanation.market, when(explanation.market.at))
    if explanation.queueing is not None:
        yield from queue_lines(explanation.queueing, when(explanation.queueing.reserved_at))
    if explanation.outlook is not None and explanation.outlook.waiting and explanation.queueing is None:
        yield before_it_text(explanation.outlook.waiting)
    if explanation.outlook is not None:
        yield from _expected(explanation.outlook, None if explanation.won is None else explanation.won.billed)


def _expected(outlook: Outlook, each: Decimal | None) -> Iterator[str]:
    """``each``: what one task is billed by estimate, where it goes now."""
    if outlook.tasks > 1:
        yield tasks_text(outlook.tasks, outlook.room)
    if outlook.tasks > 1 and each:
        yield all_tasks_text(outlook.tasks, each)
    if outlook.verdict is Verdict.NEVER:
        yield _("As things are no place could ever run it, however long it waited.")
    elif outlook.verdict is Verdict.WAITS and outlook.starts is not None:
        text = _("Expected to start {when}: by estimates of what runs, if nobody else takes it; no promise.")
        yield text.format(when=when(outlook.starts))
    elif outlook.verdict is Verdict.WAITS:
        yield _("When it would start is not known.")
    if outlook.changes:
        yield _("What you can do:")
    for change in outlook.changes:
        later = when(change.effect.starts) if change.field == "start" else ""
        parts = gain_text(change.effect, later), change_text(change), effect_text(change.effect)
        yield f"  {'; '.join(parts)}{_option(change)}"


def _option(change: Change) -> str:
    """How the command line says the change, where it can in a word."""
    if change.field == "start" or isinstance(change.to, list | dict) or change.to is None:
        return ""
    return f"  [--set {change.field}={change.to}]"
