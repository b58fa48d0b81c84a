"""How are datasets, versions and what lies in them named on the command line?"""

import re
from typing import Annotated, Final

import typer

from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.model.data import DataUse, Saved
from suanlian.model.errors import InvalidError
from suanlian.model.reading import read

DatasetName = Annotated[
    str, typer.Argument(metavar="NAME[@V]", help=N_("The dataset, and which version of it; another's as ACCOUNT/NAME."))
]
VersionName = Annotated[
    str, typer.Argument(metavar="NAME[@V]", help=N_("The version; without a number the newest that is sealed."))
]
_NUMBER: Final = re.compile(r"@([1-9][0-9]{0,8})$")


def parted(text: str) -> tuple[str, str]:
    """The dataset or version, and the path in it, empty for all of it."""
    ref, _colon, path = text.partition(":")
    return ref, path.strip("/")


def number_of(ref: str) -> int | None:
    """Which version is named."""
    found = _NUMBER.search(ref)
    return None if found is None else int(found[1])


def use(text: str) -> DataUse:
    """``reads@2:in`` or ``reads@2``: what a job reads, and where it finds it. Raises InvalidError."""
    ref, path = parted(text)
    return read(DataUse, {"dataset": ref, "path": path or ref.rpartition("/")[2].partition("@")[0]})


def saved(text: str) -> Saved:
    """``out:model`` or ``out:model:platform/storage``: what is left and becomes a dataset. Raises InvalidError."""
    path, *rest = text.split(":")
    if not 1 <= len(rest) <= 2:  # noqa: PLR2004 - a dataset, and perhaps a storage
        raise InvalidError(
            "field_invalid",
            _("{text!r} is no PATH:NAME and no PATH:NAME:PLATFORM/STORAGE.").format(text=text),
            todo=_("Write it as out:model or out:model:wuhu/lake."),
            field="save",
        )
    return read(Saved, {"path": path, "dataset": rest[0], **({"to": rest[1]} if len(rest) > 1 else {})})
