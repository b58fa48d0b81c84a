"""The entry of `suanlian`: which commands are there, in which file each stands, and what the exit code says.

Exit codes: 0 done; 1 the hub refused; 2 the command was written wrongly or a file cannot be read; 3 the job that was
waited for failed, or the planned one would wait; 4 no place could ever run the planned one; 130 interrupted. `run`
gives its program's own, so what is not the program's is 125 there, and 130 when it was cancelled. A command's file is
imported when the command is used, so that help comes at once.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, Final, cast

import typer
from typer._click import Command as AnyCommand
from typer._click import Context as AnyContext
from typer.exceptions import TyperException

from suanlian import __version__
from suanlian.cli.complaints import problem_text, usage_text
from suanlian.i18n import set_language
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Group, Row
from suanlian.model.errors import SuanlianError
from suanlian.settings import PersonSettings

REFUSED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
OWN_OF_RUN: Final = 125
"""What `run` says when it failed itself, so that it is told from the program's own code."""

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "login": ("login", N_("Log in to a hub: check the key and keep it.")),
    "logout": ("login", N_("Forget the login; the key of a sign-in ends at once.")),
    "claim": ("login", N_("Become a hub's first operator by the one-time link that its init printed.")),
    "submit": ("submit", N_("Submit the jobs that YAML or JSON files describe.")),
    "run": ("run", N_("Run a command on some platform as if it ran here.")),
    "estimate": ("submit", N_("Tell where a job would go now and what it would cost, without submitting it.")),
    "plan": (
        "submit",
        N_(
            "Tell where and when a job would start, at what cost, and what could be changed; reserves nothing."
            " Exit code 3: it would wait; 4: no place could ever run it."
        ),
    ),
    "jobs": ("jobs", N_("List jobs.")),
    "show": ("jobs", N_("Show one job and its tasks.")),
    "why": ("why", N_("Tell why a job went where it is, or why it waits.")),
    "logs": ("logs", N_("Print what a job wrote.")),
    "outputs": ("outputs", N_("List a job's output files, or fetch them into a directory.")),
    "cancel": ("jobs", N_("Cancel a job.")),
    "data": ("data", N_("Datasets: plan, put, get, ls, show, cp, rm, verify, register; rules for copies, transfers.")),
    "storage": ("data", N_("List storage, and what may go there.")),
    "move": (
        "moving",
        N_("Let a job save, end and go on elsewhere; without a checkpoint from zero (--yes)."),
    ),
    "pause": ("moving", N_("Let what runs of a job stand still; it is charged as before.")),
    "resume": ("moving", N_("Let what is paused of a job go on.")),
    "secrets": ("secrets", N_("List the names of your secrets.")),
    "secret": ("secrets", N_("One secret: set, rm.")),
    "charges": ("charges", N_("Show what jobs cost.")),
    "platforms": ("platforms", N_("List platforms.")),
    "platform": ("platforms", N_("One platform: apply, come in step by step, show, connectors.")),
    "conformance": ("conformance", N_("Show what the newest conformance runs of a platform found, or run it.")),
    "sites": ("catalogue", N_("List the places of platforms.")),
    "site": ("sites", N_("One place of a platform: check, checks.")),
    "flavors": ("catalogue", N_("List the kinds of nodes.")),
    "shares": ("catalogue", N_("List the slices of platforms.")),
    "offers": ("offers", N_("List prices.")),
    "offer": ("offers", N_("One offer: publish.")),
    "capacity": ("catalogue", N_("Show what each share has and what of it is held now.")),
    "links": ("links", N_("List links between sites, and what is known of each.")),
    "link": ("links", N_("One link between sites: offer, withdraw, reserve, reservations, give-back.")),
    "path": (
        "links",
        N_("Show the way from one site to another: each figure with its grade and age, and the best relay."),
    ),
    "proposals": ("proposals", N_("List what waits for a second operator.")),
    "proposal": ("proposals", N_("What two persons must want: confirm, decline.")),
    "operator": ("proposals", N_("Those who run the hub: invite.")),
    "entity": ("parties", N_("Legal persons: add, list, show, change, check, refuse.")),
    "capabilities": (
        "capabilities",
        N_("Show how fast platforms are, by every word on it."),
    ),
    "chips": ("chips", N_("List the accelerators that are known, with their dense peaks at each precision.")),
    "variants": ("variants", N_("Turn an image index into one variant for each architecture.")),
    "supply": ("supply", N_("Show where capacity that a platform reported free was claimed, and what came of it.")),
    "check-draw": ("supply", N_("Draw the moments of a period again from its revealed seed, and compare.")),
    "verification": ("capabilities", N_("Show how a platform's claims were put to the test, or do it once more.")),
    "principal": ("parties", N_("Those who call: add.")),
    "account": ("account", N_("Your own account: invite, link, erase.")),
    "whoami": ("keys", N_("Tell who you are here, with which key.")),
    "keys": ("keys", N_("List your API keys.")),
    "key": ("keys", N_("Your API keys: add, revoke.")),
    "resolve": ("identifiers", N_("Tell what a public identifier names, asking from hub to hub.")),
    "identifier": (
        "identifier",
        N_("One identifier: resolve, status, descriptor, versions, history, freeze, thaw, revoke, move, transfer."),
    ),
    "verify": ("identifier", N_("Check the file of a descriptor without any hub, by the root's public key alone.")),
    "node": ("identifiers", N_("Show who the hub is.")),
    "report": ("supervision", N_("Reports: supervision.")),
    "events": ("supervision", N_("List what happened.")),
    "market": (
        "market",
        N_("What is scarce, and how far the market is from the best possible (operator, supervisor); policy."),
    ),
    "audit": ("audit", N_("The audit log: head, prove, check.")),
    "simulate": (
        "simulate",
        N_("Simulate a federation over recorded, generated or your own demand; nothing is sent anywhere."),
    ),
    "demo": ("demo", N_("Run the demonstration: a national hub, a regional hub and five platforms with real work.")),
    "up": ("demo", N_("Start the same hubs and platforms and keep them until interrupted.")),
}
"""Command -> the file of this folder in which it stands, and its line in the help."""


