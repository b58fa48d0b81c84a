"""What the tools of a machine print, as values. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from suanlian.agent.discover.found import Cards, Queue

VENDORS: Final = {
    "10de": "nvidia",
    "1002": "amd",
    "19e5": "ascend",
    "1d94": "hygon",
    "1ed5": "mthreads",
    "9999": "metax",
    "cabc": "cambricon",
    "1e3e": "iluvatar",
    "1db7": "phytium",
    "8086": "intel",
}
"""PCI vendor numbers (of the PCI ID repository) to the family of their accelerators."""
_ACCELERATORS: Final = frozenset({"0302", "0380", "1200", "1201", "0b40"})
"""PCI classes: 3D controller, other display controller, processing accelerator, coprocessor."""
_DISPLAY: Final = "0300"
_GENERAL_DISPLAYS: Final = frozenset({"intel", "phytium"})
_LSPCI: Final = re.compile(r'^\S+ "([0-9a-f]{4})" "([0-9a-f]{4})" "([0-9a-f]{4})"')
_NPU: Final = re.compile(r"^\|\s*(\d+)\s+(\S+)\s*\|\s*(\S+)\s*\|")
_NPU_VERSION: Final = re.compile(r"npu-smi\s+(\S+)")
_HBM: Final = re.compile(r"(\d+)\s*/\s*(\d+)\s*\|\s*$")
_CUDA: Final = re.compile(r"CUDA Version:\s*([0-9.]+)")
_GRES: Final = re.compile(r"(?:gpu|npu|dcu|mlu)(?::([A-Za-z][A-Za-z0-9_.-]*))?:(\d+)")


def nvidia(csv: str, banner: str) -> Iterator[Cards]:
    """``nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits``, and the banner for CUDA."""
    version = _CUDA.search(banner)
    stack = f"cuda {version[1]}" if version else ""
    rows = Counter(tuple(cell.strip() for cell in line.split(",")) for line in csv.splitlines() if "," in line)
    for (name, memory, *_), count in rows.items():
        mebibytes = int(memory) if memory.isdecimal() else 0
        yield Cards("nvidia", name.removeprefix("NVIDIA "), count, "nvidia-smi", mebibytes, stack)


def npu(table: str) -> Iterator[Cards]:
    """``npu-smi info``: two lines a card, of which the first names it and the second tells its memory."""
    version = _NPU_VERSION.search(table)
    models: list[str] = []
    memory = 0
    for line in table.splitlines():
        if found := _NPU.match(line):
            models.append(found[2])
        elif models and (held := _HBM.search(line)):
            memory = max(memory, int(held[2]))
    stack = f"driver {version[1]}" if version else ""
    for model, count in Counter(models).items():
        yield Cards("ascend", model, count, "npu-smi", memory, stack)


def pci(listing: str) -> Iterator[Cards]:
    """``lspci -mm -n``: accelerators by class and vendor; the model is the device's number."""
    devices: Counter[tuple[str, str]] = Counter()
    for line in listing.splitlines():
        found = _LSPCI.match(line)
        if found is None or found[2] not in VENDORS:
            continue
        family = VENDORS[found[2]]
        if found[1] in _ACCELERATORS or (found[1] == _DISPLAY and family not in _GENERAL_DISPLAYS):
            devices[family, f"{found[2]}:{found[3]}"] += 1
    for (family, device), count in devices.items():
        yield Cards(family, device, count, "lspci")


def queues(listing: str) -> Iterator[Queue]:
    """``sinfo -h -e -o "%R|%a|%D|%c|%m|%G"``: one line for each kind of node of each partition that is up."""
    seen: Counter[str] = Counter()
    for line in listing.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != len("RaDcmG") or cells[1] != "up":
            continue
        partition, _, nodes, cores, memory, gres = cells
        if not (nodes.isdecimal() and cores.isdecimal() and memory.isdecimal()):
            continue
        cards = [(found[1] or "", int(found[2])) for found in _GRES.finditer(gres)]
        seen[partition] += 1
        name = partition if seen[partition] == 1 else f"{partition}-{seen[partition]}"
        card = next((kind for kind, _ in cards if kind), "")
        yield Queue(name, partition, int(nodes), int(cores), int(memory), sum(count for _, count in cards), card)
