"""Where do the absolute paths of a task lie in the working directory of its job, and what is mounted for them?

A path ``/data/in/a`` lies at ``tes/data/in/a``. The directory above each file is mounted at its own place, so that the
executors find and leave files where the task says. What an image has in such a directory is hidden by it.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.model.demand import MAX_MOUNTS, Mount
from suanlian.model.tes import FileType, TesExecutor, TesOutput, TesTask
from suanlian.rules.tes.errors import bad
from suanlian.rules.tes.script import Pattern

ROOT: Final = "tes"
PROGRAM: Final = ".suanlian/run"
GATHERED: Final = ".suanlian/out"
_SYSTEM: Final = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    *("/lib", "/lib32", "/lib64", "/libx32"),
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
)
_OURS: Final = ("/job", "/run/suanlian")
_BRACKET: Final = re.compile(r"\[!?[A-Za-z0-9._-]+\]")


@dataclass(frozen=True, slots=True)
class Layout:
    """What is mounted, which directories are made, what is brought back."""

    mounts: tuple[Mount, ...]
    directories: tuple[str, ...]
    outputs: tuple[str, ...]
    patterns: tuple[Pattern, ...]


def inside(path: str) -> str:
    """Where an absolute path lies in the working directory."""
    return f"{ROOT}{path}"


def layout(task: TesTask, *, mounts_workdir: bool) -> Layout:
    """Lay a task out. Raises BadTaskError for paths that collide or that no task may use."""
    places = [*_named(task, mounts_workdir=mounts_workdir)]
    for field, path, is_directory in places:
        _check(field, path, is_directory=is_directory)
    _check_inputs(task, [(field, path) for field, path, is_directory in places if is_directory])
    directories = {path if is_directory else posixpath.dirname(path) for _, path, is_directory in places}
    tops = sorted(path for path in directories if not any(_is_below(path, other) for other in directories))
    _check_mounts(places, tops)
    patterns = tuple(
        Pattern(output.path, f"{GATHERED}/{number}")
        for number, output in enumerate(task.outputs or ())
        if output.has_wildcards
    )
    plain = [inside(output.path) for output in task.outputs or () if not output.has_wildcards]
    return Layout(
        mounts=tuple(Mount(path=path, source=inside(path)) for path in tops),
        directories=tuple(sorted(directories)),
        outputs=tuple(dict.fromkeys([*plain, *(pattern.into for pattern in patterns)])),
        patterns=patterns,
    )


def _named(task: TesTask, *, mounts_workdir: bool) -> Iterator[tuple[str, str, bool]]:
    """Every path that is named: the field, the path, and whether it is a directory itself."""
    for number, item in enumerate(task.inputs or ()):
        yield f"inputs.{number}.path", item.path, item.type is FileType.DIRECTORY
    for number, path in enumerate(task.volumes or ()):
        yield f"volumes.{number}", path, True
    for number, output in enumerate(task.outputs or ()):
        yield from _of_output(f"outputs.{number}", output)
    for number, executor in enumerate(task.executors or ()):
        yield from _of_executor(f"executors.{number}", executor, mounts_workdir=mounts_workdir)


def _of_output(field: str, output: TesOutput) -> Iterator[tuple[str, str, bool]]:
    if not output.has_wildcards:
        yield f"{field}.path", output.path, output.type is FileType.DIRECTORY
        return
    if output.path_prefix is None:
        todo = "Say which beginning of the paths is cut off before they are put behind the URL."
        raise bad(f"{field}.path_prefix", "A path with wildcards needs a path_prefix.", todo, "wildcard_misused")
    plain = re.split(r"[*?\[]", output.path, maxsplit=1)[0]
    above = posixpath.dirname(plain) or "/"
    if not f"{above}/".startswith(f"{output.path_prefix.rstrip('/')}/"):
        wrong = f"{output.path_prefix!r} is no beginning of what {output.path!r} matches."
        raise bad(f"{field}.path_prefix", wrong, "Give a directory above the first wildcard.", "wildcard_misused")
    if "[" in _BRACKET.sub("", output.path) or "]" in _BRACKET.sub("", output.path):
        wrong = f"A bracket in {output.path[:80]!r} is open, empty, or has more than letters, digits, '.', '_' and '-'."
        raise bad(f"{field}.path", wrong, "Write [abc], [a-z] or [!a-z].", "wildcard_misused")
    yield f"{field}.path", above, True


def _of_executor(field: str, executor: TesExecutor, *, mounts_workdir: bool) -> Iterator[tuple[str, str, bool]]:
    for name, path in (("stdin", executor.stdin), ("stdout", executor.stdout), ("stderr", executor.stderr)):
        if path is not None and not (name == "stdin" and _is_system(path)):
            yield f"{field}.{name}", path, False
    if mounts_workdir and executor.workdir is not None and executor.workdir != "/" and not _is_system(executor.workdir):
        yield f"{field}.workdir", executor.workdir, True


def _is_below(path: str, other: str) -> bool:
    return path != other and path.startswith(f"{other}/")


def _is_system(path: str) -> bool:
    return any(path == kept or path.startswith(f"{kept}/") for kept in _SYSTEM)


def _check(field: str, path: str, *, is_directory: bool) -> None:
    if any(path == kept or path.startswith(f"{kept}/") for kept in (*_SYSTEM, *_OURS)):
        wrong = f"{path!r} belongs to the system of the image or of the hub."
        raise bad(field, wrong, "Use a directory of the task's own, such as /data.", "paths_collide")
    if path == "/" or (posixpath.dirname(path) == "/" and not is_directory):
        wrong = f"{path!r} lies in the root directory, which is the image's."
        raise bad(field, wrong, "Put it into a directory, such as /data.", "paths_collide")


def _check_inputs(task: TesTask, directories: Sequence[tuple[str, str]]) -> None:
    """An input file is nothing else: no other input, no directory, and nothing lies in it."""
    files = [
        (f"inputs.{number}.path", item.path)
        for number, item in enumerate(task.inputs or ())
        if item.type is FileType.FILE
    ]
    every = [(f"inputs.{number}.path", item.path) for number, item in enumerate(task.inputs or ())]
    for field, path in files:
        others = [(at, other) for at, other in [*every, *directories] if at != field]
        for at, other in others:
            if other == path or _is_below(other, path):
                wrong = f"{path!r} is the input file of {field}, and {at} says {other!r}."
                raise bad(at, wrong, "Give each a path of its own.", "paths_collide")
    _check_twice(every)
    urls = [(f"outputs.{number}.url", output.url) for number, output in enumerate(task.outputs or ())]
    _check_twice([(at, url) for at, url in urls if url != "suanlian:"])


def _check_twice(named: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for field, text in named:
        if text in seen:
            wrong = f"{seen[text]} and {field} both say {text[:200]!r}."
            raise bad(field, wrong, "Give each its own.", "paths_collide")
        seen[text] = field


def _check_mounts(places: Sequence[tuple[str, str, bool]], tops: Sequence[str]) -> None:
    if len(tops) > MAX_MOUNTS:
        wrong = f"The paths lie in {len(tops)} directories, none in another; at most {MAX_MOUNTS} can be mounted."
        raise bad(places[0][0], wrong, "Put files together in fewer directories.", "paths_collide")
