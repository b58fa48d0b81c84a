"""How does a signal reach the program and not only the shell that waits for it? By a few lines run inside.

Only what POSIX shells have within themselves: images have no ``kill`` or ``grep``, many have a shell.
"""

from typing import Final

# SigCgt of /proc/PID/status (proc(5)) is a mask of the signals that a process handles: bit N-1 for signal N
SCRIPT: Final = r"""
case $1 in INT) bit=2;; USR1) bit=512;; USR2) bit=2048;; *) bit=16384;; esac
some= every=
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/} mask=
  [ "$pid" = "$$" ] && continue
  { while read -r key value; do [ "$key" = SigCgt: ] && mask=$value; done < "$entry/status"; } 2>/dev/null
  [ "$mask" ] || continue
  every="$every $pid"
  low=${mask#????????????}
  [ $(( 0x$low & bit )) -ne 0 ] && some="$some $pid"
done
for pid in ${some:-$every}; do kill -s "$1" "$pid" 2>/dev/null; done
exit 0
"""
"""To every process that handles the signal; where none does, to all but the shell itself. ``$1``: the name."""
