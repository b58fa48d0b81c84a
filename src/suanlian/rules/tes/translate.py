"""A task becomes a job: its images environments, its paths mounts, its executors one program, its files inputs."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.model.findings import first_finding
from suanlian.model.job import Input, JobSpec, Variant
from suanlian.model.performance import Architecture
from suanlian.model.tes import KEPT_SCHEME, Fetch, FileType, NewTesTask, TesInput, TesKept, TesResources, TesTask
from suanlian.rules.images import Reference
from suanlian.rules.tes import parameters, paths
from suanlian.rules.tes.addresses import check_address, pinned, scheme, shown_address
from suanlian.rules.tes.errors import bad
from suanlian.rules.tes.script import Runner
from suanlian.rules.tes.software import KnownSoftware

_INLINE: Final = 16 * 1024
"""A content longer than this is kept as an object: specs are told to connectors whole."""
_MAX_VARIANTS: Final = 16
_MAX_NAME: Final = 63
_COMMAND: Final = ("/bin/sh", paths.PROGRAM)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is: images, names of places; and the nonce of this task, which nobody can have guessed."""

    software: KnownSoftware
    where: parameters.Where
    nonce: str


@dataclass(frozen=True, slots=True)
class Translated:
    """The job of a task, the objects that its inputs are, and what is kept of the task."""

    spec: JobSpec
    objects: dict[str, bytes]
    kept: TesKept


def translated(new: NewTesTask, around: Surroundings) -> Translated:
    """Translate. Raises BadTaskError with the field at fault."""
    task, asked = new.asked(), new.resources or TesResources()
    found = parameters.terms(asked, around.where)
    variants, software = _variants(task, around.software, found)
    by_digest = any(variant.image is not None for variant in variants)
    laid = paths.layout(task, mounts_workdir=not by_digest)
    runner = Runner(task.executors or (), laid.directories, laid.patterns, paths.ROOT, around.nonce)
    inputs, objects, fetches = _inputs(task, runner)
    for number, output in enumerate(task.outputs or ()):
        check_address(f"outputs.{number}.url", output.url)
    fields = {"inputs": inputs, "outputs": laid.outputs, "mounts": laid.mounts, "tags": task.tags or {}}
    try:
        spec = JobSpec.model_validate(
            {"name": job_name(task.name), "variants": variants, "wants": found.wants, **fields, **found.spec}
        )
    except ValueError as error:
        place, wrong = first_finding(error)
        raise bad(place, f"{wrong}.", "Ask for less.") from error
    shown = task.model_copy(update={"resources": None if new.resources is None else parameters.kept(asked, found)})
    warnings = tuple(found.warnings)
    return Translated(
        spec, objects, TesKept(task=shown, nonce=around.nonce, warnings=warnings, software=software, fetches=fetches)
    )


def job_name(name: str | None) -> str:
    """The name of the job: what a name here may have of the task's, which may be any text."""
    plain = re.sub(r"[^a-z0-9._-]", "-", (name or "").lower())
    return plain.strip("._-")[:_MAX_NAME].strip("._-") or "tes-task"


def _variants(task: TesTask, known: KnownSoftware, found: parameters.Terms) -> tuple[list[Variant], dict[str, str]]:
    """Each environment that stands for all the images, and the image itself where all name one by its digest."""
    executors = task.executors or ()
    asked = list(dict.fromkeys(Reference.read(executor.image) for executor in executors))
    standing = [known.standing_for(image) for image in asked]
    common = frozenset.intersection(*standing)
    wanted = set(found.architectures or Architecture)
    made = [
        Variant(
            architecture=architecture,
            environment=name,
            stands_for=tuple(map(str, asked)),
            command=_COMMAND,
            chip_family=found.chip_family,
        )
        for name, architecture in sorted(common)
        if architecture in wanted
    ]
    if len(asked) == 1 and asked[0].digest:
        made += _images(asked[0], [each for each in Architecture if each in known.by_digest & wanted], found)
    if not made:
        _refuse(asked, standing, known, found)
    return made[:_MAX_VARIANTS], {variant.environment: str(asked[0]) for variant in made if variant.environment}


