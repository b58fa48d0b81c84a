"""The command `suanlian-agent`: enter a hub, run, and the owner's own say, with the hub up or down.

Exit codes: 0 done; 1 refused; 2 the command was written wrongly or a file cannot be used.
"""

import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from suanlian.agent import owner, owner_commands
from suanlian.agent.agent import Agent
from suanlian.agent.arguments import HomeOption
from suanlian.agent.arguments import home as _home
from suanlian.agent.build import locked, opened, utc_now
from suanlian.agent.config import read_policy
from suanlian.agent.data.commands import install as install_storage
from suanlian.agent.discover.command import install as install_init
from suanlian.agent.enrol import Doors, Entry, enrol, prepare
from suanlian.agent.journal import SentJournal
from suanlian.agent.key_commands import install as install_keys
from suanlian.agent.lending.commands import install as install_lending
from suanlian.agent.loops import Rounds
from suanlian.agent.measuring import install as install_measure
from suanlian.agent.rotation import install as install_rotation
from suanlian.agent.selftest_command import install as install_selftest
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import PublicKey
from suanlian.drivers.contract import DriverError
from suanlian.i18n import _, set_language
from suanlian.i18n.help import N_, Command, Group
from suanlian.model.errors import SuanlianError
from suanlian.model.platform import Drain
from suanlian.model.reading import read
from suanlian.sdk.transport import Route, open_client
from suanlian.settings import AgentSettings

REFUSED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help=N_("The connector beside a platform: takes jobs from its hub, as far as the platform's owner allows."),
)


@app.callback()
def _program() -> None:
    pass


@app.command(
    "enrol", cls=Command, help=N_("Enter a hub with a join token; makes the connector's key and pins the hub's.")
)
def enrol_command(
    hub_url: Annotated[str, typer.Argument(help=N_("The hub's address."))],
    token: Annotated[str, typer.Option(help=N_("The join token that the operator gave, jt_..."))],
    config: Annotated[Path, typer.Option(help=N_("The file agent.toml; it is copied into the state directory."))],
    hub_key: Annotated[
        str | None,
        typer.Option(help=N_("The hub's public key, ed25519:..., when it is known; else it is asked of the hub.")),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Enter a hub."""
    place, entry = _home(home), Entry(hub_url, token, config, hub_key)
    read = prepare(place, entry)
    journal = SentJournal(place.sent, utc_now, read.sent)
    try:
        with open_client(Route(read.proxy, read.ca_file)) as http:
            identity = enrol(place, entry, read, Doors(http, utc_now, journal.record))
    finally:
        journal.close()
    typer.echo(
        _("Enrolled connector {connector} of platform {platform} at hub {hub}.").format(
            connector=read.connector, platform=identity.platform, hub=identity.hub_name
        )
    )
    typer.echo(owner.level_text(read.level))
    typer.echo(owner.probes_text(read_policy(place)))
    typer.echo(_("The hub's key is pinned: {key}").format(key=identity.hub_key))
    typer.echo(_("Its fingerprint: {fingerprint}").format(fingerprint=PublicKey.parse(identity.hub_key).key_id))
    if hub_key is None:
        typer.echo(_("The key was taken from the hub's own answer: compare it with what its operator says."))


@app.command("run", cls=Command, help=N_("Run until SIGTERM or Ctrl-C; jobs go on when the agent ends."))
def run_command(home: HomeOption = None) -> None:
    """Run the loops."""
    place = _home(home)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # a line for each request says nothing that the journal of what was sent does not
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("stamina").setLevel(logging.ERROR)
    with locked(place), opened(place, utc_now) as desk:
        rounds = Rounds(Agent(desk))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: rounds.stop())
        typer.echo(_("The agent of platform {platform} runs.").format(platform=desk.identity.platform))
        rounds.run()
    typer.echo(_("The agent has ended; jobs go on."))


@app.command("status", cls=Command, help=N_("Show what runs here, without asking the hub."))
def status_command(home: HomeOption = None) -> None:
    """Show the state."""
    for line in owner.status_lines(_home(home)):
        typer.echo(line)


@app.command("pause", cls=Command, help=N_("Accept nothing new; what runs goes on. Holds over restarts."))
def pause_command(home: HomeOption = None) -> None:
    """Accept nothing new."""
    owner.pause(_home(home), paused=True)
    typer.echo(_("Paused: nothing new is accepted, what runs goes on."))


@app.command(
    "drain",
    cls=Command,
    help=N_("Accept nothing new and move what runs elsewhere; all is out by the time that is given. Until resume."),
)
def drain_command(
    by: Annotated[
        str | None, typer.Option(metavar="TIME", help=N_("With its zone, such as 2026-12-01T08:00+08:00; else now."))
    ] = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help=N_("Why, for buyers and the operator to read."))] = "",
    home: HomeOption = None,
) -> None:
    """Empty the platform."""
    asked = read(Drain, {"since": utc_now(), "by": by, "why": why, "who": "owner"})
    for line in owner.drain(_home(home), asked):
        typer.echo(line)


@app.command("resume", cls=Command, help=N_("Accept jobs again: ends pause and drain."))
def resume_command(home: HomeOption = None) -> None:
    """Accept jobs again."""
    for line in owner.drain(_home(home), None):
        typer.echo(line)


@app.command("evict", cls=Command, help=N_("End an attempt that is here; its hub places the task elsewhere."))
def evict_command(
    attempt: Annotated[str, typer.Argument(help=N_("The attempt, as `status` shows it; its beginning is enough."))],
    home: HomeOption = None,
) -> None:
    """End an attempt."""
    row = owner.evict(_home(home), attempt, sleep=time.sleep)
    text = _("Attempt {attempt} is ended.") if owner.has_ended(row) else _("Attempt {attempt} is being ended.")
    typer.echo(text.format(attempt=row.attempt_id))


@app.command("sent", cls=Command, help=N_("Show everything that has left this platform."))
def sent_command(
    as_json: Annotated[bool, typer.Option("--json", help=N_("One JSON object a line, with what was sent."))] = False,
    home: HomeOption = None,
) -> None:
    """Show what left."""
    for line in owner.sent_lines(_home(home), as_json=as_json):
        typer.echo(line)


install_init(app)
install_selftest(app)
owner_commands.install(app)
install_measure(app)
install_keys(app)
install_rotation(app)
install_lending(app)
install_storage(app)


def run(arguments: Sequence[str], settings: AgentSettings | None = None) -> int:
    """Run one command and return its exit code; texts in the language of the settings."""
    set_language((settings or AgentSettings()).language)
    command = typer.main.get_command(app)
    return _guarded(lambda: command.main(args=list(arguments), prog_name="suanlian-agent", standalone_mode=False))


def _guarded(work: Callable[[], object]) -> int:
    try:
        code = work()
    except SuanlianError as error:
        told = [_("Refused ({code}): {wrong}").format(code=error.code, wrong=error)]
        told += [f"  {one.field}: {one.wrong}" for one in error.faults if one.wrong != error.wrong]
        return _complain("\n".join(told), REFUSED)
    except (CryptoError, DriverError, ValueError) as error:
        return _complain(str(error), REFUSED)
    except TyperException as error:
        return _complain(error.format_message().replace("Value error, ", ""), USAGE)
    except OSError as error:
        return _complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), USAGE)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    typer.echo(text, err=True)
    return code


def main() -> None:
    """The command `suanlian-agent`."""
    sys.exit(run(sys.argv[1:]))
