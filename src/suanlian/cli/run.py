"""A command that feels like running here: files in, live output, exit code out, Ctrl-C cancels."""

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from suanlian.cli.datajobs import Reads, Saves, data_fields
from suanlian.cli.following import Follower, Stream
from suanlian.cli.output import AsJson, plain, print_json, remark
from suanlian.cli.session import open_hub
from suanlian.cli.specfile import carried
from suanlian.cli.waiting import warn_of_never
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import ConflictError, SuanlianError
from suanlian.model.job import Job, JobSpec, JobState
from suanlian.model.performance import Architecture
from suanlian.sdk.client import Client
from suanlian.sdk.live import News, exit_code
from suanlian.sdk.objects import check_size
from suanlian.sdk.quick import Software, quick_spec

commands = nouns()

OWN_FAILURE: Final = 125
"""What failed was not the program."""
CANCELLED: Final = 130
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STDIN: Final = "stdin"
_NAMED: Final = 10
"""So many files are named."""

Files = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="FILE[:PATH]", help=N_("A file or directory that it finds there; repeatable.")
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", metavar="PATH", help=N_("A file or directory to bring back; repeatable.")),
]


@commands.command(
    "run",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Run a command on some platform as if it ran here."),
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
def _run(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help=N_("The program and its arguments."))],
    inputs: Files = None,
    outputs: Outputs = None,
    data: Reads = None,
    save: Saves = None,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help=N_("Where what it brings back is put."))] = Path(),
    environment: Annotated[
        str | None, typer.Option("--environment", metavar="NAME", help=N_("In which named environment."))
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="IMAGE", help=N_("In which image, by its digest."))
    ] = None,
    architecture: Annotated[
        list[Architecture] | None, typer.Option("--architecture", metavar="ARCH", help=N_("Only there; repeatable."))
    ] = None,
    cpu: Annotated[str, typer.Option("--cpu", metavar="CORES", help=N_("Cores."))] = "1",
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help=N_("Memory, such as 512MiB."))] = "1GiB",
    disk: Annotated[str | None, typer.Option("--disk", metavar="SIZE", help=N_("Disk, such as 10GiB."))] = None,
    accelerator: Annotated[str | None, typer.Option("--accelerator", metavar="CARDS", help=N_("Accelerators."))] = None,
    chip: Annotated[
        str | None, typer.Option("--chip", metavar="FAMILY", help=N_("Only this family of accelerators."))
    ] = None,
    nodes: Annotated[int, typer.Option("--nodes", metavar="N", min=1, help=N_("So many nodes at once."))] = 1,
    time: Annotated[
        str, typer.Option("--time", metavar="TIME", help=N_("At most so long: 90, 90s, 30m, 2h, 1d."))
    ] = "1h",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME=VALUE", help=N_("An environment variable; repeatable.")),
    ] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="PLATFORM", help=N_("Only on this platform."))] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help=N_("The job's name."))] = None,
    network: Annotated[bool, typer.Option("--network", help=N_("It may use the network."))] = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help=N_("Pass standard input on, read to its end before it starts."))
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help=N_("Submit it and print its identifier."))] = False,
    as_json: AsJson = False,
) -> None:
    if as_json and not detach:
        raise typer.BadParameter(_("--json needs --detach: else the output is the program's own."))
    asked = {"cpu": cpu, "memory": memory, "disk": disk, "accelerator": accelerator}
    fields: dict[str, object] = {
        "name": name or _name_of(command[0]),
        "resources": {kind: amount for kind, amount in asked.items() if amount is not None},
        "wall_time_s": _seconds(time),
        "env": dict(_pair(text) for text in env or ()),
        "wants": {} if on is None else {"platform": on},
    }
    fields |= {"outputs": outputs or [], "network": network, "nodes": nodes, **data_fields(data, save)}
    software = Software(environment, image, tuple(architecture or ()), chip)
    job, spec = _submit(command, software, fields, (inputs or [], stdin))
    if detach:
        if as_json:
            print_json(plain(job))
        else:
            typer.echo(job.public_id or job.id)
        return
    raise typer.Exit(_Run(job, spec, into).to_its_end())


def _submit(
    command: Sequence[str], software: Software, fields: dict[str, object], given: tuple[Sequence[str], bool]
) -> tuple[Job, JobSpec]:
    """Submit it with the files that are named and, where that is asked, what comes in."""
    named, stdin = given
    with open_hub() as hub:
        files = [*_files(named), *([(_STDIN, sys.stdin.buffer.read())] if stdin else [])]
        fields["inputs"] = [{"path": path, **carried(data, hub.objects.upload)} for path, data in files]
        spec = quick_spec(hub.catalogue, _with_stdin(command) if stdin else command, software, **fields)
        job = hub.jobs.submit(spec)
        warn_of_never(hub, job, spec)
        return job, spec


