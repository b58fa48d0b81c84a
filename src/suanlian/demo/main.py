"""The commands ``suanlian demo`` and ``suanlian up``: the door. Whatever happens inside, nothing outlives it.

Exit codes: 0 all well; 1 something failed or a result is wrong; 2 the command was written wrongly; 128 + signal when
somebody ended it.
"""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from suanlian.demo.ending import Ending, show_ending
from suanlian.demo.options import Options, help_text, parse
from suanlian.demo.play import Play, Stage
from suanlian.demo.processes import Fleet
from suanlian.demo.staying import stay
from suanlian.demo.trouble import Interrupted, Trouble
from suanlian.demo.world import PLATFORMS, PlatformPlan
from suanlian.i18n import _, use_language
from suanlian.model.errors import SuanlianError

DEADLINE_S: Final = 178
FAILED: Final = 1
USAGE: Final = 2
_PIPED_WIDTH: Final = 180
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """``suanlian demo``: everything, ends by itself."""
    return guarded("demo", arguments)


def up(arguments: list[str]) -> int:
    """``suanlian up``: the same, stays until interrupted."""
    return guarded("up", arguments)


def guarded(command: str, arguments: Sequence[str], plans: Sequence[PlatformPlan] = PLATFORMS) -> int:
    """Run one of the two commands over these platforms; everything that goes wrong becomes a message and a code."""
    try:
        options = parse(arguments)
    except Trouble as trouble:
        return _complain(trouble, USAGE)
    if options.help:
        sys.stdout.write(help_text(command) + "\n")
        return 0
    with use_language(options.lang):
        try:
            return _run(options, plans, staying=command == "up")
        except Interrupted as interrupted:
            sys.stderr.write(_("Ended on request; nothing is left running.") + "\n")
            return 128 + interrupted.number
        except (Trouble, SuanlianError, OSError) as error:
            return _complain(_as_trouble(error), FAILED)


def _as_trouble(error: Trouble | SuanlianError | OSError) -> Trouble:
    if isinstance(error, Trouble):
        return error
    if isinstance(error, SuanlianError):
        return Trouble(f"{error.wrong} ({error.code})", error.todo)
    return Trouble(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))


def _complain(trouble: Trouble, code: int) -> int:
    lines = [trouble.wrong, *(f"  | {line}" for line in trouble.log.splitlines()), trouble.todo]
    sys.stderr.write("\n".join(filter(None, lines)) + "\n")
    return code


def _run(options: Options, plans: Sequence[PlatformPlan], *, staying: bool) -> int:
    began = time.monotonic()
    # lines that are piped have no width of their own
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    with _workplace(options) as (fleet, root):
        play = Play(fleet, root, console, plans)
        stage: Stage | None = None
        try:
            with _deadline(DEADLINE_S):
                stage = play.set_the_stage()
                watch = play.work(stage)
                ending = Ending(play, stage, watch, options, began)
                code = show_ending(ending)
            if staying and code == 0:
                # an interrupt is how it is meant to end
                with contextlib.suppress(Interrupted):
                    stay(play, stage)
        except BaseException:
            with _undisturbed():
                play.cancel_all(stage)
            raise
    console.print(_("All processes have ended."), highlight=False)
    return code


@contextlib.contextmanager
def _workplace(options: Options) -> Iterator[tuple[Fleet, Path]]:
    """A private directory and the processes in it; both are gone afterwards, or the directory kept where asked."""
    root = Path(tempfile.mkdtemp(prefix="suanlian-demo-"))
    root.chmod(0o711)  # searchable, not listable: a job's own user walks through here to its directory
    with _interruptible():
        fleet = Fleet(root / "logs", options.lang)
        try:
            yield fleet, root
        except (Trouble, SuanlianError, OSError) as error:
            logs = options.out / "logs"
            with _undisturbed():
                _keep(root / "logs", logs)
            raise _with_place(_as_trouble(error), logs) from error
        finally:
            with _undisturbed():
                fleet.end()
                if options.keep:
                    _keep(root, options.out / "state")
                shutil.rmtree(root, ignore_errors=True)


def _with_place(trouble: Trouble, logs: Path) -> Trouble:
    place = _("All logs: {place}").format(place=logs)
    return Trouble(trouble.wrong, "\n".join(filter(None, (trouble.todo, place))), trouble.log)


def _keep(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    # links and sockets of a state directory are kept as they are
    shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP raise Interrupted inside."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(_SIGNALS, interrupt):
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Tidying up is short and must not be cut short."""
    with _handled(_SIGNALS, signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, old in zip(numbers, before, strict=True):
            signal.signal(number, old)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raises Trouble inside after so many seconds, whatever is being waited for."""

    def expire(_number: int, _frame: FrameType | None) -> None:
        wrong = _("The demo has not ended after {seconds} s.").format(seconds=f"{seconds:g}")
        raise Trouble(wrong, _("It needs two cores of its own: end what else runs on this machine, and run it again."))

    with _handled((signal.SIGALRM,), expire):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
