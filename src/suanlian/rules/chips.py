"""Which chip of the table does a name mean? Exactly one, or none: a chip that is not known is never guessed. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from suanlian.model.chips import ChipModel
from suanlian.model.performance import Grade, Performance
from suanlian.model.place import is_simulated
from suanlian.model.platform import Flavor


def index(chips: Iterable[ChipModel]) -> dict[str, ChipModel]:
    """Every name and alias -> its chip; a name that would mean two chips means none."""
    named: dict[str, list[ChipModel]] = {}
    for chip in chips:
        for key in set(_keys(chip)):
            named.setdefault(key, []).append(chip)
    return {key: meant[0] for key, meant in named.items() if len(meant) == 1}


def find(known: Mapping[str, ChipModel], name: str) -> ChipModel | None:
    """The chip that is called so, whatever spaces, dashes and capitals the name is written with."""
    return known.get(plain(name))


def plain(name: str) -> str:
    """Letters and digits alone, small: ``NVIDIA A100-SXM4-80GB`` and ``NVIDIA A100 SXM4 80 GB`` are one name."""
    return "".join(char for char in name.casefold() if char.isalnum())


class Unknown(NamedTuple):
    """A name that is no family of chips: what it is instead, and what may be meant."""

    wrong: str
    todo: str


def unknown_family(name: str, chips: Collection[ChipModel], declared: Collection[str]) -> Unknown | None:
    """Why no place will ever have chips of this family; None where the table or a platform (``declared``) has it.

    The name of a model is no family: a flavor's chip is compared by its family alone.
    """
    families = {chip.family for chip in chips if chip.family is not None} | set(declared)
    if name in families:
        return None
    wrong = f"No family of chips is called {name!r}, neither in the table of chips nor at a platform."
    of_model = sorted({chip.family for chip in chips if chip.family is not None and _is_called(chip, name)})
    if of_model:
        wrong = f"{name!r} is no family of chips but a name of models; that of their family is {' or '.join(of_model)}."
    near = of_model or get_close_matches(name, sorted(families), n=3)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    return Unknown(wrong, f"{meant}suanlian chips lists the families.")


def _is_called(chip: ChipModel, name: str) -> bool:
    """Whether the name stands whole among the words of one of the chip's names: `a100`, `ascend-910b`."""
    wanted = plain(name)
    for known in (chip.name, *chip.aliases):
        parts = [plain(word) for word in known.replace("-", " ").split()]
        runs = ("".join(parts[start:end]) for start in range(len(parts)) for end in range(start + 1, len(parts) + 1))
        if wanted in runs:
            return True
    return False


def _keys(chip: ChipModel) -> Iterator[str]:
    """With and without the vendor's name before it: vendors' own tools leave it out."""
    for name in (chip.name, *chip.aliases):
        yield plain(name)
        first, _space, rest = name.partition(" ")
        if rest and chip.vendor and chip.vendor.casefold().startswith(first.casefold()):
            yield plain(rest)


def table_figures(flavor: Flavor, known: Mapping[str, ChipModel], source: str) -> tuple[Performance, ...]:
    """What a node's accelerators reach at most by the table; none for a chip that it does not have.

    That the chip is in the machine is the owner's word, so its peaks are claims, and simulated where the chip is.
    """
    chip = None if flavor.chip is None else find(known, flavor.chip.model)
    if chip is None or not flavor.node.accelerator:
        return ()
    grade = Grade.SIMULATED if is_simulated(flavor) else Grade.CLAIMED
    cards = flavor.node.accelerator
    return tuple(
        Performance(
            precision=peak.precision,
            tera_per_s=peak.tera_per_s * cards,
            grade=grade,
            source=f"{cards} x {chip.name}: {source}"[:200],
        )
        for peak in chip.peaks
    )
