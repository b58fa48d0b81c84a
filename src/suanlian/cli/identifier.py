"""One identifier: its descriptor, status, history; freeze, thaw, revoke, move, transfer; a file checked offline."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.arguments import PlatformName
from suanlian.cli.identifiers import tell_resolution
from suanlian.cli.output import AsJson, listing, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.descriptor import Act, Dossier, Move, NewTransfer, Reason, SignedStatus, Transfer
from suanlian.model.errors import InvalidError
from suanlian.model.reading import read
from suanlian.sdk.verify import checked

commands = nouns()
_identifier = nouns()
commands.add_typer(
    _identifier,
    name="identifier",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One identifier: resolve, status, descriptor, versions, history, freeze, thaw, revoke, move, transfer."),
)

Identifier = Annotated[str, typer.Argument(metavar="ID", help=N_("The identifier, or the name of a platform here."))]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help=N_("The reason; it is kept."))]
PartOption = Annotated[
    str | None, typer.Option("--part", metavar="NAME", help=N_("The connector, where the platform has several."))
]
_MAX_FILE_BYTES = 16 * 1024 * 1024


@_identifier.command(
    "resolve",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Tell what a public identifier names, asking from hub to hub."),
)
def _resolve(
    identifier: Annotated[str, typer.Argument(metavar="ID", help=N_("The public identifier."))],
    as_json: AsJson = False,
) -> None:
    tell_resolution(identifier, as_json=as_json)


@_identifier.command(
    "status", cls=Command, options_metavar=OPTIONS, help=N_("Tell what holds of an identifier now, signed by its hub.")
)
def _status(identifier: Identifier, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        _tell(hub.identifiers.status(identifier), as_json=as_json)


@_identifier.command(
    "descriptor",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show a descriptor, or write it with all that proves it into a file for `suanlian verify`."),
)
def _descriptor(
    identifier: Identifier,
    version: Annotated[int | None, typer.Option("--version", metavar="N", help=N_("Else the newest."))] = None,
    part: PartOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help=N_("Where to write the file, proofs and all."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        found = hub.identifiers.dossier(identifier, part=part, version=version)
    if out is not None:
        out.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        remark(_("Written to {path}. Check it: suanlian verify {path} --root KEY").format(path=out))
        return
    record(found, _fields(found), as_json=as_json)


def _fields(found: Dossier) -> list[tuple[str, object]]:
    descriptor = found.descriptor
    return [
        (_("Identifier"), descriptor.identifier),
        (_("Version"), descriptor.version),
        (_("Platform"), descriptor.platform),
        (_("Connector"), descriptor.part),
        (_("Entity"), descriptor.entity),
        (_("Issued by"), descriptor.issuer),
        (_("Public key"), descriptor.key),
        (_("Addresses"), ", ".join(descriptor.endpoints)),
        (_("Sites"), ", ".join(f"{site.name} ({site.region})" for site in descriptor.sites)),
        (_("Shares"), ", ".join(share.name for share in descriptor.shares)),
        (_("Made"), when(descriptor.made_at)),
        (_("Registered"), when(found.counter.registered_at)),
        (_("Validity"), found.status.status.standing if found.status else ""),
    ]


@_identifier.command("versions", cls=Command, options_metavar=OPTIONS, help=N_("List every version of a descriptor."))
def _versions(identifier: Identifier, part: PartOption = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.identifiers.versions(identifier, part=part),
            [
                (_("Connector"), lambda entry: entry.part),
                (_("Version"), lambda entry: entry.version),
                (_("Made"), lambda entry: when(entry.made_at)),
                (_("Registered"), lambda entry: when(entry.registered_at)),
                (_("Digest"), lambda entry: entry.digest),
            ],
            as_json=as_json,
        )


@_identifier.command("history", cls=Command, options_metavar=OPTIONS, help=N_("List what happened to an identifier."))
def _history(identifier: Identifier, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.identifiers.history(identifier),
            [
                (_("When"), lambda entry: when(entry.at)),
                (_("Act"), lambda entry: entry.act),
                (_("Connector"), lambda entry: entry.part),
                (_("Version"), lambda entry: entry.version or ""),
                (_("Why"), lambda entry: entry.why),
                (_("Who"), lambda entry: entry.actor),
            ],
            as_json=as_json,
        )


@_identifier.command(
    "freeze", cls=Command, options_metavar=OPTIONS, help=N_("Take no descriptor for it, and tell so (operator).")
)
def _freeze(identifier: Identifier, why: Why, as_json: AsJson = False) -> None:
    _act(identifier, Act.FROZEN, read(Reason, {"why": why}), as_json=as_json)


@_identifier.command(
    "thaw", cls=Command, options_metavar=OPTIONS, help=N_("End a freeze (another operator than the one who froze it).")
)
def _thaw(identifier: Identifier, why: Why, as_json: AsJson = False) -> None:
    _act(identifier, Act.THAWED, read(Reason, {"why": why}), as_json=as_json)


@_identifier.command(
    "revoke",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Revoke a frozen identifier for good (another operator than the one who froze it)."),
)
def _revoke(identifier: Identifier, why: Why, as_json: AsJson = False) -> None:
    _act(identifier, Act.REVOKED, read(Reason, {"why": why}), as_json=as_json)


@_identifier.command(
    "move", cls=Command, options_metavar=OPTIONS, help=N_("Tell under which identifier it is known now (operator).")
)
def _move(
    identifier: Identifier,
    to: Annotated[str, typer.Option("--to", metavar="ID", help=N_("The new identifier."))],
    why: Why,
    as_json: AsJson = False,
) -> None:
    _act(identifier, Act.MOVED, read(Move, {"why": why, "to": to}), as_json=as_json)


def _act(identifier: str, what: Act, reason: Reason, *, as_json: bool) -> None:
    with open_hub() as hub:
        _tell(hub.identifiers.act(identifier, what, reason), as_json=as_json)


def _tell(signed: SignedStatus, *, as_json: bool) -> None:
    status = signed.status
    fields = [
        (_("Identifier"), status.identifier),
        (_("Validity"), status.standing),
        (_("Moved to"), status.moved_to),
        (_("Platform's state"), status.state),
        (_("As of"), when(status.as_of)),
        (_("Holds until"), when(status.valid_until)),
    ]
    record(signed, fields, as_json=as_json)


@_identifier.command(
    "transfer",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Propose that it goes to another entity (operator); a second operator and the new owner agree."),
)
def _transfer(
    identifier: Identifier,
    to: Annotated[str, typer.Option("--to", metavar="ENTITY", help=N_("The new owner's name."))],
    why: Why,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        _tell_transfer(hub.identifiers.propose(identifier, read(NewTransfer, {"to": to, "why": why})), as_json=as_json)


@_identifier.command("transfers", cls=Command, options_metavar=OPTIONS, help=N_("List the transfers of an identifier."))
def _transfers(identifier: Identifier, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.identifiers.transfers(identifier),
            [
                (_("Transfer"), lambda transfer: transfer.id),
                (_("To"), lambda transfer: transfer.to),
                (_("Proposed"), lambda transfer: when(transfer.proposed_at)),
                (_("Seconded by"), lambda transfer: transfer.seconded_by),
                (_("Accepted by"), lambda transfer: transfer.accepted_by),
                (_("Done"), lambda transfer: when(transfer.done_at)),
                (_("Why"), lambda transfer: transfer.why),
            ],
            as_json=as_json,
        )


def _decide(transfer: str, verb: str, *, as_json: bool) -> None:
    with open_hub() as hub:
        _tell_transfer(hub.identifiers.decide(transfer, verb), as_json=as_json)


TransferId = Annotated[str, typer.Argument(metavar="TRANSFER", help=N_("The transfer, as `transfers` lists it."))]


@_identifier.command("second", cls=Command, options_metavar=OPTIONS, help=N_("Agree to a transfer (another operator)."))
def _second(transfer: TransferId, as_json: AsJson = False) -> None:
    _decide(transfer, "second", as_json=as_json)


@_identifier.command("accept", cls=Command, options_metavar=OPTIONS, help=N_("Accept a transfer (the new owner)."))
def _accept(transfer: TransferId, as_json: AsJson = False) -> None:
    _decide(transfer, "accept", as_json=as_json)


@_identifier.command(
    "decline", cls=Command, options_metavar=OPTIONS, help=N_("End a transfer (an operator, the old or the new owner).")
)
def _decline(transfer: TransferId, as_json: AsJson = False) -> None:
    _decide(transfer, "decline", as_json=as_json)


def _tell_transfer(transfer: Transfer, *, as_json: bool) -> None:
    fields = [
        (_("Transfer"), transfer.id),
        (_("Identifier"), transfer.identifier),
        (_("To"), transfer.to),
        (_("Why"), transfer.why),
        (_("Proposed"), when(transfer.proposed_at)),
        (_("Seconded by"), transfer.seconded_by),
        (_("Accepted by"), transfer.accepted_by),
        (_("Done"), when(transfer.done_at)),
    ]
    record(transfer, fields, as_json=as_json)


@_identifier.command(
    "recover",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Get a token by which a connector whose key was lost is taken up with a fresh one (its owner)."),
)
def _recover(
    platform: PlatformName,
    connector: Annotated[str, typer.Argument(metavar="CONNECTOR", help=N_("The connector's name."))],
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        made = hub.identifiers.recovery_token(platform, connector)
    fields = [
        (_("Connector"), made.connector),
        (_("Token"), made.token),
        (_("Holds until"), when(made.expires_at)),
    ]
    record(made, fields, as_json=as_json)
    if not as_json:
        remark(_("The token is shown this once. On the platform's machine: suanlian-agent recover --token TOKEN"))


@_identifier.command(
    "duplicates",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("List what stands under several identifiers (operator, supervisor)."),
)
def _duplicates(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.identifiers.duplicates(),
            [
                (_("What"), lambda double: double.kind),
                (_("Identifiers"), lambda double: ", ".join(double.identifiers)),
                (_("Entities"), lambda double: ", ".join(double.entities)),
                (_("Found"), lambda double: when(double.found_at)),
            ],
            as_json=as_json,
        )


@commands.command(
    "verify",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Check the file of a descriptor without any hub, by the root's public key alone."),
)
def _verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=N_("The file that `identifier descriptor --out` wrote."))
    ],
    root: Annotated[str, typer.Option("--root", metavar="KEY", help=N_("The root hub's public key, ed25519:..."))],
    as_json: AsJson = False,
) -> None:
    if file.stat().st_size > _MAX_FILE_BYTES:
        wrong = _("{path} is longer than the file of a descriptor can be.").format(path=file)
        raise InvalidError("field_invalid", wrong, field="file")
    found = checked(file.read_bytes(), root)
    descriptor, status = found.descriptor, found.status
    if as_json:
        print_json(
            {
                "holds": True,
                "identifier": descriptor.identifier,
                "version": descriptor.version,
                "platform_key": descriptor.key,
                "hub_key": found.hub_key.text,
                "registered_at": when(found.counter.registered_at),
                "status": None if status is None else status.model_dump(mode="json"),
            }
        )
        return
    say(_("The signatures hold."))
    say(
        _("The platform signed version {version} of {identifier} on {at} with {key}.").format(
            version=descriptor.version,
            identifier=descriptor.identifier,
            at=when(descriptor.made_at),
            key=descriptor.key,
        )
    )
    say(
        _("The hub {issuer} registered it on {at} with {key}, which the root's key vouches for.").format(
            issuer=found.counter.issuer, at=when(found.counter.registered_at), key=found.hub_key.text
        )
    )
    if status is None:
        say(_("Whether it was frozen or revoked since is not checked: the file brings no status."))
    else:
        say(
            _("As of {at} the hub said: {standing}. Later freezing or revoking is not checked offline.").format(
                at=when(status.as_of), standing=status.standing
            )
        )
