"""`suanlian-hub audit`: check the whole log, show its head, prove a row, export rows, declare a gap.

All but `restored` only read, and may be used while the hub runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.app import KEY_FILE, HubAbove, Running, alone, assemble, database_url, prepare_store, utc_now
from suanlian.commands.home import HomeOption, made_hub
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group
from suanlian.model.audit import AuditExtract, Fault, Finding, HeadShown, SignedHead, Verdict
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.services import audit, lineage, witness
from suanlian.store import nodes
from suanlian.store.engine import open_store
from suanlian.store.migrate import is_current
from suanlian.store.unit import Unit

REFUSED: Final = 1
_LATE_S: Final = 60
_BATCH: Final = 500

commands = typer.Typer(no_args_is_help=True)

_JsonOption = Annotated[bool, typer.Option("--json", help=N_("Print JSON."))]
_OutOption = Annotated[Path | None, typer.Option("--out", help=N_("Write it to this file; else it is printed."))]


def install(app: typer.Typer) -> None:
    """Put the commands below `suanlian-hub`."""
    app.add_typer(
        commands,
        name="audit",
        cls=Group,
        options_metavar=OPTIONS,
        subcommand_metavar=COMMAND,
        no_args_is_help=True,
        help=N_("The audit log: verify, head, prove, export, restored."),
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """A hub's store, open for reading, and its key."""

    unit: Unit
    keypair: KeyPair


@contextmanager
def _reading(home: Path | None) -> Iterator[_Opened]:
    settings = made_hub(home)
    store = open_store(database_url(settings))
    try:
        if not is_current(store):
            wrong = "The store's tables are not those of this version."
            raise ConflictError("state_conflict", wrong, todo="Start the hub once; it brings them up to date.")
        with store.readers.connect() as connection:
            yield _Opened(Unit(connection, utc_now()), KeyPair.load(settings.hub_home / KEY_FILE))
    finally:
        store.close()


