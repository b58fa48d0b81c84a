"""Which accelerators are known, and what their vendors state of them: a table that comes with the program."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

import typer

from suanlian.cli.output import AsJson, listing, record, remark
from suanlian.data.chips import SOURCE, chips
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.chips import ChipModel
from suanlian.model.errors import NotFoundError
from suanlian.model.performance import Precision

commands = nouns()

NOTES = (
    N_("FP16 of the matrix units unknown"),
    N_("rows of the source disagree on the memory"),
    N_("memory bandwidth: a slip of the source by a power of ten put right"),
    N_("memory bandwidth of the source left out: not believed"),
)
"""What the table notes of a chip; translated when it is shown."""

ChipName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help=N_("Only those of which the name has this in it; one: show it."))
]


@commands.command(
    "chips",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("List the accelerators that are known, with their dense peaks at each precision."),
)
def _chips(
    name: ChipName = None,
    family: Annotated[
        str | None, typer.Option("--family", help=N_("Only this family, such as nvidia, ascend."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    found = [chip for chip in chips() if _is_asked(chip, name, family)]
    if not found:
        wrong = f"No chip of the table is called {(name or family or '')[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian chips lists those that are known.", field="name")
    if len(found) == 1 and name is not None:
        record(found[0], [] if as_json else _fields(found[0]), as_json=as_json)
        return
    if not as_json:
        remark(
            _("Dense peaks of one chip in tera-operations per second, as vendors claim them. {source}").format(
                source=SOURCE
            )
        )
    listing(
        found,
        [
            (_("Chip"), lambda chip: chip.name),
            (_("Family"), lambda chip: chip.family or ""),
            *((precision.value, _peak_of(precision)) for precision in Precision if precision is not Precision.BF16),
            (_("Memory, GB"), lambda chip: _number(chip.memory_gb)),
            (_("GB/s"), lambda chip: _number(chip.memory_gb_per_s)),
        ],
        as_json=as_json,
    )


def _is_asked(chip: ChipModel, name: str | None, family: str | None) -> bool:
    return (family is None or chip.family == family) and (
        name is None or any(name.casefold() in known.casefold() for known in (chip.name, *chip.aliases))
    )


def _fields(chip: ChipModel) -> list[tuple[str, object]]:
    peaks = ((_("Peak at {precision}, T/s").format(precision=p), _peak_of(p)(chip)) for p in Precision)
    return [
        (_("Chip"), chip.name),
        (_("Vendor"), chip.vendor),
        (_("Family"), chip.family or ""),
        (_("Also called"), ", ".join(chip.aliases)),
        (_("Released"), chip.released or ""),
        *peaks,
        (_("Memory, GB"), _number(chip.memory_gb)),
        (_("Memory bandwidth, GB/s"), _number(chip.memory_gb_per_s)),
        (_("Power, W"), _number(chip.tdp_w)),
        (_("Note"), "; ".join(_(note) for note in chip.note.split("; "))),
        (_("Source"), SOURCE),
        (_("Grade"), _("claimed: the dense peak that its vendor states; work on it is slower")),
    ]


def _peak_of(precision: Precision) -> Callable[[ChipModel], str]:
    def shown(chip: ChipModel) -> str:
        peak = chip.peak(precision)
        return "" if peak is None else _number(peak.tera_per_s)

    return shown


def _number(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"
