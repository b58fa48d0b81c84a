"""Where is each platform's storage on this machine, and what lies there from the beginning?"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from suanlian.demo.work.placed import DATASET, placed_files
from suanlian.demo.world import DATA_HOME, DATA_OWNER, LAKE, PLATFORMS, PlatformPlan

OPENED: Final = f"opened/{DATASET}"
"""The folder below the storage at `world.DATA_HOME` that its owner opens to `world.DATA_OWNER`."""


def lake_of(lakes: Path, platform: str) -> Path:
    """The folder that a platform publishes as its storage, below the folder of all of them."""
    return lakes / platform / LAKE


def dig(lakes: Path, plans: Iterable[PlatformPlan]) -> None:
    """Make the folders, and the dataset where it lies from the beginning."""
    for plan in plans:
        lake_of(lakes, plan.name).mkdir(parents=True, exist_ok=True)
        if plan.name == DATA_HOME:
            folder = lake_of(lakes, plan.name) / OPENED
            folder.mkdir(parents=True)
            for path, content in placed_files().items():
                (folder / path).write_bytes(content)


def storage_table(lakes: Path, plan: PlatformPlan) -> Mapping[str, Any]:
    """``[storage]`` of the platform's agent.toml: all folders lie in one file system, each owner names the others'."""
    peers = [str(lake_of(lakes, other.name)) for other in PLATFORMS if other.name != plan.name]
    here: dict[str, Any] = {"root": str(lake_of(lakes, plan.name)), "peers": peers}
    if plan.name == DATA_HOME:
        here["register"] = [{"entity": DATA_OWNER, "folder": OPENED}]
    return {LAKE: here}
