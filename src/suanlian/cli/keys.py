"""One's own API keys: list, mint, revoke; and who one is."""

import re
from typing import Annotated, Final

import typer

from suanlian.cli.arguments import ScopeOptions
from suanlian.cli.output import AsJson, listing, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import allowance_text, when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.errors import InvalidError
from suanlian.model.party import Allowance, KeyAbout, NewKey
from suanlian.model.reading import read

commands = nouns()
_key = nouns()
commands.add_typer(
    _key,
    name="key",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("Your API keys: add, revoke."),
)
_DAYS: Final = re.compile(r"([0-9]{1,5})d?")


@commands.command("keys", cls=Command, options_metavar=OPTIONS, help=N_("List your API keys."))
def _keys(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.parties.keys(),
            [
                (_("Prefix"), lambda key: key.prefix),
                (_("For"), lambda key: key.label),
                (_("Scopes"), lambda key: ", ".join(key.scopes)),
                (_("Since"), lambda key: when(key.created_at)),
                (_("Holds until"), lambda key: when(key.expires_at)),
                (_("Revoked"), lambda key: when(key.revoked_at)),
            ],
            as_json=as_json,
        )


@commands.command("whoami", cls=Command, options_metavar=OPTIONS, help=N_("Tell who you are here, with which key."))
def _whoami(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        me = hub.parties.me()
    fields: list[tuple[str, object]] = [
        (_("Name"), me.name),
        (_("Role"), me.role),
        (_("Entity"), me.entity),
    ]
    record(me, [*fields, *_shown(me.key), *_left(me.allowance)], as_json=as_json)


def _shown(key: KeyAbout | None) -> list[tuple[str, object]]:
    if key is None:
        return []
    return [
        (_("Key"), f"{key.prefix} {key.label}".rstrip()),
        (_("Scopes"), ", ".join(key.scopes)),
        (_("Holds until"), when(key.expires_at)),
    ]


def _left(allowance: Allowance | None) -> list[tuple[str, object]]:
    """What somebody whom nobody has checked has left; told together with whom to ask."""
    if allowance is None:
        return []
    return [(_("Free, core-hours"), allowance_text(allowance)), (_("Not checked"), _("ask an operator of the hub"))]


@_key.command("add", cls=Command, options_metavar=OPTIONS, help=N_("Mint a further key of your own."))
def _add(
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help=N_("What it is for."))] = "",
    scopes: ScopeOptions = None,
    expires: Annotated[str, typer.Option("--expires", metavar="DAYS", help=N_("How long it holds, such as 90d."))] = (
        "90d"
    ),
    as_json: AsJson = False,
) -> None:
    asked: dict[str, object] = {"label": label, "valid_days": _days(expires)}
    if scopes:
        asked["scopes"] = tuple(scopes)
    with open_hub() as hub:
        minted = hub.parties.add_key(read(NewKey, asked))
    fields = [
        (_("API key"), minted.key),
        (_("Scopes"), ", ".join(minted.scopes)),
        (_("Holds until"), when(minted.expires_at)),
    ]
    record(minted, fields, as_json=as_json)
    if not as_json:
        remark(_("The key is shown this once and kept nowhere."))


def _days(text: str) -> int:
    found = _DAYS.fullmatch(text)
    if found is None:
        raise InvalidError(
            "field_invalid",
            _("{text!r} is no number of days.").format(text=text),
            todo=_("Write it such as 90d."),
            field="expires",
        )
    return int(found[1])


@_key.command(
    "revoke", cls=Command, options_metavar=OPTIONS, help=N_("Make a key of yours worthless at once; operator: any.")
)
def _revoke(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help=N_("The public part at the key's beginning."))],
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        hub.parties.revoke_key(prefix)
    if as_json:
        print_json({"prefix": prefix, "revoked": True})
    else:
        say(_("The key {prefix} is revoked.").format(prefix=prefix))
