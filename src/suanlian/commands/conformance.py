"""The command `suanlian-hub conformance`: ask for conformance runs in the hub's own store, and wait for what they find.

The hub that serves steps through them; this command only writes the wish and reads the rows.
"""

import json
import time
from typing import Annotated, Final

import typer

from suanlian.app import Hub, assemble
from suanlian.commands.home import HomeOption, made_hub
from suanlian.i18n import _
from suanlian.i18n.conformance import finding_lines
from suanlian.i18n.help import N_, Command
from suanlian.model.conformance import ConformanceRun
from suanlian.model.errors import UnavailableError
from suanlian.services import conformance, platforms
from suanlian.store.unit import Unit

FAILED: Final = 1
_LOOK_S: Final = 0.5
_LONGEST_S: Final = 180.0


def install(app: typer.Typer) -> None:
    """Add the command."""
    text = N_("Check a platform's connectors, and wait for what is found. The hub must be serving.")
    app.command("conformance", cls=Command, help=text)(conformance_command)


def conformance_command(
    platform: Annotated[str, typer.Argument(help=N_("The platform's name or identifier."))],
    connector: Annotated[str | None, typer.Option(help=N_("Only this connector, by name."))] = None,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help=N_("Print JSON."))] = False,
) -> int:
    """Ask, wait, tell; 1 when a check failed or could not be made."""
    running = assemble(made_hub(home))
    try:
        found = _awaited(running.hub, platform, connector)
    finally:
        running.stop_unstarted()
    if as_json:
        typer.echo(json.dumps([run.model_dump(mode="json") for run in found], ensure_ascii=False, indent=2))
    else:
        for run in found:
            _tell(run)
    return 0 if all(run.passed for run in found) else FAILED


def _awaited(hub: Hub, ref: str, connector: str | None) -> list[ConformanceRun]:
    def work(unit: Unit) -> list[ConformanceRun]:
        return conformance.ask(unit, platforms.find(unit, ref), connector, "command")

    asked = {run.id for run in hub.writer.run(work, source="command")}
    until = time.monotonic() + _LONGEST_S
    while time.monotonic() < until:
        with hub.reading() as unit:
            runs = conformance.runs_of(unit, platforms.find(unit, ref), before="", limit=len(asked) * 10 + 50)
        found = [run for run in runs if run.id in asked]
        if all(run.ended_at for run in found):
            return found
        time.sleep(_LOOK_S)
    wrong = "The runs were asked for and have not ended."
    raise UnavailableError("hub_unavailable", wrong, todo="Look whether the hub serves: suanlian-hub serve.")


def _tell(run: ConformanceRun) -> None:
    typer.echo(f"{run.platform}/{run.connector}  " + (_("passed") if run.passed else _("not passed")))
    for line in finding_lines(run.report) if run.report is not None else ():
        typer.echo(f"  {line.result:<12}  {line.check}: {line.text}")
