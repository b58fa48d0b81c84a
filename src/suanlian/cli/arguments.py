"""Arguments that several commands take."""

from typing import Annotated

import typer

from suanlian.i18n.help import N_
from suanlian.model.party import Scope

JobName = Annotated[
    str,
    typer.Argument(metavar="JOB", help=N_("The job: its identifier, UUID or name, or a beginning that no other has.")),
]
Index = Annotated[int, typer.Option("--index", metavar="N", min=0, help=N_("Which task of an array, from 0."))]
PlatformName = Annotated[str, typer.Argument(metavar="PLATFORM", help=N_("The platform's name or identifier."))]
OfPlatform = Annotated[
    str | None, typer.Option("--platform", metavar="PLATFORM", help=N_("Only of this platform, by name."))
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help=N_("The reason; it is kept, and its owner reads it."))]
Reference = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help=N_("The document in which it stands, such as its number."))
]
ScopeOptions = Annotated[
    list[Scope] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help=N_("What the key opens: all, read, jobs, platforms, keys, admin; may be repeated, all if left out."),
    ),
]
