"""The command `suanlian-agent init`: look at this machine, propose ``agent.toml``, check it, say what is missing."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.agent.build import build_driver
from suanlian.agent.config import Home, read_config
from suanlian.agent.discover.found import Cards, Engine, Found
from suanlian.agent.discover.look import look
from suanlian.agent.discover.propose import Names, missing, proposed
from suanlian.drivers.contract import DriverError
from suanlian.drivers.registry import DriverRegistry
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command
from suanlian.model.errors import ConflictError, NotFoundError, SuanlianError

_GIB: Final = 1024


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "init", cls=Command, help=N_("Look at this machine and propose agent.toml; nothing is asked over the network.")
    )(init_command)


def init_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    out: Annotated[Path, typer.Option(help=N_("Where the proposed file is written."))] = Path("agent.toml"),
    hub: Annotated[str, typer.Option(help=N_("The hub's address."))] = "",
    platform: Annotated[str, typer.Option(help=N_("The platform's name, as it was applied for."))] = "",
    connector: Annotated[str, typer.Option(help=N_("The connector's name, where it is not NAME-1."))] = "",
    site: Annotated[str, typer.Option(help=N_("The name of the site."))] = "",
    region: Annotated[str, typer.Option(help=N_("Where it lies, a GB/T 2260 code such as 310000."))] = "",
    engine: Annotated[str, typer.Option(help=N_("The driver; left out, the first engine that is found."))] = "",
) -> None:
    """Look, propose, check, and say what is missing."""
    found, names = look(), Names(hub, platform, connector, site, region)
    for line in found_lines(found):
        typer.echo(line)
    chosen = choose(found, engine)
    write(out, proposed(found.machine, chosen, names))
    typer.echo(_("Proposed for driver {driver}: {file}").format(driver=chosen.driver, file=out))
    for line in checked(out):
        typer.echo(line)
    for field in missing(chosen, names, found.machine):
        typer.echo(_("Missing, only you can say it: {field}").format(field=field))
    typer.echo(_("Next: complete the file, then suanlian-agent selftest --config {file}").format(file=out))


def choose(found: Found, wanted: str) -> Engine:
    """The engine that was named, else the first. Raises NotFoundError with those that are here."""
    for engine in found.engines:
        if wanted in ("", engine.driver):
            return engine
    known = ", ".join(engine.driver for engine in found.engines)
    raise NotFoundError("not_found", f"No engine {wanted!r} is found here.", todo=f"Found: {known}.", field="engine")


def write(out: Path, text: str) -> None:
    """Write a new file, readable by its owner only. Raises ConflictError where one is there."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        todo = "Name another one by --out, or move it away."
        raise ConflictError("state_conflict", f"{out} is there already.", todo=todo) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def checked(out: Path) -> list[str]:
    """Whether the file can be meant, and whether its driver reaches its engine as it stands."""
    try:
        config = read_config(out)
        with tempfile.TemporaryDirectory() as place:  # a driver makes its directories when it is built
            status = build_driver(config, Home(Path(place)), DriverRegistry()).probe()
    except (SuanlianError, DriverError) as error:
        return [_("Checked: not complete yet: {wrong}").format(wrong=error)]
    if not status.ready:
        return [_("Checked: the engine does not answer: {detail}").format(detail=status.detail)]
    return [
        _("Checked: the engine answers: {detail}").format(detail=status.detail or config.driver.name),
        _("Jobs are kept apart by: {isolation}").format(isolation=status.isolation),
    ]


def found_lines(found: Found) -> list[str]:
    """What was found, for people."""
    machine = found.machine
    architecture = machine.architecture.value if machine.architecture else _("unknown")
    text = _("Machine: {product}{architecture}, {cores} cores, {memory} GiB memory, {disk} GiB free disk")
    lines = [
        text.format(
            product=f"{machine.product}, " if machine.product else "",
            architecture=architecture,
            cores=machine.cores,
            memory=machine.memory_mib // _GIB,
            disk=machine.disk_mib // _GIB,
        )
    ]
    lines += [_cards_line(cards) for cards in machine.cards] or [_("Accelerators: none found")]
    lines += [_engine_line(engine) for engine in found.engines]
    return lines


def _cards_line(cards: Cards) -> str:
    text = _("Accelerators: {count} x {family} {model} (by {by}); software: {stack}")
    known = cards.stack or _("not told")
    return text.format(count=cards.count, family=cards.family, model=cards.model, by=cards.by, stack=known)


def _engine_line(engine: Engine) -> str:
    line = _("Engine: {driver}: {evidence}").format(driver=engine.driver, evidence=engine.evidence)
    queues = [f"{queue.name} ({queue.nodes} x {queue.cores} CPU)" for queue in engine.queues]
    return line + (_("; queues: {queues}").format(queues=", ".join(queues)) if queues else "")
