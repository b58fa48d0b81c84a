"""What stands between the container and the command: a few lines of POSIX shell, by which the image's own sh runs it.

They need nothing of the image but ``/bin/sh``. They see to it that an attempt begins once, part its streams where a
directory is shared, and leave what the container used in its termination message, which the API hands on.
"""

from collections.abc import Mapping
from typing import Final

SHELL: Final = "/bin/sh"
WORK: Final = "/suanlian/work"
RUN: Final = "/suanlian/run"
STARTED: Final = "started"
TERMINATION: Final = "/dev/termination-log"
SECOND: Final = "suanlian: begun before"
"""The termination message of a pod that was made in the place of another that had begun."""
_SECOND_CODE: Final = 75

SLOT: Final = "SUANLIAN_SLOT"
TASKS: Final = "SUANLIAN_SLOT_TASKS"
"""In a Job of many: the completion index, and the task index of each."""

# exec in a subshell: the command is a program and never a word of this shell; it runs in the foreground, so no signal
# is ignored. "noclobber" opens with O_EXCL. Control groups of both versions are read by words of the shell alone.
SCRIPT: Final = f"""
if [ -n "${TASKS}" ]; then
  n=0
  for t in ${TASKS}; do
    if [ $n = "${SLOT}" ]; then export SUANLIAN_TASK_INDEX=$t; fi
    n=$((n + 1))
  done
  unset {TASKS} {SLOT}
fi
if [ -d {RUN} ]; then
  if ! (set -C; : >{RUN}/{STARTED}) 2>/dev/null; then
    printf '{SECOND}' >{TERMINATION}; exit {_SECOND_CODE}
  fi
  exec >>{RUN}/stdout 2>>{RUN}/stderr
fi
(exec "$@")
code=$?
cpu_us=0 peak=0 oom=0 g=/sys/fs/cgroup
for f in $g/cpuacct/cpuacct.usage $g/cpu,cpuacct/cpuacct.usage; do
  if [ -r $f ]; then read -r v <$f; cpu_us=$((v / 1000)); fi
done
if [ -r $g/cpu.stat ]; then
  while read -r k v; do if [ "$k" = usage_usec ]; then cpu_us=$v; fi; done <$g/cpu.stat
fi
for f in $g/memory.current $g/memory.peak $g/memory/memory.max_usage_in_bytes; do
  if [ -r $f ]; then read -r peak <$f; fi
done
for f in $g/memory.events $g/memory/memory.oom_control; do
  if [ -r $f ]; then while read -r k v; do if [ "$k" = oom_kill ]; then oom=$v; fi; done <$f; fi
done
printf '{{"cpu_us":%s,"peak_bytes":%s,"oom_kills":%s}}' "$cpu_us" "$peak" "$oom" >{TERMINATION}
exit $code
"""


def command(argv: tuple[str, ...]) -> list[str]:
    """What the container starts."""
    return [SHELL, "-c", SCRIPT, "suanlian", *argv]


def signal(name: str) -> list[str]:
    """What is run beside it to send a signal: to those processes that handle it, where none does to all of the job.

    A shell that only launched the program would die of it, and take the program with it. Raises KeyError.
    """
    return [SHELL, "-c", _TELL.format(name=name, bit=SIGNALS[name] - 1)]


def stand(*, still: bool) -> list[str]:
    """What is run beside it to stop all its processes where they are, or to let them go on."""
    return [SHELL, "-c", f"kill -{'STOP' if still else 'CONT'} -1 2>/dev/null || :"]


def before_stop(name: str) -> list[str]:
    """What the kubelet runs before it stops the container, whose first process hears no SIGTERM."""
    return [SHELL, "-c", f"{_TELL.format(name=name, bit=SIGNALS[name] - 1)}kill -CONT -1 2>/dev/null || :"]


SIGNALS: Final[Mapping[str, int]] = {"TERM": 15, "INT": 2, "USR1": 10, "USR2": 12}

# "SigCgt" is the set of signals that a process handles; the first process, the launcher, is never told.
_TELL: Final = """hit=
for d in /proc/[0-9]*; do
  p=${{d#/proc/}}
  if [ "$p" = 1 ] || [ "$p" = $$ ]; then continue; fi
  while read -r k v; do
    if [ "$k" = SigCgt: ] && [ $((0x$v >> {bit} & 1)) = 1 ]; then kill -{name} "$p" && hit=1; fi
  done <"$d/status"
done 2>/dev/null
if [ -z "$hit" ]; then kill -{name} -1; fi 2>/dev/null
"""


def escaped(text: str) -> str:
    """A text that Kubernetes hands on as it is: it reads ``$(NAME)`` as a reference, and ``$$`` as one ``$``."""
    return text.replace("$", "$$")
