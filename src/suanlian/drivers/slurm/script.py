"""What does Slurm run? The text of a job's batch script. Pure.

One script serves all tasks of an array: what differs lies in the task's own directory, ``HERE/TASK``. Only builtins of
the shell stand between Slurm and the program, so that a small job stays small. The script

1. takes the mark ``begun``, or ends with ``REFUSED``: whatever Slurm does, no attempt runs twice;
2. sets the variables, reads the secrets and removes them, and lets the streams go to files;
3. runs the program, on every node where there are several, and survives the signals that reach it, too;
4. writes ``ended``: the exit code, the processor time and the memory that the control group saw at most.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

REFUSED: Final = 86
"""The exit code of a script that found its attempt begun."""
RENDEZVOUS: Final = (
    "SUANLIAN_NODES",
    "SUANLIAN_NODE_RANK",
    "SUANLIAN_RENDEZVOUS_HOST",
    "SUANLIAN_RENDEZVOUS_PORT",
)
"""What a program on several nodes is told: how many, which of them it is, and where they meet."""
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_FIRST_PORT: Final = 20_000
_PORTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Program:
    """What a script runs."""

    here: str
    """The batch's directory; a task's own is below, named by its place in the array."""
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    path: Sequence[str] = ()
    nodes: int = 1
    secrets: bool = False
    checkpoint: tuple[str, ...] = ()
    """Where the program sees its working directory (empty: where it is), and below it where its checkpoint lies."""
    grace_s: int = 0
    """How long, after a signal, the script waits for what its program started and did not wait for."""


def text(program: Program) -> str:
    """The whole script."""
    return "\n".join([*_begin(program), *_variables(program), *_run(program), *_END]) + "\n"


def _begin(program: Program) -> list[str]:
    return [
        "#!/bin/sh",
        f'here={shlex.quote(program.here)}/"${{SLURM_ARRAY_TASK_ID:-0}}"',
        'cd -P "$here" || exit 1',
        'here="$PWD"',
        "umask 077",
        "set -C",
        f'echo "${{SLURM_JOB_ID}}" 2>/dev/null >begun || exit {REFUSED}',
        "set +C",
        "read -r SUANLIAN_TASK_INDEX SUANLIAN_ATTEMPT_ID <index",
        "export SUANLIAN_TASK_INDEX SUANLIAN_ATTEMPT_ID",
        "exec </dev/null >stdout 2>stderr",
    ]


def _variables(program: Program) -> list[str]:
    path = ":".join([*program.path, _SYSTEM_PATH])
    lines = [
        f"export PATH={shlex.quote(path)}",
        'cd -P "$here/../work" || exit 1',
        'export HOME="$PWD" TMPDIR="$here/tmp" LANG=C.UTF-8',
        *(f"export {name}={shlex.quote(value)}" for name, value in program.env.items()),
    ]
    if program.checkpoint:
        top, below = program.checkpoint
        start = shlex.quote(top) if top else '"$HOME"'
        lines.append(f"export SUANLIAN_CHECKPOINT_DIR={start}/{shlex.quote(below)}")
    if program.secrets:
        lines += ['. "$here/secrets"', 'rm -f "$here/secrets"']
    return lines


def _run(program: Program) -> list[str]:
    # a trapped signal reaches the program with its default meaning, and the shell lives to write the end
    lines = ["told=", "trap told=1 TERM INT USR1 USR2"]
    command = shlex.join(program.command)
    patience = [line.replace("GRACE", str(10 * program.grace_s)) for line in _WAIT] if program.grace_s else []
    if program.nodes == 1:
        return [*lines, command, "code=$?", *patience]
    each = (
        'export SUANLIAN_NODE_RANK="$SLURM_NODEID" '
        'SUANLIAN_RENDEZVOUS_HOST="${SLURM_LAUNCH_NODE_IPADDR:-$SUANLIAN_RENDEZVOUS_HOST}"; exec "$@"'
    )
    shape = f"--nodes={program.nodes} --ntasks={program.nodes} --ntasks-per-node=1"
    srun = f"srun {shape} --kill-on-bad-exit=1 --input=none"
    return [
        *lines,
        f'export SUANLIAN_NODES={program.nodes} SUANLIAN_RENDEZVOUS_HOST="$SLURMD_NODENAME"',
        f"export SUANLIAN_RENDEZVOUS_PORT=$(({_FIRST_PORT} + SLURM_JOB_ID % {_PORTS}))",
        f"{srun} sh -c {shlex.quote(each)} sh {command}",
        "code=$?",
        *patience,
    ]


_WAIT: Final = (
    # a launcher may have died of the signal before the program below it has written its checkpoint
    "lingers() {",
    "  for stat in /proc/[0-9]*/stat; do",
    '    [ "$stat" != "/proc/$$/stat" ] && read -r line 2>/dev/null <"$stat" || continue',
    "    set -- ${line##*) }",
    '    [ "$1" != Z ] && [ "$3" = "$$" ] && return 0',
    "  done",
    "  return 1",
    "}",
    'if [ -n "$told" ]; then',
    "  turns=0",
    "  while lingers && [ $turns -lt GRACE ]; do turns=$((turns + 1)); sleep 0.1; done",
    "fi",
)

_END: Final = (
    "peak=",
    "while IFS=: read -r _ kind group; do",
    '  case "$kind:$group" in',
    "    memory:*slurm*) read -r peak 2>/dev/null </sys/fs/cgroup/memory$group/memory.max_usage_in_bytes ;;",
    "    :*slurm*) read -r peak 2>/dev/null </sys/fs/cgroup$group/memory.peak ;;",
    "  esac",
    "done </proc/self/cgroup",
    'while [ -z "$peak" ] && read -r name value _; do',
    '  [ "$name" = VmHWM: ] && peak=$((value * 1024))',
    "done </proc/self/status",
    '{ echo "$code $peak"; times; } >"$here/ended"',
    "exit $code",
)