class _OnFirstUse(Mapping[str, AnyCommand]):
    def __getitem__(self, name: str) -> AnyCommand:
        noun = import_module(f"suanlian.cli.{COMMANDS[name][0]}")
        return typer.main.get_group(noun.commands).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Program(Group):
    """The whole of `suanlian`; a command is loaded when it is asked for."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer hands a group whatever it was told
        super().__init__(**attributes)
        self.commands = cast("Any", _OnFirstUse())

    def summaries(self) -> Sequence[Row]:
        """Each command with its help, without loading any."""
        return [(name, text) for name, (_file, text) in COMMANDS.items()]

    def list_commands(self, ctx: AnyContext) -> list[str]:  # noqa: ARG002 - Typer's signature
        """The names, in the order of the help."""
        return list(COMMANDS)


app = typer.Typer(
    cls=Program, add_completion=False, rich_markup_mode=None, no_args_is_help=True, subcommand_metavar=COMMAND
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"suanlian {__version__}")
        raise typer.Exit


@app.callback(
    options_metavar=OPTIONS,
    help=N_("Compute across platforms: submit jobs, see where they went and why, fetch what they made, know the cost."),
)
def _program(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help=N_("Show the version and exit."))
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str], settings: PersonSettings | None = None) -> int:
    """Run one command and return its exit code; texts in the language of the settings."""
    own = OWN_OF_RUN if list(arguments[:1]) == ["run"] else None
    set_language((settings or PersonSettings()).language)
    # a repeated call is no news to a person; without this its log line would go to the terminal
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    try:
        code = typer.main.get_command(app).main(args=list(arguments), prog_name="suanlian", standalone_mode=False)
    except SuanlianError as error:
        return _complain(problem_text(error), own or REFUSED)
    except TyperException as error:
        return _complain(usage_text(error), own or USAGE)
    except typer.Abort:
        return INTERRUPTED
    except OSError as error:
        return _complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), own or USAGE)
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    typer.echo(text, err=True)
    return code


def main() -> None:
    """The command `suanlian`."""
    sys.exit(run(sys.argv[1:]))
