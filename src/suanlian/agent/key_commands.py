"""The commands of the connector's key: a fresh one in its place, and recovery by a token of the owner's."""

import shutil
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.agent.arguments import HomeOption
from suanlian.agent.arguments import home as home_of
from suanlian.agent.build import is_running, locked, utc_now
from suanlian.agent.config import Home, read_config
from suanlian.agent.enrol import identity_of, keep_identity, read_identity
from suanlian.agent.journal import SentJournal
from suanlian.agent.keys import Keykeeper
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command
from suanlian.model.errors import ConflictError
from suanlian.model.rekey import RecoverCall
from suanlian.sdk.connector import ConnectorClient, Link, Means, about
from suanlian.sdk.transport import Route, open_client

_WAIT_S: Final = 30
_LOOK_S: Final = 0.2


def rotate_key(home: Home) -> bool:
    """Make the next key and introduce it; a running agent does that and is waited for. Whether it is done."""
    read_identity(home)
    if not home.next_key.exists():
        KeyPair.generate().save(home.next_key)
    if not is_running(home):
        with locked(home):
            _introduce(home)
        return True
    for _round in range(int(_WAIT_S / _LOOK_S)):
        if not home.next_key.exists():
            return True
        time.sleep(_LOOK_S)
    return False


def _introduce(home: Home) -> None:
    config, identity = read_config(home.config), read_identity(home)
    journal = SentJournal(home.sent, utc_now, config.sent)
    try:
        with open_client(Route(config.proxy, config.ca_file)) as http:
            hub_key = PublicKey.parse(identity.hub_key)
            link = Link(config.hub, hub_key, KeyPair.load(home.key), keyid=identity.connector_id)
            keeper = Keykeeper(home, ConnectorClient(link, Means(http, utc_now, journal.record)))
            keeper.follow()
            keeper.rotate()
    finally:
        journal.close()


def recover(home: Home, token: str, config_file: Path | None, hub_key: str | None) -> KeyPair:
    """Take the connector of this file up with a fresh key; what is in the state directory goes on.

    Raises the errors of `ConnectorClient`, ConflictError while the agent runs or when the token is another platform's.
    """
    home.root.mkdir(mode=0o711, parents=True, exist_ok=True)
    with locked(home):
        if config_file is not None and config_file.resolve() != home.config.resolve():
            shutil.copyfile(config_file, home.config)
            home.config.chmod(0o600)
        config = read_config(home.config)
        known = read_identity(home) if home.identity.exists() else None
        if not home.next_key.exists():
            KeyPair.generate().save(home.next_key)
        fresh, journal = KeyPair.load(home.next_key), SentJournal(home.sent, utc_now, config.sent)
        try:
            with open_client(Route(config.proxy, config.ca_file)) as http:
                key = hub_key or (known.hub_key if known else about(http, config.hub).public_key)
                link = Link(config.hub, PublicKey.parse(key), fresh, keyid=fresh.public_text)
                client = ConnectorClient(link, Means(http, utc_now, journal.record))
                call = RecoverCall(token=token, name=config.connector, public_key=fresh.public_text)
                answer = client.recover(call)
        finally:
            journal.close()
        if known is not None and known.connector_id != answer.connector_id:
            wrong = "The token is for another connector than the one in this directory."
            raise ConflictError("state_conflict", wrong, todo="Use a directory of its own.")
        home.next_key.replace(home.key)
        keep_identity(identity_of(answer, config), home.identity)
    return fresh


def _rotate_command(home: HomeOption = None) -> None:
    """Take a fresh key."""
    place = home_of(home)
    if rotate_key(place):
        key = KeyPair.load(place.key).public_text
        typer.echo(_("The connector's key is now {key}.").format(key=key))
    else:
        typer.echo(_("The next key is made; the running agent introduces it when the hub is there."))


def _recover_command(
    token: Annotated[str, typer.Option("--token", help=N_("The token of `suanlian identifier recover`, jt_..."))],
    config: Annotated[
        Path | None, typer.Option("--config", help=N_("The file agent.toml, where the state directory is lost."))
    ] = None,
    hub_key: Annotated[
        str | None, typer.Option("--hub-key", help=N_("The hub's public key; else the one that was pinned."))
    ] = None,
    home: HomeOption = None,
) -> None:
    """Take the connector up again."""
    fresh = recover(home_of(home), token, config, hub_key)
    typer.echo(_("The connector is taken up again, with the key {key}.").format(key=fresh.public_text))


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rotate-key", cls=Command, help=N_("Take a fresh key; jobs and reports go on."))(_rotate_command)
    app.command(
        "recover", cls=Command, help=N_("Take the connector up with a fresh key, when its key was lost or stolen.")
    )(_recover_command)
