"""The hub's keys: a fresh one in the place of the one in use, and the recovery key, which is handed out once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from suanlian.app import Hub, assemble, database_url, utc_now
from suanlian.commands.home import HomeOption, made_hub, settings_of
from suanlian.crypto.keyring import KEY_FILE, in_use, prepared, set_aside
from suanlian.crypto.keys import KeyPair
from suanlian.crypto.lineage import sign_change
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command
from suanlian.model.errors import ConflictError, InvalidError
from suanlian.model.lineage import KeyChange
from suanlian.services import lineage, nodes
from suanlian.settings import HubSettings
from suanlian.store.engine import open_store
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer

RecoveryOut = Annotated[
    Path | None,
    typer.Option("--recovery-key-out", help=N_("Where to write the recovery key; else it is printed, this once.")),
]
_OVERLAP_DAYS = 30


def hand_out(recovery: KeyPair | None, out: Path | None) -> dict[str, str]:
    """Give the recovery key away: into a file, or as text to be printed. It is kept nowhere else."""
    if recovery is None:
        return {}
    if out is not None:
        recovery.save(out)
        return {"recovery_public_key": recovery.public_text}
    return {"recovery_public_key": recovery.public_text, "recovery_key": recovery.pem.decode()}


def tell_recovery(recovery: KeyPair | None, out: Path | None) -> None:
    """Say where the recovery key is, or print it."""
    told = hand_out(recovery, out)
    if out is not None:
        typer.echo(_("Its recovery key stands in {path}: take it away from this machine.").format(path=out))
    elif told:
        typer.echo(_("Its recovery key, shown this once; keep it away from this machine (suanlian-hub rotate-key):"))
        typer.echo(told["recovery_key"].rstrip())


def rotate(hub: Hub, home: Path, recovery: KeyPair | None = None, **said: Any) -> KeyChange:  # noqa: ANN401 - of KeyChange
    """Take a fresh key in the place of the one in use; ``recovery`` signs the change where it is given.

    ``said``: why, and how long (``overlap``) the old one holds. A hub that serves takes it up within a second or so.
    Raises InvalidError when ``recovery`` is not this hub's recovery key.
    """
    overlap: timedelta = said.pop("overlap")
    fresh, old = prepared(home), hub.node.keypair
    set_aside(home)

    def change(unit: Unit) -> KeyChange:
        node = hub.node
        lineage.begin(unit, node)
        told = lineage.next_change(unit, node, fresh, old_until=unit.now + overlap, **said)
        if recovery is not None:
            _check_recovery(told, recovery)
        lineage.rotate(unit, node, sign_change(told, recovery or old, fresh), fresh)
        return told

    made = hub.writer.run(change, source="command")
    in_use(home, made.new_key)
    return made


def rotate_lost(settings: HubSettings, recovery: KeyPair, **said: Any) -> KeyChange:  # noqa: ANN401 - of KeyChange
    """Take a fresh key where the one in use is gone: the recovery key alone signs. The hub must not serve meanwhile.

    Raises NotFoundError where there is no hub, InvalidError when it is not this hub's recovery key.
    """
    fresh, store = prepared(settings.hub_home), open_store(database_url(settings))

    def change(unit: Unit) -> KeyChange:
        node = nodes.load(unit, fresh)
        told = lineage.next_change(unit, node, fresh, **said)
        _check_recovery(told, recovery)
        lineage.rotate(unit, node, sign_change(told, recovery, fresh), fresh)
        return told

    writer = Writer(store, clock=utc_now, on_commit=lambda _topics: None)
    try:
        made = writer.run(change, source="command")
    finally:
        writer.stop()
        store.close()
    in_use(settings.hub_home, made.new_key)
    return made


def _check_recovery(told: KeyChange, recovery: KeyPair) -> None:
    if told.recovery_key != recovery.public_text:
        wrong = "This is not the recovery key of this hub."
        raise InvalidError("field_invalid", wrong, todo=f"It is {told.recovery_key}.", field="recovery_key")


def _rotate_command(  # noqa: PLR0913, PLR0917 - a command has as many options as people need
    recovery_key: Annotated[
        Path | None,
        typer.Option("--recovery-key", help=N_("Sign by the recovery key of this file: when the key was stolen.")),
    ] = None,
    overlap_days: Annotated[
        int | None,
        typer.Option("--overlap-days", min=0, max=400, help=N_("How long the old key holds: else 30, stolen 0.")),
    ] = None,
    name_recovery_key: Annotated[
        bool, typer.Option("--name-recovery-key", help=N_("Make a recovery key where the hub has none yet."))
    ] = False,
    recovery_key_out: RecoveryOut = None,
    why: Annotated[str, typer.Option("--why", help=N_("The reason; everybody reads it."))] = "",
    home: HomeOption = None,
) -> None:
    recovery = None if recovery_key is None else KeyPair.load(recovery_key)
    settings = settings_of(home)
    if recovery is not None and not (settings.hub_home / KEY_FILE).exists():
        _tell(rotate_lost(settings, recovery, why=why))
        return
    settings = made_hub(home)
    days = overlap_days if overlap_days is not None else (0 if recovery else _OVERLAP_DAYS)
    said: dict[str, Any] = {"overlap": timedelta(days=days), "why": why}
    named = KeyPair.generate() if name_recovery_key else None
    running = assemble(settings)
    try:
        if named is not None:
            with running.hub.reading() as unit:
                if lineage.node_keys(unit, running.hub.node).recovery_key is not None:
                    raise ConflictError("already_done", "The hub has a recovery key.", todo="Leave the option out.")
            said["recovery_key"] = named.public_text
        made = rotate(running.hub, settings.hub_home, recovery, **said)
    finally:
        running.stop_unstarted()
    _tell(made)
    if named is not None:
        tell_recovery(named, recovery_key_out)


def _tell(made: KeyChange) -> None:
    typer.echo(_("The key of the hub is now {key}.").format(key=made.new_key))
    typer.echo(_("Connectors and hubs follow by themselves; the old key holds until {at}.").format(at=made.old_until))


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "rotate-key",
        cls=Command,
        help=N_("Take a fresh key; the hub goes on serving, and everybody follows by signed documents."),
    )(_rotate_command)
