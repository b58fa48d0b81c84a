"""The options of `suanlian simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.i18n.help import N_
from suanlian.twin.request import Axis, Estimates, Partner, Unit

TraceFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="TRACE",
        help=N_("A recorded demand: .csv, .swf (also .gz) or .parquet; the recording that ships if left out."),
    ),
]
Rho = Annotated[
    float,
    typer.Option(
        "--rho", metavar="X", help=N_("Load to which platforms are sized by their own demand, 0.7 if left out.")
    ),
]
Portable = Annotated[
    float,
    typer.Option("--portable", metavar="F", help=N_("Share of jobs that may run elsewhere, 0 to 1; all if left out.")),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help=N_("A strategy: alone, pooled, fifo, skip, suanlian; may be repeated; all but fifo if left out."),
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", metavar="N", min=0, help=N_("Generate so many jobs."))]
Platforms = Annotated[int, typer.Option("--platforms", metavar="M", min=0, help=N_("Generate so many platforms."))]
Owners = Annotated[
    int, typer.Option("--owners", metavar="N", min=0, help=N_("Owners of generated platforms; one each if left out."))
]
Drawn = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME=X,...", help=N_("More of what is drawn, such as hours_median=3,unevenness=0.5.")
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help=N_("Seed of all that is drawn."))]
Nodes = Annotated[
    str, typer.Option("--nodes", metavar="NAME=N,...", help=N_("Nodes of the platforms; mine=N with --mine."))
]
NodeUnits = Annotated[
    int, typer.Option("--node-units", metavar="N", min=0, help=N_("Accelerators of a node, 8 if left out."))
]
Known = Annotated[
    Estimates,
    typer.Option(
        "--estimates",
        help=N_("What is known of durations: own (of the trace), or synthetic: exact, double, lognormal."),
    ),
]
DataGb = Annotated[
    float, typer.Option("--data-gb", metavar="GB", min=0, help=N_("Give each job data, log-normal about so much."))
]
Gbps = Annotated[float, typer.Option("--gbps", metavar="X", help=N_("Speed of all links, Gbit/s; 10 if left out."))]
MoveS = Annotated[
    float | None,
    typer.Option(
        "--move-s", metavar="S", help=N_("What every move costs, seconds; the policy's, else 600 if left out.")
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help=N_("Weights of suanlian: what `suanlian market policy --json` prints, or some, YAML or JSON."),
    ),
]
Sweeps = Annotated[
    list[Axis] | None,
    typer.Option("--sweep", help=N_("Go over a range too: load, portability, link, move, green; may be repeated.")),
]
WhatIfs = Annotated[
    list[str] | None,
    typer.Option(
        "--what-if",
        metavar="CHANGE",
        help=N_("Simulate a change too, such as wuhu+500 or link:zhongwei*2; may be repeated."),
    ),
]
MineFile = Annotated[
    Path | None,
    typer.Option("--mine", metavar="FILE", help=N_("Your own queue: the output of sacct -P, beside assumed partners.")),
]
UnitOf = Annotated[
    Unit, typer.Option("--unit", help=N_("What of --mine is counted: gpu, cpu; auto: GPUs where any job has one."))
]
PartnerOf = Annotated[
    Partner,
    typer.Option("--partner", help=N_("With whom --mine is federated: recorded, generated; auto: recorded for GPUs.")),
]
Price = Annotated[
    float,
    typer.Option(
        "--price", metavar="CNY", help=N_("What an hour of one GPU or core of --mine is sold at; 1.8 if left out.")
    ),
]
PageFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help=N_("Write a page with pictures, both languages."))
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help=N_("Write all figures as JSON; - prints them."))
]
KeepFile = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help=N_("Write the demand as Parquet, to run it again."))
]
