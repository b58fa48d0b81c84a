"""How a platform comes in, command by command: acts, join tokens, connectors, and what is still missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.cli.arguments import PlatformName, Reference, Why
from suanlian.cli.output import AsJson, print_json, record, remark, say, table
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command
from suanlian.i18n.onboarding import missing_line
from suanlian.model.errors import ConflictError
from suanlian.model.onboarding import JoinToken, Missing, MoreConnectors, Moved, Onboarding, Rectification
from suanlian.model.party import Decision
from suanlian.model.reading import read
from suanlian.sdk.client import Client

_SECRET_MODE: Final = 0o600

_Act = Callable[[Client, str, Decision], Moved]
_ACTS: Final[tuple[tuple[str, _Act, str], ...]] = (
    (
        "check-documents",
        lambda hub, name, why: hub.platforms.check_documents(name, why),
        N_("Say that a platform's documents are in order (operator)."),
    ),
    (
        "go-live",
        lambda hub, name, why: hub.platforms.go_live(name, why),
        N_("Let a platform take work: one operator proposes it, a second one does it."),
    ),
    (
        "suspend",
        lambda hub, name, why: hub.platforms.suspend(name, why),
        N_("Place nothing there, at once; a second operator confirms it by the same command."),
    ),
    (
        "freeze",
        lambda hub, name, why: hub.platforms.freeze(name, why),
        N_("Place nothing there and take no inventory, at once; a second operator confirms it by the same command."),
    ),
    (
        "lift",
        lambda hub, name, why: hub.platforms.lift(name, why),
        N_("End a suspension or freeze that nobody has confirmed (a second operator)."),
    ),
    (
        "withdraw",
        lambda hub, name, why: hub.platforms.withdraw(name, why),
        N_("Take a platform away for good: its provider at once, operators as two."),
    ),
)
"""The acts that need nothing but a reason."""


def install(platform: typer.Typer) -> None:
    """Put these commands below `suanlian platform`."""
    for name, act, text in _ACTS:
        platform.command(name, cls=Command, options_metavar=OPTIONS, help=text)(_command(act))
    for name, command, text in (
        ("rectify", _rectify, N_("Let something be mended, and conformance be passed anew (operator).")),
        ("onboarding", _onboarding, N_("Tell how far a platform has come, who did what, and what is missing.")),
        ("tokens", _tokens, N_("Get the join tokens of connectors that have none (provider).")),
        ("connector-add", _add_connector, N_("Name a further connector of a platform of yours (provider).")),
    ):
        platform.command(name, cls=Command, options_metavar=OPTIONS, help=text)(command)
    platform.command("approve", cls=Command, options_metavar=OPTIONS, hidden=True)(_approve)


def _command(act: _Act) -> Callable[..., None]:
    def run(platform: PlatformName, why: Why, reference: Reference = "", as_json: AsJson = False) -> None:
        with open_hub() as hub:
            tell_moved(act(hub, platform, read(Decision, {"why": why, "reference": reference})), as_json=as_json)

    return run


def _rectify(
    platform: PlatformName,
    why: Why,
    mend: Annotated[str, typer.Option("--mend", metavar="TEXT", help=N_("What is to be mended."))],
    reference: Reference = "",
    as_json: AsJson = False,
) -> None:
    asked = read(Rectification, {"why": why, "mend": mend, "reference": reference})
    with open_hub() as hub:
        tell_moved(hub.platforms.rectify(platform, asked), as_json=as_json)


def _approve(platform: PlatformName) -> None:
    steps = [
        f"suanlian platform check-documents {platform} --why TEXT",
        f"suanlian platform tokens {platform}",
        f"suanlian platform go-live {platform} --why TEXT",
    ]
    raise ConflictError(
        "state_conflict",
        _("There is no approve any more: a platform comes in step by step."),
        todo=_("In this order: {steps}").format(steps="; ".join(steps)),
    )


def tell_moved(moved: Moved, *, as_json: bool) -> None:
    """Tell where the platform is now, and who has to do something."""
    platform, proposal = moved.platform, moved.proposal
    fields: list[tuple[str, object]] = []
    if platform is not None:
        fields += [
            (_("Name"), platform.name),
            (_("State"), platform.state),
            (_("State since"), when(platform.state_since)),
        ]
    if proposal is not None:
        fields += [
            (_("Proposal"), proposal.id),
            (_("Act"), proposal.act),
            (_("Verdict"), proposal.verdict),
            (_("Lapses"), when(proposal.expires_at) if proposal.verdict == "open" else ""),
        ]
    record(moved, fields, as_json=as_json)
    if proposal is not None and proposal.verdict == "open" and not as_json:
        remark(_("A second operator confirms it: suanlian proposal confirm {id}").format(id=proposal.id))


def _onboarding(platform: PlatformName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.platforms.onboarding(platform)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    admitted = sum(one.connector is not None and one.connector.admitted_at is not None for one in found.connectors)
    fields = [
        (_("Name"), found.platform.name),
        (_("State"), found.state),
        (_("State since"), when(found.since)),
        (_("Connectors admitted"), f"{admitted} / {len(found.connectors)}"),
    ]
    record(found, fields, as_json=False)
    _tell_steps(found)
    _tell_missing(found)


def _tell_steps(found: Onboarding) -> None:
    say("")
    table(
        found.steps,
        [
            (_("When"), lambda step: when(step.at)),
            (_("Act"), lambda step: step.act),
            (_("Then"), lambda step: step.to_state),
            (_("By"), lambda step: step.actor),
            (_("Why"), lambda step: step.why),
            (_("Reference"), lambda step: step.reference),
        ],
    )


def _tell_missing(found: Onboarding) -> None:
    of_connectors = [one for progress in found.connectors for one in progress.missing]
    rows = list(found.missing) + [one for one in of_connectors if one not in found.missing]
    say("")
    if not rows:
        say(_("Nothing is missing."))
        return
    table(
        rows,
        [
            (_("Missing"), _says),
            (_("Waits for"), lambda one: waits_for(one.by)),
            (_("Command"), lambda one: one.command),
        ],
    )


def _says(one: Missing) -> str:
    said = missing_line(one.code, one.fields)
    return one.says if said == one.code else said


def waits_for(by: str) -> str:
    """Who can do what is missing, in words."""
    return {"owner": _("its owner"), "operator": _("an operator"), "hub": _("the hub")}.get(by, by)


def _tokens(
    platform: PlatformName,
    connector: Annotated[
        str | None, typer.Option("--connector", metavar="NAME", help=N_("A fresh one for this connector alone."))
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=N_("Write a file a connector there, readable by you only.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    if out is not None:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_hub() as hub:
        minted = hub.platforms.tokens(platform, connector)
    if not minted.tokens and not as_json:
        remark(
            _(
                "Every connector has its token. A fresh one: suanlian platform tokens {platform} --connector NAME"
            ).format(platform=platform)
        )
        return
    if out is not None:
        for token in minted.tokens:
            say(_("{connector}: {path}").format(connector=token.connector, path=_kept(token, out)))
        return
    if as_json:
        print_json(minted.model_dump(mode="json"))
        return
    table(
        minted.tokens,
        [
            (_("Connector"), lambda token: token.connector),
            (_("Join token"), lambda token: token.join_token),
            (_("Holds until"), lambda token: when(token.expires_at)),
        ],
    )
    remark(_("Each token is shown this once. On the connector's machine: suanlian-agent enrol"))


def _kept(token: JoinToken, directory: Path) -> Path:
    path = directory / f"{token.connector}.token"
    path.touch(mode=_SECRET_MODE)
    path.chmod(_SECRET_MODE)
    path.write_text(token.join_token + "\n", encoding="utf-8")
    return path


def _add_connector(
    platform: PlatformName,
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("The connector's name, as its agent.toml has it."))],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help=N_("What it is, such as a data centre."))] = "",
    as_json: AsJson = False,
) -> None:
    asked = read(MoreConnectors, {"connectors": [{"name": name, "title": title}]})
    with open_hub() as hub:
        found = hub.platforms.name_connectors(platform, asked)
    record(found, [(_("Name"), found.name), (_("State"), found.state), (_("Connector"), name)], as_json=as_json)