def _with_stdin(command: Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", f'exec "$@" <{_STDIN}', "sh", *command]


def _name_of(program: str) -> str:
    name = re.sub(r"[^a-z0-9._-]", "-", Path(program).name.lower()).strip("._-")[:63].strip("._-")
    return name or "run"


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,7})([smhd]?)", text)
    if found is None:
        raise typer.BadParameter(_("{text!r} is no time: write 90, 90s, 30m, 2h or 1d.").format(text=text))
    return int(found[1]) * _UNITS_S[found[2] or "s"]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(_("{text!r} is no NAME=VALUE.").format(text=text))
    return name, value


def _files(named: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Each file as FILE, laid out under its name, or FILE:PATH; of a directory all that is in it."""
    for text in named:
        here, colon, there = text.rpartition(":")
        source, target = (Path(here), there) if colon and not Path(text).exists() else (Path(text), "")
        below = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        base = target or source.resolve().name
        for path in below:
            check_size(path.stat().st_size, str(path))
            yield (f"{base}/{path.relative_to(source).as_posix()}" if source.is_dir() else base), path.read_bytes()


@dataclass(slots=True)
class _Run:
    """One job from its submission to its exit code here."""

    job: Job
    spec: JobSpec
    into: Path
    asked: int = 0
    """How often its end was asked for from here."""
    _done: int = 0
    _old: dict[int, object] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return self.job.public_id or self.job.id

    def to_its_end(self) -> int:
        """Follow it, bring back what it made; the exit code."""
        remark(f"-- {self.ref}")
        shown = {"stdout": Stream(sys.stdout), "stderr": Stream(sys.stderr)}
        follower = Follower(self.job.id, 0, shown)
        with self._signals():
            try:
                last = follower.follow(self._on_turn)
            except _LeaveError:
                remark(_("It is being cancelled; see suanlian show {job}").format(job=self.ref))
                if self.spec.outputs:
                    remark(_("What it had made by then: suanlian outputs {job} DIR").format(job=self.ref))
                return CANCELLED
            except SuanlianError as error:
                remark(str(error))
                remark(_("The job goes on. Look at it again: suanlian logs -f {job}").format(job=self.ref))
                return OWN_FAILURE
            return self._finish(last)

    def _finish(self, last: News | None) -> int:
        if last is None:
            return OWN_FAILURE
        brought = self._fetch() if self.spec.outputs else []
        if last.task.state is JobState.CANCELED:
            self._tell_what_was_left(brought)
            return CANCELLED
        code = exit_code(last.task)
        if code is None or last.task.state is JobState.SYSTEM_ERROR:
            return OWN_FAILURE
        if last.task.state is not JobState.COMPLETE and code == 0:
            return OWN_FAILURE  # the program ended well, what it was to bring did not come
        return OWN_FAILURE if brought is None else code

    def _fetch(self) -> list[str] | None:
        """The paths of what was brought; None where that did not work."""
        brought = []
        try:
            with open_hub() as hub:
                for file in hub.jobs.outputs(self.job.id, 0):
                    hub.jobs.download(self.job.id, file, self.into, overwrite=True)
                    brought.append(file.path)
        except (SuanlianError, OSError) as error:
            remark(_("What it made was not fetched: {why}").format(why=error))
            remark(_("Fetch it again: suanlian outputs {job} DIR").format(job=self.ref))
            return None
        return brought

    def _tell_what_was_left(self, brought: Sequence[str] | None) -> None:
        """Of a cancelled job: that all it wrote was shown, what came back of what it had made, and what did not."""
        if brought is None:  # it was told why
            return
        named = ", ".join(brought[:_NAMED]) + (", ..." if len(brought) > _NAMED else "")
        remark(_("-- all that it wrote by then is shown; brought back: {names}").format(names=named or _("nothing")))
        missing = [path for path in self.spec.outputs if not any(f"{one}/".startswith(f"{path}/") for one in brought)]
        if missing:
            remark(_("-- was not there when it ended: {names}").format(names=", ".join(missing[:_NAMED])))

    def _on_turn(self) -> None:
        if self.asked > 1:
            raise _LeaveError
        if self.asked > self._done:
            self._done = self.asked
            remark(_("-- cancelling; once more leaves it at that. Nothing is charged after its end."))
            with open_hub() as hub:
                _cancel(hub, self.job.id)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(_number: int, _frame: FrameType | None) -> None:
            self.asked += 1

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _LeaveError(Exception):
    """Whoever waits leaves it at the cancelling."""


def _cancel(hub: Client, job: str) -> None:
    try:
        hub.jobs.cancel(job)
    except ConflictError:  # it has ended meanwhile
        return