@commands.command("verify", cls=Command, help=N_("Check every row of the log; name what was changed."))
def verify(
    head: Annotated[
        list[Path] | None, typer.Option("--head", help=N_("A head that was kept elsewhere, a file of `audit head`."))
    ] = None,
    from_above: Annotated[
        bool, typer.Option("--from-above", help=N_("Ask the hubs above which head of this log they hold."))
    ] = False,
    as_json: _JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Check the log; exit code 1 when anything was found."""
    elsewhere = [read_head(path) for path in head or ()]
    if from_above:
        elsewhere += _heads_above(home)
    with _reading(home) as opened:
        verdict = audit.verify(opened.unit, _own_keys(opened), elsewhere)
    if as_json:
        typer.echo(verdict.model_dump_json(indent=2))
    else:
        _tell(verdict)
    return 0 if verdict.holds else REFUSED


def _own_keys(opened: _Opened) -> list[PublicKey]:
    """Every key that the hub has had: a head was signed by the one of its time."""
    known = {one.change.new_key for one in lineage.own_changes(opened.unit)}
    return [opened.keypair.public, *(PublicKey.parse(key) for key in sorted(known - {opened.keypair.public_text}))]


def read_head(path: Path) -> SignedHead:
    """A head that was kept in a file. Raises InvalidError."""
    text = _text(path)
    for read in (AuditExtract.model_validate_json, _shown):
        try:
            return read(text).signed
        except ValueError:
            continue
    raise InvalidError("field_invalid", f"{path} holds no head.", todo="Give a file that `audit head` wrote.")


def _shown(text: str) -> AuditExtract:
    return HeadShown.model_validate_json(text).extract


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError("field_invalid", f"{path} cannot be read: {error}.", todo="Give a file of JSON.") from error


def _heads_above(home: Path | None) -> list[SignedHead]:
    with _reading(home) as opened:
        uplinks, keypair = nodes.uplinks(opened.unit), opened.keypair
    if not uplinks:
        wrong = "This hub has no hub above."
        raise NotFoundError("not_found", wrong, todo="Compare with a head that was kept elsewhere: --head FILE.")
    found = []
    for row in uplinks:
        held = witness.ask(HubAbove(row, keypair, utc_now), PublicKey.parse(row["hub_key"]))
        if held is None:
            wrong = f"{row['hub_name']} holds no head of this log yet."
            raise NotFoundError("not_found", wrong, todo="The running hub sends one within some seconds.")
        found.append(held.signed)
    return found


def _tell(verdict: Verdict) -> None:
    lines = [
        _("Rows 1 to {n} are under a signed head; {heads} heads were compared.").format(
            n=verdict.rows, heads=verdict.heads
        )
    ]
    if verdict.above:
        lines.append(_("Of rows 1 to {n} a hub above holds the head.").format(n=verdict.above))
    if verdict.newer:
        lines.append(
            _("{n} newer rows are not protected yet, the oldest is {s} s old.").format(
                n=verdict.newer, s=f"{verdict.oldest_s:.0f}"
            )
        )
    if verdict.oldest_s > _LATE_S:
        lines.append(_("That is more than a minute: does the hub run?"))
    lines += [sentence(finding) for finding in verdict.findings]
    if not verdict.independent:
        lines.append(
            _(
                "Checked only against heads kept HERE: whoever holds hub.key could have rewritten both. "
                "Compare with --from-above or --head FILE."
            )
        )
    lines.append(_("The log holds.") if verdict.holds else _("The log does NOT hold."))
    for line in lines:
        typer.echo(line)


def sentence(finding: Finding) -> str:
    """A finding in words."""
    texts = {
        Fault.EDITED: _("Row {number} was edited."),
        Fault.MOVED: _("Row {number} holds what row {detail} held: rows changed places."),
        Fault.REMOVED: _("Row {number} was removed."),
        Fault.INSERTED: _("Row {number} was inserted afterwards."),
        Fault.CHAIN: _("The chain's record of row {number} was changed."),
        Fault.REWRITTEN: _("Among rows {number} to {until} some were rewritten together with the chain."),
        Fault.TRUNCATED: _("Rows {number} to {until} are gone: a signed head covers them."),
        Fault.UNSIGNED: _("The head that ends with row {number} is not signed by this hub's key."),
    }
    return texts[finding.fault].format(number=finding.number, until=finding.until, detail=finding.detail)


@commands.command("head", cls=Command, help=N_("Show the newest signed head, to be kept elsewhere."))
def head(out: _OutOption = None, home: HomeOption = None) -> None:
    """Show the head."""
    with _reading(home) as opened:
        _give(audit.shown(opened.unit, lineage.chain(opened.unit), None).extract, out)


@commands.command("prove", cls=Command, help=N_("Prove that one row is in the log."))
def prove(
    number: Annotated[int, typer.Argument(help=N_("The row's number, as `suanlian events` shows it."))],
    out: _OutOption = None,
    home: HomeOption = None,
) -> None:
    """Prove one row."""
    with _reading(home) as opened:
        _give(audit.extract(opened.unit, lineage.chain(opened.unit), number, number), out)


@commands.command("export", cls=Command, help=N_("Export rows with their proofs, for `suanlian audit check`."))
def export(
    first: Annotated[int, typer.Option("--from", help=N_("The first row's number."))],
    last: Annotated[int, typer.Option("--to", help=N_("The last row's number."))],
    out: _OutOption = None,
    home: HomeOption = None,
) -> None:
    """Export rows."""
    with _reading(home) as opened:
        _give(audit.extract(opened.unit, lineage.chain(opened.unit), first, last), out)


def _give(extract: AuditExtract, out: Path | None) -> None:
    text = extract.model_dump_json(indent=2)
    if out is None:
        typer.echo(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    rows, size = len(extract.proofs), extract.signed.head.size
    typer.echo(_("{out}: {rows} rows, the head of {size} rows.").format(out=out, rows=rows, size=size))


@commands.command(
    "restored", cls=Command, help=N_("Declare that the store was restored and rows may be gone. Stop the hub first.")
)
def restored(
    why: Annotated[str, typer.Option("--why", help=N_("What happened; it stands in the log."))],
    home: HomeOption = None,
) -> None:
    """Declare a gap."""
    settings = made_hub(home)
    with alone(settings.hub_home):
        prepare_store(settings)
        running = assemble(settings)
        try:
            epoch = declare(running, why)
        finally:
            running.stop_unstarted()
    typer.echo(_("Declared in the log. Heads count from epoch {epoch} now; the hub above is told.").format(epoch=epoch))


def declare(running: Running, why: str) -> int:
    """Write the gap into the log and sign a head of the next epoch over it."""
    hub, writer = running.hub, running.hub.writer
    epoch = writer.run(lambda unit: audit.declare_restored(unit, hub.node, why), source="command restored")
    while True:
        with hub.reading() as unit:
            found = audit.next_links(unit, _BATCH)
        if not found.links:
            break
        writer.run(partial(audit.extend, extension=found), source="command restored")
    with hub.reading() as unit:
        signed = audit.make_head(unit, hub.node, epoch=epoch)
    writer.run(lambda unit: audit.keep_head(unit, hub.node, signed), source="command restored")
    return epoch
