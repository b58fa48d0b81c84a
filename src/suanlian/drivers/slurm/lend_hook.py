"""What is put before the body of a job that asks to be lent, and by which script of Slurm's controller? Text only.

The guard is plain POSIX shell, so that it stands before a body for sh and for bash alike, and it needs nothing on a
node but Slurm's own scontrol and the spool. The agent knows the very text: a script with any other is not lent.
"""

import re
from importlib.resources import files
from typing import Final

from suanlian.drivers.lending import Hook, LendTerms

LUA: Final = "suanlian_lend.lua"
STARTER: Final = "job_submit.lua"
_VARIABLE: Final = re.compile(rb"^# suanlian-variable ([A-Za-z_][A-Za-z0-9_]{0,63}) ((?:[0-9a-f]{2})*)\n")
_SAFE: Final = re.compile(r"^[A-Za-z0-9_./@+-]+$")


def guard(terms: LendTerms, scontrol: str) -> str:
    """The text before the body."""
    return _filled("guard.sh", {"SCONTROL": scontrol, "SPOOL": str(terms.spool)})


def hook(terms: LendTerms, scontrol: str, directory: str) -> Hook:
    """The files of the controller's directory."""
    lists = {"QUEUES": terms.queues, "LENDING_QUEUES": terms.lending_queues, "VARIABLES": terms.variables}
    said = {name: ", ".join(f'"{_safe(value)}"' for value in values) for name, values in lists.items()}
    lua = _filled(LUA, {**said, "GUARD": guard(terms, scontrol)}, safe=False)
    return Hook(
        files={LUA: lua},
        starters={STARTER: _filled(STARTER, {"DIRECTORY": directory})},
        advice=(
            f'In a {STARTER} of your own: dofile("{directory}/{LUA}")',
            "  and first in its slurm_job_submit: suanlian_lend(job_desc, part_list)",
            "In slurm.conf: JobSubmitPlugins=lua; then restart slurmctld.",
            f"Make the spool {terms.spool}: every node sees it under this path, root owns it, mode 0755.",
        ),
    )


def parted(script: bytes, text: str) -> tuple[bytes, dict[str, str]] | None:
    """The script as its user wrote it, and the variables that travel; None where this very guard is not in it."""
    first, newline, rest = script.partition(b"\n")
    if not newline or not rest.startswith(text.encode()):
        return None
    body, variables = rest[len(text.encode()) :], {}
    while (found := _VARIABLE.match(body)) is not None:
        variables[found[1].decode()] = bytes.fromhex(found[2].decode()).decode(errors="replace")
        body = body[found.end() :]
    return first + newline + body, variables


def _filled(name: str, values: dict[str, str], *, safe: bool = True) -> str:
    text = (files("suanlian.drivers.slurm") / "hook" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", _safe(value) if safe else value)
    return text


def _safe(value: str) -> str:
    """A value that stands within quotes of a script. Raises ValueError for one that could leave them."""
    if not _SAFE.match(value):
        msg = f"{value!r} cannot stand in a script: letters, digits and any of _./@+- only"
        raise ValueError(msg)
    return value
