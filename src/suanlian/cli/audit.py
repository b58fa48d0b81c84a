"""The audit log: its head and proofs for those who watch, and the check of a file by anybody."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.output import AsJson, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.audit import AuditExtract
from suanlian.model.errors import InvalidError
from suanlian.sdk.audit import check

commands = nouns()
_audit = nouns()
commands.add_typer(
    _audit,
    name="audit",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("The audit log: head, prove, check."),
)
_OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help=N_("Write it to this file."))]


@_audit.command(
    "head",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show the newest signed head, to be kept elsewhere (supervisor, operator)."),
)
def _head(out: _OutOption = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        _give(hub.audit.head().extract, out, as_json=as_json)


@_audit.command(
    "prove",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Prove that a row of `suanlian events` is in the log (supervisor, operator)."),
)
def _prove(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=N_("The row's number."))],
    out: _OutOption = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        _give(hub.audit.proof(number), out, as_json=as_json)


def _give(extract: AuditExtract, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        out.write_text(extract.model_dump_json(indent=2) + "\n", encoding="utf-8")
        remark(_("Written to {path}. Check it: suanlian audit check {path} --root KEY").format(path=out))
        return
    head = extract.signed.head
    fields = [
        (_("Hub"), f"{head.hub} ({head.prefix})"),
        (_("When"), when(head.made_at)),
        (_("Rows"), head.size),
        (_("Root"), head.root),
        (_("Public key"), extract.key),
        (_("Held by"), ", ".join(held.receipt.hub for held in extract.receipts)),
        *((_("Row"), f"{proof.row.number} {proof.row.type} {proof.row.subject}") for proof in extract.proofs),
    ]
    record(extract, fields, as_json=as_json)


@_audit.command(
    "check",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Check exported rows against one public key, without any hub."),
)
def _check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("What `audit export`, `prove` or `head` wrote."))],
    root: Annotated[
        str,
        typer.Option("--root", metavar="KEY", help=N_("The public key of the root, of the hub, or of a hub above it.")),
    ],
    as_json: AsJson = False,
) -> None:
    try:
        extract = AuditExtract.model_validate_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        wrong = _("{file} is not an export of the audit log.").format(file=file)
        raise InvalidError("field_invalid", wrong, todo=_("Ask for it anew.")) from error
    found, head = check(extract, root), extract.signed.head
    if as_json:
        print_json({"hub": found.hub, "held_by": found.by, "size": head.size, "rows": found.rows})
        return
    made = when(head.made_at)
    say(_("The head of {size} rows of {hub} is of {when}.").format(size=head.size, hub=found.hub, when=made))
    if found.by:
        say(_("{hub}, whose key you trust, holds it.").format(hub=found.by))
    else:
        say(_("It is signed by the key that you trust, or by one that follows from it."))
    if extract.proofs:
        first, last = extract.proofs[0].row.number, extract.proofs[-1].row.number
        text = _("{n} rows, {first} to {last}, are in it as they stand in the file.")
        say(text.format(n=found.rows, first=first, last=last))
