"""What the owner sees and decides of lending: what is away, why others are not, the hook, and calling a job home."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.agent.arguments import HomeOption, home
from suanlian.agent.build import build_driver, opened, utc_now
from suanlian.agent.config import Home, read_config
from suanlian.agent.enrol import read_identity
from suanlian.agent.ledger import Ledger
from suanlian.agent.lending.book import LentBook
from suanlian.agent.lending.build import lender_of, loans_of
from suanlian.agent.lending.row import LentRow, Step, let_go
from suanlian.drivers.contract import DriverError
from suanlian.drivers.registry import DriverRegistry
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command, Group
from suanlian.model.errors import ConflictError, NotFoundError

USUAL_DIRECTORY: Final = Path("/etc/slurm")
_SHOWN: Final = 200
_group = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)


def install(app: typer.Typer) -> None:
    """Add the commands to the agent's."""
    app.add_typer(_group, name="lending", help=N_("Jobs of the platform's own users that run elsewhere."))


@_group.command("show", cls=Command, help=N_("Show what is lent, and why each other job that asks for it is not."))
def _show(home_given: HomeOption = None) -> None:
    for line in lines(home(home_given)):
        typer.echo(line)


@_group.command(
    "install-hook",
    cls=Command,
    help=N_("Print what the engine needs so that lent jobs tell their end, or write it into its directory."),
)
def _hook(
    directory: Annotated[
        Path | None, typer.Option(help=N_("Where the engine's configuration lies, such as /etc/slurm."))
    ] = None,
    home_given: HomeOption = None,
) -> None:
    place = home(home_given)
    config = read_config(place.config)
    driver = build_driver(config, place, DriverRegistry())
    hook = lender_of(config, driver).hook(directory or USUAL_DIRECTORY)
    for name, text in {**hook.files, **hook.starters}.items():
        if directory is None:
            typer.echo(f"==> {name} <==\n{text}")
        elif name in hook.files or not (directory / name).exists():
            (directory / name).write_text(text)
            typer.echo(_("{file} is written.").format(file=directory / name))
        else:
            typer.echo(_("{file} is there already and stays as it is.").format(file=directory / name))
    for line in hook.advice:
        typer.echo(line)


@_group.command(
    "take-home",
    cls=Command,
    help=N_("Call a lent job home; it runs here once nothing of it runs elsewhere. One that is stuck runs at once."),
)
def _take_home(
    job: Annotated[str, typer.Argument(help=N_("The job, by its number in the platform's own queue."))],
    home_given: HomeOption = None,
) -> None:
    row = take_home(home(home_given), job)
    if row.step is Step.RELEASING:
        typer.echo(_("Job {job} is let go: it runs here, whatever may run elsewhere.").format(job=job))
    else:
        typer.echo(_("Job {job} is called home; it begins here when it has ended elsewhere.").format(job=job))


def take_home(place: Home, native_id: str) -> LentRow:
    """Call a job home; a running agent does it. Raises NotFoundError, ConflictError."""
    with closing(_ledger(place)) as ledger:
        book = LentBook(ledger, utc_now)
        found = [row for row in book.open_rows() if row.key.native_id == native_id]
        if not found:
            wrong = _("No job {job} is lent.").format(job=native_id[:80])
            raise NotFoundError("not_found", wrong, todo="suanlian-agent lending show")
        row = book.change(found[-1].key, let_go)
        if row.step not in (Step.WITHDRAWING, Step.RELEASING):
            wrong = _("Job {job} is on its way already: {step}.").format(job=native_id, step=row.step.value)
            raise ConflictError("state_conflict", wrong)
        return row


def lines(place: Home) -> Iterator[str]:
    """What is lent and what is not, in lines. Raises DriverError where the engine cannot be asked."""
    read_identity(place)
    with opened(place, utc_now) as desk:
        loans = loans_of(desk)
        if loans is None:
            lender_of(desk.config, desk.driver)  # raises, saying why
            raise DriverError("nothing is lent here")
        rows, closed = loans.book.open_rows(), loans.book.closed_rows(_SHOWN)
        yield _("{n} jobs are lent.").format(n=len(rows))
        yield from (_line(row) for row in rows)
        judged = loans.judged()
        known = {row.key for row in rows}
        waiting = [(job, why) for job, why in judged if job.key not in known]
        yield _("{n} others ask to be lent.").format(n=len(waiting))
        for job, why in waiting[:_SHOWN]:
            told = why or _("it is the next")
            yield f"  {job.key.native_id:<10}  {job.user:<12}  {job.queue:<12}  {told}"
        yield from _by_user(rows, closed)


def _line(row: LentRow) -> str:
    where = f"{row.state or ''} {row.where}".strip()
    text = f"  {row.key.native_id:<10}  {row.user:<12}  {row.step.value:<12}  {row.public_id}  {where}".rstrip()
    return f"{text}  {row.why}" if row.why else text


def _by_user(rows: list[LentRow], closed: list[LentRow]) -> Iterator[str]:
    """A line a user: what the platform's entity pays for is made by its users."""
    away = Counter(row.user for row in rows)
    ended = Counter((row.user, row.ended.value) for row in closed if row.ended is not None)
    for user in sorted({row.user for row in (*rows, *closed) if row.user}):
        kinds = ", ".join(f"{kind} {n}" for (who, kind), n in sorted(ended.items()) if who == user)
        yield _("{user}: {n} away; ended: {kinds}").format(user=user, n=away[user], kinds=kinds or "0")


def _ledger(place: Home) -> Ledger:
    read_identity(place)  # says what to do where there is none, and makes no file then
    return Ledger(place.ledger)
