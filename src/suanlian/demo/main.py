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
from suanlian.i18n import _, use_language
from suanlian.model.errors import SuanlianError

DEADLINE_S: Final = 170
FAILED: Final = 1
USAGE: Final = 2
_PIPED_WIDTH: Final = 150
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """``suanlian demo``: everything, ends by itself."""
    return _guarded("demo", arguments)


def up(arguments: list[str]) -> int:
    """``suanlian up``: the same, stays until interrupted."""
    return _guarded("up", arguments)


def _guarded(command: str, arguments: Sequence[str]) -> int:
    try:
        options = parse(arguments)
    except Trouble as trouble:
        return _complain(trouble, USAGE)
    if options.help:
        sys.stdout.write(help_text(command) + "\n")
        return 0
    with use_language(options.lang):
        try:
            return _run(options, staying=command == "up")
        except Trouble as trouble:
            return _complain(trouble, FAILED)
        except SuanlianError as error:
            return _complain(Trouble(f"{error.wrong} ({error.code})", error.todo), FAILED)
        except OSError as error:
            return _complain(Trouble(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")), FAILED)
        except Interrupted as interrupted:
            sys.stderr.write(_("Ended on request; nothing is left running.") + "\n")
            return 128 + interrupted.number


def _complain(trouble: Trouble, code: int) -> int:
    lines = [trouble.wrong, *(f"  | {line}" for line in trouble.log.splitlines()), trouble.todo]
    sys.stderr.write("\n".join(filter(None, lines)) + "\n")
    return code


def _run(options: Options, *, staying: bool) -> int:
    began = time.monotonic()
    # lines that are piped have no width of their own
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    with _workplace(options) as (fleet, root):
        play = Play(fleet, root, console)
        stage: Stage | None = None
        try:
            with _deadline(DEADLINE_S):
                stage = play.set_the_stage()
                watch = play.work(stage)
                ending = Ending(play, stage, watch, options, began)
                code = show_ending(ending)
            if staying and code == 0:
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
            with _undisturbed():
                _keep(root / "logs", options.out / "logs")
            if isinstance(error, SuanlianError | Trouble):
                raise _with_place(error, options.out / "logs") from error
            raise
        finally:
            with _undisturbed():
                fleet.end()
                if options.keep:
                    _keep(root, options.out / "state")
                shutil.rmtree(root, ignore_errors=True)


def _with_place(error: SuanlianError | Trouble, logs: Path) -> Trouble:
    wrong, log = (error.wrong, error.log) if isinstance(error, Trouble) else (f"{error.wrong} ({error.code})", "")
    return Trouble(wrong, "\n".join(filter(None, (error.todo, _("All logs: {place}").format(place=logs)))), log)


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
