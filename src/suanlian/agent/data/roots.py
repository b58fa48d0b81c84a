"""Where do the folders that are published as storage lie on this machine, and are they there?"""

from pathlib import Path

from suanlian.agent.config import AgentConfig
from suanlian.agent.host import filesystem_of
from suanlian.model.errors import InvalidError


def filesystems(config: AgentConfig, hub_id: str) -> dict[str, str]:
    """In which file system each folder that is published lies; one that is not there now is left out."""
    found = dict[str, str]()
    for name, here in config.storage.items():
        if here.root is not None:
            try:
                found[name] = filesystem_of(hub_id, here.root)[:64]
            except OSError:
                continue
    return found


def check_roots(config: AgentConfig, file: Path) -> None:
    """Every folder that is published is there. Raises InvalidError naming ``file`` and the field."""
    for name, here in config.storage.items():
        if here.root is not None and not here.root.is_dir():
            wrong = f"{file}: storage.{name}.root: there is no folder {here.root}."
            todo = "Make it, or mount what belongs there; correct the file where it is another."
            raise InvalidError("field_invalid", wrong, todo=todo, field=f"storage.{name}.root")
