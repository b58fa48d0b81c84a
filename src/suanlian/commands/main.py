"""The command `suanlian-hub`: make a hub, serve it, let its first operator in, enter the hub above.

Exit codes: 0 done; 1 refused; 2 the command was written wrongly.
"""

import gc
import json
import logging
import shlex
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer
import uvicorn
from typer.exceptions import TyperException

from suanlian import __version__
from suanlian.app import Running, alone, assemble, make_app, make_secrets, prepare_store
from suanlian.commands import audit, conformance
from suanlian.commands.home import HomeOption, made_hub, settings_of
from suanlian.commands.initialise import Above, Made, Wish, enrol_above, initialise
from suanlian.commands.keys import RecoveryOut, hand_out, tell_recovery
from suanlian.commands.keys import install as install_keys
from suanlian.crypto.errors import CryptoError
from suanlian.i18n import _, set_language
from suanlian.i18n.help import N_, Command, Group
from suanlian.model.errors import InvalidError, SuanlianError
from suanlian.services import lineage, nodes, parties
from suanlian.settings import HubSettings

REFUSED: Final = 1
USAGE: Final = 2
_GRACE_S: Final = 5
_YOUNG_OBJECTS: Final = 20_000

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help=N_("One node of the interconnect."),
)


@app.callback()
def _program() -> None:
    pass


@app.command("version", cls=Command, help=N_("Show the version."))
def version() -> None:
    """Show the version."""
    typer.echo(f"suanlian-hub {__version__}")


@app.command(
    "init", cls=Command, help=N_("Make a hub: its key, its store, its prefix, the link for its first operator.")
)
def init(  # noqa: PLR0913, PLR0917 - a command has as many options as people need
    name: Annotated[str, typer.Option(help=N_("The hub's name."))],
    url: Annotated[str, typer.Option(help=N_("Where the hub will be reached."))],
    prefix: Annotated[str | None, typer.Option(help=N_("A root hub's own prefix, such as CN."))] = None,
    upstream: Annotated[
        str | None, typer.Option(help=N_("The hub above: its address and its key, URL#ed25519:..."))
    ] = None,
    join_token: Annotated[str | None, typer.Option(help=N_("The join token of the hub above, jt_..."))] = None,
    recovery_key_out: RecoveryOut = None,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help=N_("Print JSON."))] = False,
) -> None:
    """Make a hub."""
    made = initialise(settings_of(home), Wish(name, url, prefix, _above(upstream, join_token)))
    if as_json:
        typer.echo(json.dumps(_told(made) | hand_out(made.recovery, recovery_key_out)))
        return
    typer.echo(_("Hub {name} with the prefix {prefix}.").format(name=made.node.name, prefix=made.node.prefix))
    typer.echo(_("Its public key: {key}").format(key=made.node.keypair.public_text))
    if made.warning:
        typer.echo(_("The hub above was not reached, the prefix is provisional: {why}").format(why=made.warning))
        typer.echo(_("Later: suanlian-hub join. Identifiers that are issued until then stay resolvable."))
    tell_recovery(made.recovery, recovery_key_out)
    typer.echo(_("Start it: {command}").format(command=_serving(home)))
    typer.echo(_("First operator, within a day: suanlian claim {url} {link}").format(url=url, link=made.link))


def _serving(home: Path | None) -> str:
    return "suanlian-hub serve" if home is None else f"suanlian-hub serve --home {shlex.quote(str(home))}"


def _above(upstream: str | None, token: str | None) -> Above | None:
    if upstream is None and token is None:
        return None
    if upstream is None or token is None:
        wrong = "--upstream and --join-token belong together."
        raise InvalidError("field_invalid", wrong, todo="Give both, or --prefix for a root hub.")
    address, _sharp, key = upstream.partition("#")
    return Above(address, token, key or None)


def _told(made: Made) -> dict[str, object]:
    node = made.node
    return {
        "hub_id": node.id,
        "name": node.name,
        "url": node.url,
        "prefix": node.prefix,
        "provisional": node.provisional,
        "public_key": node.keypair.public_text,
        "link": made.link,
        "warning": made.warning,
    }


