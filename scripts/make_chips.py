"""How did `src/suanlian/data/chips.csv` come from the machine learning hardware database of Epoch AI?

`python -m scripts.make_chips DATABASE.csv` writes it again. What is changed, and nothing else: FLOP/s and bytes become
tera-operations/s, GB and GB/s; the traps that are listed below are taken out; a family, an alias or a note is added.
"""

import csv
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).resolve().parent.parent / "src" / "suanlian" / "data" / "chips.csv"
COLUMNS: Final = (
    *("name", "vendor", "family", "released"),
    *("fp64", "fp32", "tf32", "fp16", "fp8", "int8"),
    *("memory_gb", "memory_gb_per_s", "tdp_w", "aliases", "note"),
)
FAMILIES: Final = {
    "AMD": "amd",
    "Biren": "biren",
    "Cambricon": "cambricon",
    "Huawei": "ascend",
    "Hygon": "hygon",
    "Iluvatar CoreX": "iluvatar",
    "Kunlunxin Baidu": "kunlun",
    "MetaX": "metax",
    "Moore Threads (Tencent)": "mthreads",
    "NVIDIA": "nvidia",
}
"""The database's vendor -> the name of the family, where people write one in a job."""

ALIASES: Final = {
    "NVIDIA A100 PCIe": "NVIDIA A100-PCIE-40GB",
    "NVIDIA A800 SXM": "NVIDIA A800-SXM4-80GB",
    "NVIDIA H100 SXM5 80GB": "NVIDIA H100 80GB HBM3",
    "NVIDIA H200 SXM": "NVIDIA H200",
    "NVIDIA H800 SXM5": "NVIDIA H800",
    "NVIDIA HGX H20": "NVIDIA H20",
    "NVIDIA L2 PCle": "NVIDIA L2",
    "NVIDIA L20 PCle": "NVIDIA L20",
    "MetaX MXC500 (PCIe)": "MetaX C500",
}
"""What a vendor's own tool calls the chip, where that differs by more than spaces and dashes."""

MEMORY_UNKNOWN: Final = frozenset({"Huawei Ascend 910B", "Huawei Ascend 910B Pro"})
"""Rows of which others of the same chip say something else."""
BANDWIDTH_SLIPS: Final = {"MetaX MXC500 (PCIe)": Decimal("1.8e12"), "MetaX MXC500 (OAM)": Decimal("1.8e12")}
BANDWIDTH_DOUBTED: Final = frozenset({"AMD Radeon Instinct MI308X", "Amazon Trainium1"})
"""Far beyond every other chip of its kind; left out, because the right figure is not in the source."""
VECTOR_ONLY: Final = Decimal(4)
"""A chip with matrix units whose FP16 is at most so many times its FP32 is stated with its vector rate."""
_VOLTA: Final = "2017-05"
_TERA: Final = Decimal(10) ** 12
_GIGA: Final = Decimal(10) ** 9


def rows(database: Path) -> Iterator[dict[str, str]]:
    """The rows as we ship them, in the order of their names."""
    with database.open(encoding="utf-8-sig", newline="") as file:
        every = sorted(csv.DictReader(file), key=lambda row: row["name"].casefold())
    for row in every:
        yield _row(row)


def _row(row: Mapping[str, str]) -> dict[str, str]:
    notes: list[str] = []
    found = {
        "name": row["name"].strip(),
        "vendor": row["vendor"].strip(),
        "family": FAMILIES.get(row["vendor"].strip(), ""),
        "released": row["release"].strip(),
        "fp64": _scaled(row["fp64_flops"], _TERA),
        "fp32": _scaled(row["fp32_flops"], _TERA),
        "tf32": _scaled(row["tf32_flops"], _TERA),
        "fp16": _fp16(row, notes),
        "fp8": _scaled(row["fp8_flops"], _TERA),
        "int8": _scaled(row["int8_ops"], _TERA),
        "memory_gb": _memory(row, notes),
        "memory_gb_per_s": _bandwidth(row, notes),
        "tdp_w": _scaled(row["tdp_w"], Decimal(1)),
        "aliases": ALIASES.get(row["name"].strip(), ""),
    }
    return {**found, "note": "; ".join(notes)}


def _fp16(row: Mapping[str, str], notes: list[str]) -> str:
    """The larger of the two columns: which of them is the dense matrix rate differs from vendor to vendor."""
    tensor, plain = _number(row["fp16_tensor_flops"]), _number(row["fp16_flops"])
    if tensor is None and plain is not None and _is_vector_rate(row, plain):
        notes.append("FP16 of the matrix units unknown")
        return ""
    stated = [figure for figure in (tensor, plain) if figure is not None]
    return _text(max(stated) / _TERA) if stated else ""


def _is_vector_rate(row: Mapping[str, str], fp16: Decimal) -> bool:
    fp32, name = _number(row["fp32_flops"]), row["name"]
    has_matrix_units = (row["vendor"] == "NVIDIA" and row["release"] >= _VOLTA) or name.startswith(
        "Intel Data Center GPU Max"
    )
    return has_matrix_units and fp32 is not None and fp16 <= VECTOR_ONLY * fp32


def _memory(row: Mapping[str, str], notes: list[str]) -> str:
    if row["name"].strip() in MEMORY_UNKNOWN:
        notes.append("rows of the source disagree on the memory")
        return ""
    return _scaled(row["mem_bytes"], _GIGA)


def _bandwidth(row: Mapping[str, str], notes: list[str]) -> str:
    name = row["name"].strip()
    if name in BANDWIDTH_SLIPS:
        notes.append("memory bandwidth: a slip of the source by a power of ten put right")
        return _text(BANDWIDTH_SLIPS[name] / _GIGA)
    if name in BANDWIDTH_DOUBTED:
        notes.append("memory bandwidth of the source left out: not believed")
        return ""
    return _scaled(row["mem_bw_Bps"], _GIGA)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text.strip() else None


def _scaled(text: str, unit: Decimal) -> str:
    number = _number(text)
    return "" if number is None else _text(number / unit)


def _text(number: Decimal) -> str:
    return format(round(number, 6).normalize(), "f")


def main() -> int:
    """Write the file."""
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(Path(sys.argv[1])))
    print(f"{TARGET}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
