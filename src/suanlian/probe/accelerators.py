"""How is an accelerator measured? One hook that a vendor can fill, found by its entry point and loaded on first use.

The group is ``suanlian.accelerators``; an entry is a callable without arguments that gives an ``Accelerator``, and
raises ImportError where its software is not installed. Nothing of it is imported before somebody measures.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final, Protocol, cast

from suanlian.probe.workload import Chains

GROUP: Final = "suanlian.accelerators"


class Accelerator(Protocol):
    """One kind of accelerator of this machine, through one piece of software.

    Calls wait until the device has done the work. What a device cannot do is NotImplementedError, saying why.
    """

    name: str

    def devices(self) -> int:
        """How many there are; 0 where there is none."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Model, driver and versions, in the software's own words."""
        ...

    def precisions(self) -> Sequence[str]:
        """The precisions that one can try to measure, as ``model.performance.Precision`` names them."""
        ...

    def product_s(self, precision: str, n: int, samples: int) -> list[float]:
        """Seconds of one dense product of two n x n matrices, ``samples`` times, warm, on random numbers."""
        ...

    def triad_s(self, numbers: int, samples: int) -> list[float]:
        """Seconds of a = b + 3 c over so many FP64 numbers (24 bytes each), ``samples`` times, warm."""
        ...

    def multiplied(self, work: Chains) -> bytes:
        """The work's product, encoded as ``rules.freivalds.decoded`` reads it."""
        ...


def found() -> tuple[dict[str, Accelerator], dict[str, str]]:
    """The accelerators that are here, by entry, and why each other entry gives none."""
    here, missing = dict[str, Accelerator](), dict[str, str]()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            accelerator = cast("Callable[[], Accelerator]", entry.load())()
            if accelerator.devices():
                here[entry.name] = accelerator
            else:
                missing[entry.name] = "the software is installed, no device is there"
        except (ImportError, RuntimeError) as error:
            missing[entry.name] = f"{type(error).__name__}: {error}"
    return here, missing