@app.command("serve", cls=Command, help=N_("Serve until SIGTERM or Ctrl-C."))
def serve(
    host: Annotated[
        str, typer.Option(help=N_("The address to listen at; without TLS a loopback address."))
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help=N_("The port to listen at."))] = 8420,
    tls_cert: Annotated[Path | None, typer.Option(help=N_("The TLS certificate chain, PEM."))] = None,
    tls_key: Annotated[Path | None, typer.Option(help=N_("The TLS private key, PEM."))] = None,
    home: HomeOption = None,
) -> None:
    """Serve."""
    _loopback_or_tls(host, tls_cert, tls_key)
    settings = made_hub(home)
    with alone(settings.hub_home):
        _serve(settings, {"host": host, "port": port, "ssl_certfile": tls_cert, "ssl_keyfile": tls_key})


def _serve(settings: HubSettings, door: Mapping[str, Any]) -> None:
    prepare_store(settings)
    running = assemble(settings)
    # a hub that was made before keys were written down begins to do so now
    running.hub.writer.run(lambda unit: lineage.begin(unit, running.hub.node), source="command")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("stamina").setLevel(logging.ERROR)
    config = uvicorn.Config(
        make_app(running),
        **door,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=4096,
    )
    typer.echo(_("Hub at {host}:{port}.").format(**door))
    # What was made until here lives as long as the process: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    _Server(config, running).run()


class _Server(uvicorn.Server):
    """Answers the long-polls at once when it is told to stop."""

    def __init__(self, config: uvicorn.Config, running: Running) -> None:
        super().__init__(config)
        self._running = running

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop has come."""
        self._running.hub.wakeups.close()
        super().handle_exit(sig, frame)


def _loopback_or_tls(host: str, cert: Path | None, key: Path | None) -> None:
    if cert is not None and key is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        except OSError as error:
            wrong = f"The TLS certificate {cert} and key {key} cannot be used: {error.strerror or error}."
            raise InvalidError("field_invalid", wrong, todo="Give a chain and its own key in PEM.") from error
        return
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback or cert is not None or key is not None:
        wrong = f"Without TLS the hub listens at a loopback address only, not at {host}."
        raise InvalidError("not_over_loopback", wrong, todo="Give --tls-cert and --tls-key, or --host 127.0.0.1.")


@app.command("link", cls=Command, help=N_("Make a fresh one-time link while there is no operator yet."))
def link(home: HomeOption = None) -> None:
    """Make a link."""
    settings = made_hub(home)
    running = assemble(settings)
    try:
        secrets = make_secrets(settings.hub_home)
        text = running.hub.writer.run(lambda unit: parties.make_link(unit, secrets))
        typer.echo(f"suanlian claim {running.hub.node.url} {text}")
    finally:
        running.stop_unstarted()


@app.command("join", cls=Command, help=N_("Enter the hub above, when it was not reached at init. Stop the hub first."))
def join(
    upstream: Annotated[str, typer.Argument(help=N_("The hub above: its address and its key, URL#ed25519:..."))],
    join_token: Annotated[str, typer.Option(help=N_("The join token of the hub above, jt_..."))],
    home: HomeOption = None,
) -> None:
    """Enter the hub above."""
    running = assemble(made_hub(home))
    try:
        above = _above(upstream, join_token)
        if above is not None:
            enrol_above(running.hub, above)
        typer.echo(_("The prefix is now {prefix}.").format(prefix=running.hub.node.prefix))
    finally:
        running.stop_unstarted()


@app.command("status", cls=Command, help=N_("Show the hub's name, prefix and uplinks."))
def status(home: HomeOption = None) -> None:
    """Show what the hub is."""
    running = assemble(made_hub(home))
    try:
        with running.hub.reading() as unit:
            typer.echo(nodes.about(unit, running.hub.node, __version__).model_dump_json(indent=2))
    finally:
        running.stop_unstarted()


conformance.install(app)
audit.install(app)
install_keys(app)


def _run(program: Callable[..., object], arguments: Sequence[str] | None) -> int:
    try:
        result = program(args=arguments, prog_name="suanlian-hub", standalone_mode=False)
    except TyperException as error:
        typer.echo(error.format_message(), err=True)
        return USAGE
    except SuanlianError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        return REFUSED
    except CryptoError as error:
        typer.echo(str(error), err=True)
        return REFUSED
    return result if isinstance(result, int) else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point."""
    set_language(HubSettings().language)
    sys.exit(_run(app, arguments))


if __name__ == "__main__":
    main()
