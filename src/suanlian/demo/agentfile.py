"""What stands in the ``agent.toml`` of a demo platform? Written from the same values that the wire carries."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import suanlian
from suanlian.demo.lakes import storage_table
from suanlian.demo.work.catalogue import NATIVE, WASM
from suanlian.demo.world import PlatformPlan, inventory, offers
from suanlian.model.performance import Performance

_GRACE_S: Final = 1.0
_POLL_S: Final = 10
_PACKAGES: Final = ("site-packages", "dist-packages")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Setting:
    """What differs from one run of the demo to the next. ``inputs``: the origin of the demo's file server.

    ``lakes``: the folder in which the platforms' storage lies.
    """

    hub: str
    inputs: str
    measured: tuple[Performance, ...]
    tools: Path
    lakes: Path
    allow_unisolated: bool = False


def agent_toml(plan: PlatformPlan, setting: Setting) -> str:
    """The whole file."""
    published = inventory(plan, setting.measured)
    document = {
        "hub": setting.hub,
        "platform": plan.name,
        "connector": f"{plan.name}-1",
        "poll_wait_s": _POLL_S,
        "level": "trade",
        "policy": {
            "own_entity": plan.provider,
            "allow_unisolated": setting.allow_unisolated,
            "allowed_origins": [setting.inputs],
        },
        "driver": {"name": "local", "environments": environments(setting.tools), "options": {"grace_s": _GRACE_S}},
        "storage": storage_table(setting.lakes, plan),
        "inventory": published.model_dump(mode="json", exclude_none=True),
        "offers": [offer.model_dump(mode="json", exclude_none=True) for offer in offers(plan)],
    }
    return toml(document)


def environments(tools: Path) -> dict[str, Any]:
    """How the two named environments are made on this machine. ``tools``: a directory that may get a link to python."""
    python = _python(tools)
    runner = Path(suanlian.__file__).parent / "drivers" / "local" / "wasm.py"
    packages = [sys.prefix, *_outside(sys.prefix)]
    env = {"PYTHONDONTWRITEBYTECODE": "1", **({"PYTHONPATH": ":".join(packages[1:])} if packages[1:] else {})}
    binds = [*packages, str(python.parent)]
    return {
        NATIVE: {"path": [str(python.parent)], "binds": binds, "env": env},
        WASM: {"launcher": [str(python), str(runner)], "binds": [*binds, str(runner)], "env": env},
    }


def _python(tools: Path) -> Path:
    """An interpreter that is called ``python``: that of the virtual environment, else a link of our own."""
    beside = Path(sys.executable).with_name("python")
    if beside.exists() and sys.prefix != sys.base_prefix:
        return beside
    link = tools / "python"
    tools.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(Path(sys.executable).resolve())
    return link


def _outside(prefix: str) -> list[str]:
    """Directories of packages that do not lie below the interpreter's prefix, such as a person's own."""
    found = [Path(path) for path in sys.path if Path(path).name in _PACKAGES]
    return [str(path) for path in dict.fromkeys(found) if path.is_dir() and not path.is_relative_to(prefix)]


def toml(document: Mapping[str, Any]) -> str:
    """A document as TOML 1.0: what is plain first, then a table a section. JSON's strings are TOML's."""
    plain = [f"{_key(key)} = {_value(value)}" for key, value in document.items() if not _is_section(value)]
    sections = [_section(key, value) for key, value in document.items() if _is_section(value)]
    return "\n".join([*plain, *sections, ""])


def _is_section(value: object) -> bool:
    """A table, or a list of nothing but tables: an empty list is plain."""
    is_list_of_tables = isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping) or is_list_of_tables


def _section(name: str, value: Mapping[str, Any] | list[Any]) -> str:
    if isinstance(value, list):
        return "".join(f"\n[[{_key(name)}]]\n{_lines(item)}" for item in value)
    return f"\n[{_key(name)}]\n{_lines(value)}"


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON leaves this one control character as it is, TOML does not take it
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)