def _images(image: Reference, architectures: Sequence[Architecture], found: parameters.Terms) -> Iterator[Variant]:
    name = f"{image.name}@{image.digest}"
    for architecture in architectures:
        try:
            yield Variant(architecture=architecture, image=name, command=_COMMAND, chip_family=found.chip_family)
        except ValueError as error:
            todo = "Write NAME@sha256: and 64 hexadecimal digits."
            raise bad("executors.0.image", f"{name[:200]!r} is no image by its digest.", todo) from error


def _refuse(
    asked: Sequence[Reference],
    standing: Sequence[frozenset[tuple[str, Architecture]]],
    known: KnownSoftware,
    found: parameters.Terms,
) -> None:
    for number, (image, every) in enumerate(zip(asked, standing, strict=True)):
        if not every and not (image.digest and len(asked) == 1 and known.by_digest):
            near = ", ".join(known.nearest(image)) or "none"
            wrong = f"No platform's software stands for the image {str(image)!r}. The nearest known: {near}."
            todo = "Name a known image (GET /ga4gh/tes/v1/images lists them), or one by its digest, NAME@sha256:..."
            raise bad(f"executors.{number}.image", wrong, todo, "image_unknown")
    if len(asked) > 1:
        names = ", ".join(map(str, asked))
        wrong = f"No software of any platform stands for all of {names[:300]}: the executors of a task share one place."
        todo = "Use one image for all of them, or make a task of each."
        raise bad("executors", wrong, todo, "images_differ")
    wanted = ", ".join(found.architectures) or "any architecture"
    wrong = f"The image {str(asked[0])!r} is known, but not for {wanted}."
    raise bad("resources.backend_parameters", wrong, "Leave suanlian.architecture out, or name another.")


def _inputs(task: TesTask, runner: Runner) -> tuple[list[Input], dict[str, bytes], tuple[Fetch, ...]]:
    objects: dict[str, bytes] = {}
    inputs = [_content(paths.PROGRAM, runner.text(), objects)]
    fetches = []
    for number, item in enumerate(task.inputs or ()):
        place = f"inputs.{number}"
        if item.content or (item.content is not None and not item.url):
            if item.type is FileType.DIRECTORY:
                raise bad(f"{place}.type", "A content is one file.", "Name each file, or a file: URL.")
            inputs.append(_content(paths.inside(item.path), item.content, objects))
        elif (stated := pinned(item.url or "")) is not None and item.type is FileType.FILE:
            check_address(f"{place}.url", stated[0])
            inputs.append(Input(path=paths.inside(item.path), url=stated[0], sha256=stated[1]))
        else:
            fetches.append(_fetch(place, item))
    return inputs, objects, tuple(fetches)


def _content(path: str, text: str, objects: dict[str, bytes]) -> Input:
    data = text.encode()
    if len(data) <= _INLINE:
        return Input(path=path, content=text)
    digest = hashlib.sha256(data).hexdigest()
    objects[digest] = data
    return Input(path=path, object=True, sha256=digest)


def _fetch(place: str, item: TesInput) -> Fetch:
    if not item.url:
        raise bad(place, "The input has neither a content nor a URL.", "Give one of both.")
    check_address(f"{place}.url", item.url)
    if item.url.startswith(KEPT_SCHEME):
        todo = "Give the URL at this hub that the log of the other task shows for its output."
        raise bad(f"{place}.url", f"{item.url!r} names no file.", todo, "address_unsupported")
    if item.type is FileType.DIRECTORY and scheme(item.url) != "file":
        wrong = f"{shown_address(item.url)!r} is a directory, and what is in it cannot be asked over HTTP."
        raise bad(f"{place}.type", wrong, "Name each file.", "address_unsupported")
    return Fetch(url=item.url, path=paths.inside(item.path), type=item.type)
