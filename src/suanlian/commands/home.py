"""Which hub is meant: its home directory, by option or by the environment."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.app import KEY_FILE
from suanlian.i18n.help import N_
from suanlian.model.errors import NotFoundError
from suanlian.settings import HubSettings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help=N_("The hub's state directory; else SUANLIAN_HUB_HOME, else ./suanlian-hub.")),
]


def settings_of(home: Path | None) -> HubSettings:
    """The settings with this home."""
    return HubSettings() if home is None else HubSettings(hub_home=home.absolute())


def made_hub(home: Path | None) -> HubSettings:
    """The settings of a hub that was made. Raises NotFoundError."""
    settings = settings_of(home)
    if not (settings.hub_home / KEY_FILE).exists():
        wrong = f"There is no hub in {settings.hub_home}."
        raise NotFoundError("not_found", wrong, todo="Make one with `suanlian-hub init`, or give its --home.")
    return settings
