"""The hub's keys: the recovery key that is handed out once."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.crypto.keys import KeyPair
from suanlian.i18n import _
from suanlian.i18n.help import N_

RecoveryOut = Annotated[
    Path | None,
    typer.Option("--recovery-key-out", help=N_("Where to write the recovery key; else it is printed, this once.")),
]


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
