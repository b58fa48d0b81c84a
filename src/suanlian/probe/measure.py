"""What does this machine do? Dense products by BLAS, STREAM's triad, the disk: ``python -m suanlian.probe.measure``.

Arguments: one JSON object ``{"cores": whole cores to use, "directory": where the disk is, "sample_s": 0.5,
"samples": 5, "accelerators": true}``. Prints one JSON object: ``program``, ``environment``, ``readings`` (metric,
precision, device, samples, method). Standard library and numpy only; accelerators come through their hook.

The caller sets the threads of BLAS and the cores of this process (``main.py`` does).
"""

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from suanlian import __version__
from suanlian.probe.accelerators import Accelerator, found

PROGRAM: Final = f"suanlian.probe.measure {__version__}"
_KINDS: Final = {"FP64": np.float64, "FP32": np.float32}
_N: Final = 1024
_TRIAD_SCALAR: Final = 3.0
_TRIAD_NUMBERS: Final = 16 * 1024 * 1024
_TRIAD_BLOCK: Final = 32 * 1024
_TRIAD_BYTES: Final = 24
_DISK_BLOCK: Final = 4 * 1024 * 1024
_DISK_BYTES: Final = 128 * 1024 * 1024
_CARD_N: Final = 8192
_CARD_NUMBERS: Final = 2**27
_TERA: Final = 1e12
_GIGA: Final = 1e9

Readings = Iterator[dict[str, Any]]


def run(values: Mapping[str, Any]) -> int:
    """Measure all and print it."""
    cores, samples, sample_s = int(values["cores"]), int(values["samples"]), float(values["sample_s"])
    readings = [*products(samples, sample_s), *triad(cores, samples), *disk(Path(values["directory"]), samples)]
    environment = {"python": platform.python_version(), "numpy": np.__version__, **machine()}
    if values["accelerators"]:
        here, missing = found()
        for name, card in here.items():
            readings += list(cards(name, card, samples))
            environment |= {f"{name}.{key}": value for key, value in card.environment().items()}
        environment |= {f"{name}.missing": why for name, why in missing.items()}
    json.dump({"program": PROGRAM, "environment": environment, "readings": readings}, sys.stdout)
    return 0


def products(samples: int, sample_s: float) -> Readings:
    """Dense products of two matrices by BLAS, a figure a precision."""
    for precision, kind in _KINDS.items():
        random = np.random.default_rng(0)
        left, right = (random.random((_N, _N)).astype(kind) for _ in range(2))
        out = np.empty_like(left)

        def once(left: Any = left, right: Any = right, out: Any = out) -> None:  # noqa: ANN401 - arrays of either kind
            np.matmul(left, right, out=out)

        seconds = timed(once, samples, sample_s)
        method = f"numpy.matmul of two dense {_N} x {_N} matrices of random numbers by BLAS, warm; 2 n^3 operations"
        yield reading("matmul", [2 * _N**3 / s / _TERA for s in seconds], method, precision=precision)


def timed(once: Callable[[], None], samples: int, sample_s: float) -> list[float]:
    """Seconds of one call, ``samples`` times; a sample repeats it for about ``sample_s`` seconds."""
    once()
    times = max(1, round(sample_s / max(_span_s(once, 1), 1e-6)))
    return [_span_s(once, times) / times for _ in range(samples)]


def _span_s(once: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        once()
    return time.perf_counter() - began


def triad(threads: int, samples: int) -> Readings:
    """STREAM's triad a = b + 3 c (McCalpin 1995), in blocks that stay in the cache between its two passes."""
    a, b, c = (np.full(_TRIAD_NUMBERS, value) for value in (0.0, 1.0, 2.0))
    parts = np.array_split(np.arange(0, _TRIAD_NUMBERS, _TRIAD_BLOCK), threads)

    def part(starts: Any) -> None:  # noqa: ANN401 - an array of places
        for start in starts:
            block = slice(start, start + _TRIAD_BLOCK)
            np.multiply(c[block], _TRIAD_SCALAR, out=a[block])
            np.add(a[block], b[block], out=a[block])

    def once() -> None:
        workers = [threading.Thread(target=part, args=(starts,)) for starts in parts]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    seconds = timed(once, samples, 0.0)
    method = (
        f"STREAM triad over three arrays of {_TRIAD_NUMBERS} FP64 numbers by {threads} threads of numpy, "
        "blocked; 24 bytes a number, the read before a write not counted"
    )
    yield reading("triad", [_TRIAD_BYTES * _TRIAD_NUMBERS / s / _GIGA for s in seconds], method)


def disk(directory: Path, samples: int) -> Readings:
    """Write a file and flush it to the disk, then read it with the cache told to forget it."""
    path = directory / f"measure-{os.getpid()}"
    block = os.urandom(_DISK_BLOCK)
    try:
        writes, reads = zip(*(_write_and_read(path, block) for _ in range(samples)), strict=True)
    finally:
        path.unlink(missing_ok=True)
    size = f"{_DISK_BYTES // 2**20} MiB of random bytes in blocks of {_DISK_BLOCK // 2**20} MiB"
    method = f"sequential write of {size}, fsync counted"
    yield reading("disk-write", [_DISK_BYTES / s / _GIGA for s in writes], method)
    method = f"sequential read of {size} after fsync and posix_fadvise(DONTNEED)"
    yield reading("disk-read", [_DISK_BYTES / s / _GIGA for s in reads], method)


def _write_and_read(path: Path, block: bytes) -> tuple[float, float]:
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(_DISK_BYTES // len(block)):
            file.write(block)
        os.fsync(file.fileno())
        wrote_s = time.perf_counter() - began
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(len(block)):
            pass
    return wrote_s, time.perf_counter() - began


def cards(name: str, card: Accelerator, samples: int) -> Readings:
    """What one card does; a precision that it does not have is left out."""
    for precision in card.precisions():
        try:
            seconds = card.product_s(precision, _CARD_N, samples)
        except NotImplementedError:
            continue
        method = f"dense product of two {_CARD_N} x {_CARD_N} matrices of random numbers through {name}, warm; 2 n^3"
        yield reading("matmul", [2 * _CARD_N**3 / s / _TERA for s in seconds], method, precision, name)
    seconds = card.triad_s(_CARD_NUMBERS, samples)
    method = f"STREAM triad over three arrays of {_CARD_NUMBERS} FP64 numbers through {name}; 24 bytes a number"
    yield reading("triad", [_TRIAD_BYTES * _CARD_NUMBERS / s / _GIGA for s in seconds], method, device=name)


def reading(
    metric: str, samples: list[float], method: str, precision: str | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """One figure; decimals as text, nine digits after the point."""
    texts = [f"{sample:.9f}" for sample in samples]
    return {"metric": metric, "precision": precision, "device": device, "samples": texts, "method": method}


def machine() -> dict[str, str]:
    """The processor, its cores, the system and the library of linear algebra, as far as they are told."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {}) if isinstance(built, dict) else {}
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", ""),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model", "cpu model"))]
    return names[0] if names else platform.processor()
