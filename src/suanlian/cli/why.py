"""Why a job went where it is, or why it waits: every candidate, in words."""

from collections.abc import Callable

from suanlian.cli.arguments import Index, JobName
from suanlian.cli.jobs import condition
from suanlian.cli.output import AsJson, print_json, say, table
from suanlian.cli.session import job_named, open_hub
from suanlian.cli.waiting import resting, shut_lines
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.i18n.reasons import CandidateLine, candidate_lines, reason_line
from suanlian.model.errors import NotFoundError
from suanlian.model.placement import Explanation

commands = nouns()


@commands.command(
    "why", cls=Command, options_metavar=OPTIONS, help=N_("Tell why a job went where it is, or why it waits.")
)
def _why(job: JobName, index: Index = 0, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        name = job_named(hub, job)
        try:
            explanation = hub.jobs.why(name, index)
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
    columns: list[tuple[str, Callable[[CandidateLine], object]]] = [
        (_("Place"), lambda line: line.place),
        (_("Architecture"), lambda line: line.architecture),
        (_("Cost"), lambda line: line.cost),
        (_("Outcome"), lambda line: line.outcome),
    ]
    if any(line.time for line in lines):
        columns.insert(3, (_("Expected time"), lambda line: line.time))
    table(lines, columns)
