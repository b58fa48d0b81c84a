"""What was asked on the command line of ``suanlian demo`` and ``suanlian up``?"""

import textwrap
from argparse import ArgumentParser, HelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from suanlian.demo.trouble import Trouble
from suanlian.i18n import LANGUAGES, _, language

_WIDTH: Final = 90


@dataclass(frozen=True)
class Options:
    """``out``: where the reports go. ``keep``: leave state and logs of all processes there too."""

    out: Path
    lang: str
    keep: bool
    help: bool


class _Parser(ArgumentParser):
    """Refuses in our words, in the language in force."""

    def error(self, message: str) -> NoReturn:
        """Raise what the door shows."""
        raise Trouble(_("The options cannot be used: {why}.").format(why=message), _("--help shows them."))


def parse(arguments: Sequence[str]) -> Options:
    """The options. Raises Trouble."""
    parser = _Parser(add_help=False, allow_abbrev=False, formatter_class=HelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    parser.add_argument("--lang", choices=sorted(LANGUAGES), default=language())
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    return Options(**vars(parser.parse_args(list(arguments))))


def help_text(command: str) -> str:
    """What ``--help`` shows."""
    return "\n".join(
        [
            _("Usage: suanlian {command} [OPTIONS]").format(command=command),
            "",
            *textwrap.wrap(
                _(
                    "Starts a national hub, the hub of the Yangtze River Delta and five platforms on this machine and "
                    "submits real work to them. Free ports on loopback; nothing outlives it."
                ),
                width=_WIDTH,
            ),
            "",
            "  --out DIR     " + _("where the reports go (default: ./demo-out)"),
            "  --lang zh|en  " + _("the language (default: that of the environment)"),
            "  --keep        " + _("leave state and logs of all processes in the output directory"),
            "  --help        " + _("show this and exit"),
        ]
    )
