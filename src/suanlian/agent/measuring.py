"""`suanlian-agent measure`: what does this machine do? Measured here, shown, signed and sent to the hub.

The measuring is a process of its own (``suanlian.probe.measure``), bound to the cores that a node of the flavor has.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from suanlian.agent.build import opened, utc_now
from suanlian.agent.config import Home
from suanlian.agent.desk import Desk
from suanlian.agent.host import host_of
from suanlian.agent.inventory import Told, published
from suanlian.crypto.documents import sign_document
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command
from suanlian.model.errors import NotFoundError, SuanlianError
from suanlian.model.measurement import MEASUREMENT_TYPE, UNITS, Measurement, MeasurementCall, Reading
from suanlian.model.performance import Grade
from suanlian.model.platform import Flavor
from suanlian.settings import AgentSettings

_TOO_LONG_S: Final = 1800.0
_SAMPLES: Final = 5
_MILLI: Final = 1000


HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help=N_("The agent's state directory; else SUANLIAN_AGENT_HOME, else ./suanlian-agent.")),
]


def install(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("measure", cls=Command, help=N_("Measure what this machine does, show it and send it to the hub."))(
        measure_command
    )


def measure_command(
    flavor: Annotated[str | None, typer.Option(help=N_("Only this flavor; else all that are published."))] = None,
    sample_s: Annotated[float, typer.Option(min=0.01, max=60, help=N_("Seconds of one sample."))] = 0.5,
    keep: Annotated[bool, typer.Option("--keep", help=N_("Show the figures, send nothing."))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=N_("Print the measurements as JSON."))] = False,
    home: HomeOption = None,
) -> None:
    """Measure, show, send."""
    place = Home((home or AgentSettings().agent_home).absolute())
    with opened(place, utc_now) as desk:
        made = list(measurements(desk, flavor, sample_s, place.root))
        if as_json:
            typer.echo(json.dumps([one.model_dump(mode="json") for one in made], indent=2))
        else:
            for line in shown(made):
                typer.echo(line)
        if keep:
            return
        for one in made:
            taken = desk.hub.measurements(signed(desk, one)).taken
            if not as_json:
                text = _("Flavor {flavor}: {count} figures taken by hub {hub}.")
                typer.echo(text.format(flavor=one.flavor, count=taken, hub=desk.identity.hub_name))


def measurements(desk: Desk, name: str | None, sample_s: float, directory: Path) -> Iterator[Measurement]:
    """One measurement a flavor; flavors that take the same cores share one run. Raises NotFoundError."""
    status = desk.driver.probe()
    described = desk.driver.describe() if status.ready else ()
    flavors = published(desk.config, described, Told(desk.word.policy, status), desk.home.config).flavors
    chosen = [flavor for flavor in flavors if name in (None, flavor.name)]
    if not chosen:
        todo = "Published are: " + ", ".join(flavor.name for flavor in flavors)
        raise NotFoundError("no_such_flavor", f"This platform publishes no flavor {name!r}.", todo=todo)
    runs: dict[tuple[int, bool], Mapping[str, Any]] = {}
    for flavor in chosen:
        cores = cores_of(flavor)
        what = (cores, has_cards(flavor))
        if what not in runs:
            runs[what] = run(cores, sample_s, directory, accelerators=what[1])
        yield measurement(desk, flavor, cores, runs[what])


def cores_of(flavor: Flavor) -> int:
    """How many whole cores are measured: those of a node, as far as they are here; at least one."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, flavor.node.cpu // _MILLI))


def has_cards(flavor: Flavor) -> bool:
    """Whether the flavor names cards that are in the machine."""
    simulated = flavor.simulated or (flavor.chip is not None and flavor.chip.grade is Grade.SIMULATED)
    return bool(flavor.node.accelerator) and not simulated


def run(cores: int, sample_s: float, directory: Path, *, accelerators: bool) -> Mapping[str, Any]:
    """Measure in a process of its own that keeps to so many cores; what it printed. Raises SuanlianError."""
    values: dict[str, object] = {"cores": cores, "threads": cores, "samples": _SAMPLES, "sample_s": sample_s}
    values |= {"directory": str(directory), "accelerators": accelerators, "bind": True}
    command = [sys.executable, "-m", "suanlian.probe.main", "measure", json.dumps(values)]
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdout=said, stderr=subprocess.PIPE, timeout=_TOO_LONG_S, check=False)  # noqa: S603 - our own program
        said.seek(0)
        text = said.read()
    if done.returncode:
        wrong = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        todo = "It needs numpy: install suanlian[probe]."
        raise SuanlianError("engine_failed", f"The measuring program failed: {wrong[0]}.", todo=todo)
    found: Mapping[str, Any] = json.loads(text)
    return found


def measurement(desk: Desk, flavor: Flavor, cores: int, said: Mapping[str, Any]) -> Measurement:
    """What a run says of one flavor."""
    environment = {name.lower(): str(value)[:2000] for name, value in said["environment"].items() if value}
    return Measurement(
        connector_id=desk.identity.connector_id,
        platform_id=desk.identity.platform_id,
        flavor=flavor.name,
        host=host_of(desk.identity.hub_id),
        cores=Decimal(cores),
        program=said["program"],
        environment=environment,
        measured_at=desk.clock(),
        readings=tuple(_reading(row) for row in said["readings"]),
    )


def _reading(row: Mapping[str, Any]) -> Reading:
    value = median(Decimal(sample) for sample in row["samples"])
    return Reading.model_validate({**row, "value": f"{value:.9f}"})


def signed(desk: Desk, made: Measurement) -> MeasurementCall:
    """The measurement as it is sent."""
    signature = sign_document(made.model_dump(mode="json"), desk.keypair, typ=MEASUREMENT_TYPE)
    return MeasurementCall(measurement=made, signature=signature)


def shown(made: Sequence[Measurement]) -> Iterator[str]:
    """The figures for people: the median, and between what the samples lie."""
    for one in made:
        yield _("{flavor}, on {cores} cores:").format(flavor=one.flavor, cores=f"{one.cores:f}")
        for reading in one.readings:
            what = f"{reading.metric} {reading.precision or ''}".strip()
            device = "" if reading.device == "cpu" else f" ({reading.device})"
            low, high = min(reading.samples), max(reading.samples)
            yield f"  {what}{device}: {reading.value:.3f} {UNITS[reading.metric]}  [{low:.3f} - {high:.3f}]"
