"""`make demo-engines`: the 1+4 on two Slurm clusters, Ray and the sandbox; ends by itself, 0 when all was right."""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from scripts.engines_demo.networks import networks
from scripts.engines_demo.platforms import USERS, Ground, lacking, places
from scripts.engines_demo.stage import Stage, set_the_stage
from scripts.engines_demo.table import Row, show
from scripts.engines_demo.work import work
from suanlian.demo.processes import Fleet
from suanlian.demo.trouble import Interrupted, Trouble
from suanlian.model.errors import SuanlianError
from suanlian.testing.slurm import unix_users

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run it."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    if told := lacking():
        for line in told:
            console.print(f"demo-engines cannot run here: {line}")
        return 1
    began = time.monotonic()
    try:
        rows = _run(console)
    except Interrupted as interrupted:
        console.print("Ended on request; nothing is left running.")
        return 128 + interrupted.number
    except Trouble as trouble:
        console.print("\n".join(filter(None, [trouble.wrong, trouble.log, trouble.todo])))
        return 1
    except SuanlianError as error:
        console.print(f"{error.wrong} ({error.code}) {error.todo}")
        return 1
    show(console, rows)
    right = sum(row.right for row in rows)
    console.print(f"{right} of {len(rows)} right, {time.monotonic() - began:.0f} s in all. All processes have ended.")
    return 0 if right == len(rows) else 1


def _run(console: Console) -> list[Row]:
    root = Path(tempfile.mkdtemp(prefix="sld-"))
    root.chmod(0o711)
    with contextlib.ExitStack() as ends:
        ends.enter_context(_interruptible())
        ends.callback(shutil.rmtree, root, ignore_errors=True)
        fleet = Fleet(root / "logs", "en")
        ends.callback(fleet.end)
        made = ends.enter_context(unix_users(*USERS.values()))
        users = {entity: made[short] for entity, short in USERS.items()}
        nets = ends.enter_context(networks(fleet))
        stage = Stage(fleet, root, console, nets)
        try:
            stage.open_hubs()
            ground = Ground(root, nets, [stage.port], ends, users)
            set_the_stage(stage, places(ground))
            return list(work(stage))
        except (Trouble, SuanlianError):
            shutil.rmtree("build/demo-engines-logs", ignore_errors=True)
            shutil.copytree(root / "logs", "build/demo-engines-logs")
            console.print("All logs: build/demo-engines-logs")
            raise


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
