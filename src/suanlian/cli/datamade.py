"""A dataset is made when something is first put into it; what is said of it later has to be what holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.model.data import NewDataset
from suanlian.model.dataset_api import Dataset
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.reading import read
from suanlian.sdk.client import Client

LevelOption = Annotated[
    int | None,
    typer.Option(
        "--level", metavar="N", min=1, max=4, help=N_("1 public, 2 internal (unless said), 3 sensitive, 4 regulated.")
    ),
]
Residency = Annotated[
    list[str] | None,
    typer.Option("--residency", metavar="REGION", help=N_("It lies only within this region, such as 31; repeatable.")),
]
Title = Annotated[str | None, typer.Option("--title", metavar="TEXT", help=N_("What it is, in a line."))]
Public = Annotated[bool, typer.Option("--public", help=N_("Every account may read it; only data of level 1."))]


@dataclass(frozen=True, slots=True)
class Said:
    """What a command says of a dataset; left out: nothing."""

    level: int | None = None
    residency: Sequence[str] = ()
    title: str = ""
    public: bool = False


def made(hub: Client, name: str, asked: Said) -> Dataset:
    """One's dataset of this name, made where there is none.

    Raises ConflictError ``state_conflict`` where it is there and has another level or residency than is said.
    """
    said = {"name": name, "title": asked.title, "public": asked.public, "residency": asked.residency}
    new = read(NewDataset, said if asked.level is None else {**said, "level": asked.level})
    try:
        found = hub.data.show(name)
    except NotFoundError:
        return hub.data.make(new)
    differs = (
        (asked.level is not None and found.level != asked.level)
        or (bool(asked.residency) and set(found.residency) != set(new.residency))
        or (asked.public and not found.public)
    )
    if differs:
        raise ConflictError(
            "state_conflict",
            _("{name} is there with level {level}, within {regions}, public: {public}; that does not change.").format(
                name=name, level=found.level, regions=", ".join(found.residency) or _("everywhere"), public=found.public
            ),
            todo=_("Leave these options out, or choose another name."),
            field="name",
        )
    return found
