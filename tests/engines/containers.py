"""How the tests of the container driver give it work: one podman a module, a new directory each time."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from suanlian.drivers.container.driver import ContainerDriver
from suanlian.drivers.container.meter import Meter
from suanlian.drivers.container.options import ContainerOptions
from suanlian.drivers.contract import NativeId
from suanlian.testing.drivers import POSIX, DriverBench
from suanlian.testing.podman import Podman

_ROOTS: list[Path] = []


@contextlib.contextmanager
def engine(registry: str = "") -> Iterator[Podman]:
    """An engine; at its end the control groups go, too, that jobs have which no test forgot."""
    try:
        with Podman(registry=registry) as podman:
            yield podman
    finally:
        while _ROOTS:
            forget_groups(_ROOTS.pop())


def forget_groups(root: Path) -> None:
    """Remove the control groups of a driver whose containers are gone."""
    if (meter := Meter.found({"CgroupDriver": "cgroupfs"}, "unix:", root / "jobs")) is not None:
        meter.tidy(())


def container_bench(podman: Podman, place: Path, **changes: object) -> DriverBench:
    """A driver with a directory of its own over the engine."""
    values = {"root": place / "root", "url": podman.url, "grace_s": 0.3, "max_processes": 64, **changes}
    chosen = ContainerOptions(**values)  # type: ignore[arg-type]
    _ROOTS.append(chosen.root)
    make: Callable[[], ContainerDriver] = lambda: ContainerDriver(chosen)  # noqa: E731 - a typed factory
    return DriverBench(
        make=make,
        staging=chosen.root / "staging",
        commands=POSIX,
        image=podman.busybox(),
        image_runtime="podman",
        bad_images={
            "not found": "localhost/nothing@sha256:" + "0" * 64,
            "aarch64": podman.busybox("foreign", "arm64"),
        },
        many=5,
        patience_s=60.0,
    )


def driver_of(bench: DriverBench) -> ContainerDriver:
    assert isinstance(bench.driver, ContainerDriver)
    return bench.driver


def said(bench: DriverBench, native_id: NativeId, stream: str = "stdout") -> bytes:
    """All that a job has said."""
    return driver_of(bench).read_log(native_id, stream, 0, 10_000_000)
