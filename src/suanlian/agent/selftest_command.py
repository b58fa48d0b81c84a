"""The command `suanlian-agent selftest`: would this connector pass the hub's conformance checks?"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from suanlian.agent.config import Home
from suanlian.agent.selftest import SelftestReport, selftest
from suanlian.i18n import _
from suanlian.i18n.conformance import finding_lines
from suanlian.i18n.help import N_, Command
from suanlian.model.conformance import PROBES_AT_ONCE
from suanlian.model.probe import ProbeCap
from suanlian.settings import AgentSettings

FAILED = 1


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "selftest",
        cls=Command,
        help=N_("Check this connector as a hub will, with a hub that is played here; nothing is sent anywhere."),
    )(selftest_command)


def selftest_command(
    config: Annotated[
        Path | None, typer.Option(help=N_("The file agent.toml; else that of the state directory, which is only read."))
    ] = None,
    out: Annotated[Path | None, typer.Option(help=N_("Write the report to this file, as JSON."))] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help=N_("The agent's state directory; else SUANLIAN_AGENT_HOME, else ./suanlian-agent.")
        ),
    ] = None,
) -> int:
    """Run the checks; 1 when one failed or could not be made."""
    file = config or Home((home or AgentSettings().agent_home).absolute()).config
    made = selftest(file, tell=_announce)
    _show(made, typer.echo)
    if out is not None:
        out.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    typer.echo(_("Passed.") if made.passed else _("Not passed."))
    return 0 if made.passed else FAILED


def _announce(cap: ProbeCap) -> None:
    text = _("Starts up to {n} small jobs at once, at most {cpu} cores together, in a directory of their own.")
    typer.echo(text.format(n=PROBES_AT_ONCE, cpu=format(cap.cpu.normalize(), "f")))


def _show(made: SelftestReport, echo: Callable[[str], None]) -> None:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for line in finding_lines(made.report):
        grid.add_row(*line)
    console = Console(width=100, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(grid)
    echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
