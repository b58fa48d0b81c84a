"""An image that is there for several architectures, as the variants of a job."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from suanlian.cli.output import AsJson, print_json, remark, say
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import InvalidError
from suanlian.model.images import MAX_BYTES, read_index
from suanlian.sdk.images import fetch_index, image_name, variants

commands = nouns()

Source = Annotated[
    str,
    typer.Argument(
        metavar="INDEX", help=N_("A file with an image index, or the reference of an image: REGISTRY/NAME:TAG.")
    ),
]
Words = Annotated[list[str], typer.Argument(metavar="-- COMMAND", help=N_("The command of every variant."))]


@commands.command(
    "variants",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Turn an image index into one variant for each architecture."),
)
def _variants(
    index: Source,
    command: Words,
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="REGISTRY/NAME", help=N_("What the image is called, for an index in a file.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    file = Path(index)
    if file.is_file():
        if image is None:
            wrong = _("A file does not say what its image is called.")
            raise InvalidError("image_index_invalid", wrong, todo="--image REGISTRY/NAME", field="image")
        path, found = image_name(image).path, read_index(_content(file))
    else:
        name = image_name(index)
        path, found = name.path, fetch_index(name)
    made = [variant.model_dump(mode="json", exclude_none=True) for variant in variants(found, path, command)]
    if found.others:
        remark(_("Left out, no platform runs it: {others}").format(others=", ".join(found.others)))
    if as_json:
        print_json({"variants": made})
    else:
        say(yaml.safe_dump({"variants": made}, sort_keys=False, allow_unicode=True).rstrip())


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)
