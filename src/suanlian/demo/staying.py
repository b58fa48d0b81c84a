"""What does ``suanlian up`` tell, and how does it stay?"""

import shutil
import sys
import time
from pathlib import Path
from typing import Final

from suanlian.demo.onboarding import Hub
from suanlian.demo.play import Play, Stage
from suanlian.i18n import _

_LOOK_S: Final = 1.0


def stay(play: Play, stage: Stage) -> None:
    """Say what there is and what to try; return never: an interrupt or a process that ends raises."""
    for text in told(play, stage):
        play.say(text)
    while True:
        play.fleet.check()
        time.sleep(_LOOK_S)


def told(play: Play, stage: Stage) -> list[str]:
    """The addresses, where the keys are, and commands to try. Writes the key files."""
    folder = play.root / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    keys: dict[str, tuple[Hub, str]] = {
        **{name: (stage.delta, key) for name, key in stage.buyers.items()},
        **{platform.plan.provider: (stage.delta, platform.key) for platform in stage.platforms},
        "supervision": (stage.delta, stage.supervisor),
        "operator-delta": (stage.delta, stage.delta.operator),
        "operator-national": (stage.national, stage.national.operator),
    }
    for name, (hub, key) in keys.items():
        target = folder / f"{name}.env"
        target.touch(mode=0o600)
        target.write_text(f"export SUANLIAN_HUB={hub.url}\nexport SUANLIAN_KEY={key}\n", encoding="utf-8")
    buyer = next(iter(stage.buyers))
    agent = stage.platforms[0]
    return [
        "",
        _("National hub: {url}").format(url=stage.national.url),
        _("Hub of the Yangtze River Delta: {url}").format(url=stage.delta.url),
        _("Keys, one file each to be sourced by a shell: {folder}").format(folder=folder),
        _("Try in another terminal:"),
        f"  . {folder / buyer}.env",
        f"  {_typed('suanlian')} jobs",
        f"  {_typed('suanlian')} why JOB",
        f"  {_typed('suanlian')} capacity",
        f"  {_typed('suanlian-agent')} status --home {agent.home}",
        f"  {_typed('suanlian-agent')} sent --home {agent.home}",
        _("Ctrl-C ends everything."),
    ]


def _typed(name: str) -> str:
    """What a person types for a command of ours: its name, or its path where the shell would not find it."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if shutil.which(name) is None and beside.exists() else name
