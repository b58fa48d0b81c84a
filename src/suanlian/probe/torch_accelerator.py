"""Accelerators through PyTorch: what ``torch.cuda`` reaches (CUDA, and ROCm under the same name). Extra ``torch``."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from suanlian.probe.workload import BASES, BITS, LEFT, PRODUCTS, RIGHT, Chains, octets, scales, whole

_KINDS: Final[Mapping[str, Any]] = {
    "FP64": torch.float64,
    "FP32": torch.float32,
    "TF32": torch.float32,
    "BF16": torch.bfloat16,
    "FP16": torch.float16,
    "FP8": torch.float8_e4m3fn,
    "INT8": torch.int8,
}
_WARM: Final = 3
_SAMPLE_S: Final = 0.05
"""A sample repeats its product for about so long: launching one must not count."""
_TRIAD_SCALAR: Final = 3.0
_CACHED_BYTES: Final = 20 * 1024 * 1024
"""What is multiplied side by side: scaling it then costs less than the memory would let it."""
_DRAWN_AT_ONCE: Final = 192
"""Diagonals of so many segments are drawn at once, while the device multiplies the ones before."""


class TorchAccelerator:
    """The first device of ``torch.cuda``."""

    name = "torch"

    def __init__(self) -> None:
        self._device = torch.device("cuda", 0)

    def devices(self) -> int:
        """How many devices PyTorch sees."""
        return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0

    def environment(self) -> Mapping[str, str]:
        """The device and the versions."""
        known = torch.cuda.get_device_properties(self._device)
        return {
            "device": str(known.name),
            "memory_bytes": str(known.total_memory),
            "multiprocessors": str(known.multi_processor_count),
            "torch": str(torch.__version__),
            "cuda": str(torch.version.cuda),
            "hip": str(torch.version.hip),
        }

    def precisions(self) -> Sequence[str]:
        """All that can be tried."""
        return tuple(_KINDS)

    def product_s(self, precision: str, n: int, samples: int) -> list[float]:
        """Seconds of one dense product."""
        _choose(precision)
        left, right = self._random(precision, n), self._random(precision, n)
        return self._timed(self._product(precision, left, right), samples)

    def triad_s(self, numbers: int, samples: int) -> list[float]:
        """Seconds of one pass of STREAM's triad."""
        b, c = (torch.rand(numbers, dtype=torch.float64, device=self._device) for _ in range(2))
        a = torch.empty_like(b)
        return self._timed(lambda: torch.add(b, c, alpha=_TRIAD_SCALAR, out=a), samples)

    def multiplied(self, work: Chains, made_in: str = "") -> bytes:
        """The product of the chains; segments that begin with the same matrix are multiplied side by side.

        ``made_in``: another precision than the work's, to see that the check finds it.
        """
        precision = made_in or work.precision
        _choose(precision)
        kind = _KINDS[precision]
        bases = [self._base(work, index).to(kind) for index in range(BASES)]
        shape, summed = (work.n, work.n), torch.float64 if kind is torch.float64 else torch.float32
        total = torch.zeros(shape, dtype=summed, device=self._device)
        for first in range(BASES):
            alike = range(first, work.segments, BASES)
            for start in range(0, len(alike), _DRAWN_AT_ONCE):
                self._add(work, bases, alike[start : start + _DRAWN_AT_ONCE], total)
        return _encoded(work.precision, total)

    def _add(self, work: Chains, bases: Sequence[Any], segments: Sequence[int], total: Any) -> None:  # noqa: ANN401 - torch ships no types to us
        """Add these segments to ``total``, a few side by side: as many as stay in the device's cache while scaled."""
        kind = bases[0].dtype
        drawn = self._diagonals(work, segments).to(kind)
        together = max(1, _CACHED_BYTES // (work.n**2 * kind.itemsize))
        room = [torch.empty((together, work.n, work.n), dtype=kind, device=self._device) for _ in range(2)]
        for start in range(0, len(segments), together):
            at = drawn[start : start + together]
            moved, other = (part[: len(at)] for part in room)
            torch.mul(at[:, LEFT, :, None], bases[segments[0] % BASES], out=moved)
            for place in range(1, PRODUCTS + 1):
                moved.mul_(at[:, place, None, :])
                flat = (-1, work.n)
                torch.mm(moved.view(flat), bases[(segments[0] + place) % BASES], out=other.view(flat))
                moved, other = other, moved
            total.add_(moved.mul_(at[:, RIGHT, None, :]).sum(dim=0, dtype=total.dtype))

    def _base(self, work: Chains, index: int) -> Any:  # noqa: ANN401 - as above
        """``workload.base``, its words turned into numbers on the device."""
        bits = BITS[work.precision]
        odd = torch.from_numpy(whole(work, index)).to(self._device) * 2 + (1 - 2**bits)
        return odd.double() / 2.0**bits

    def _diagonals(self, work: Chains, segments: Sequence[int]) -> Any:  # noqa: ANN401 - as above
        """``workload.diagonals`` of these segments, made on the device."""
        raw = torch.from_numpy(np.stack([octets(work, segment) for segment in segments])).to(self._device)
        halves = 1.0 - 0.5 * ((raw & 2) // 2).float()
        halves[:, [LEFT, RIGHT]] = 1.0
        return (1.0 - 2.0 * (raw & 1).float()) * halves * torch.from_numpy(scales(work.n)).float().to(self._device)

    def _random(self, precision: str, n: int) -> Any:  # noqa: ANN401 - as above
        if precision == "INT8":
            return torch.randint(-127, 128, (n, n), dtype=torch.int8, device=self._device)
        kind = torch.float64 if precision == "FP64" else torch.float32
        return (2.0 * torch.rand((n, n), dtype=kind, device=self._device) - 1.0).to(_KINDS[precision])

    def _product(self, precision: str, left: Any, right: Any) -> Callable[[], object]:  # noqa: ANN401 - as above
        if precision == "INT8":
            columns = right.t()  # the order that its units take
            return lambda: torch._int_mm(left, columns)  # noqa: SLF001 - the only door that PyTorch has to it
        if precision == "FP8":
            one = torch.ones((), dtype=torch.float32, device=self._device)
            column = right.t()
            return lambda: torch._scaled_mm(left, column, one, one, out_dtype=torch.bfloat16)  # noqa: SLF001 - as above
        out = torch.empty_like(left)
        return lambda: torch.mm(left, right, out=out)

    def _timed(self, once: Callable[[], object], samples: int) -> list[float]:
        try:
            for _ in range(_WARM):
                once()
            one_s = self._span_s(once, 1)
        except (RuntimeError, AttributeError) as error:
            raise NotImplementedError(str(error).splitlines()[0]) from error
        times = max(1, round(_SAMPLE_S / max(one_s, 1e-6)))
        return [self._span_s(once, times) / times for _ in range(samples)]

    def _span_s(self, once: Callable[[], object], times: int) -> float:
        torch.cuda.synchronize(self._device)
        began = time.perf_counter()
        for _ in range(times):
            once()
        torch.cuda.synchronize(self._device)
        return time.perf_counter() - began


def _choose(precision: str) -> None:
    """FP32 means FP32: the faster TF32 is used only where it is asked for."""
    torch.set_float32_matmul_precision("high" if precision == "TF32" else "highest")


def _encoded(precision: str, total: Any) -> bytes:  # noqa: ANN401 - as above
    if precision == "BF16":
        return bytes(total.to(torch.bfloat16).view(torch.int16).cpu().numpy().tobytes())
    kind = {"FP16": torch.float16, "FP64": torch.float64}.get(precision, torch.float32)
    return bytes(total.to(kind).cpu().numpy().tobytes())
