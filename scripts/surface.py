"""What does the software offer that its reference must name? Commands, settings, routes, error codes.

Each reader looks at the code itself and returns name -> pattern of how the docs write it, or raises AbsentError where
the module does not exist yet. Modules are imported by name, so that a checkout without one of them can still be judged.
"""

import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

import typer
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic_settings import BaseSettings

Patterns = dict[str, re.Pattern[str]]

PROGRAMS = MappingProxyType(
    {"suanlian": "suanlian.cli.main", "suanlian-hub": "suanlian.commands.main", "suanlian-agent": "suanlian.agent.main"}
)
ERRORS = "suanlian.model.errors"


class AbsentError(Exception):
    """A part of the software that is not there, so nothing of it can be looked for in the docs."""


def load(name: str) -> ModuleType:
    """Import a module by name; AbsentError if it does not exist, any error of its own passes."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise AbsentError(f"there is no module {name}") from None
        raise


def word(text: str) -> re.Pattern[str]:
    """Return the pattern of `text` standing alone, not as part of a longer name."""
    return re.compile(rf"(?<![\w-]){re.escape(text)}(?![\w-])")


def commands() -> Patterns:
    """Return every command of the three programs, written in full: `suanlian job submit`."""
    found: Patterns = {}
    for program, module in PROGRAMS.items():
        app = getattr(load(module), "app", None)
        if not isinstance(app, typer.Typer):
            raise AbsentError(f"{module} has no Typer object named app")
        found.update((name, word(name)) for name in leaves(program, typer.main.get_command(app)))
    return found


def leaves(name: str, command: object) -> Iterator[str]:
    """Yield the full names of the commands below one; hidden ones, and nouns that need a verb, are left out."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name
        return
    if getattr(command, "invoke_without_command", False):
        yield name
    for child_name, child in children.items():
        if not child.hidden:
            yield from leaves(f"{name} {child_name}", child)


def settings() -> Patterns:
    """Return the environment variable of every setting."""
    module = load("suanlian.settings")
    classes = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseSettings)]
    names = {name for kind in classes if kind is not BaseSettings for name in _variables(kind)}
    if not names:
        raise AbsentError("suanlian.settings has no BaseSettings with fields")
    return {name: word(name) for name in names}


def _variables(kind: type[BaseSettings]) -> Iterator[str]:
    prefix = kind.model_config.get("env_prefix", "")
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        yield alias if isinstance(alias, str) else f"{prefix}{name}".upper()


def routes() -> Patterns:
    """Return every route as `METHOD /path`; the docs may write a prefix before the path."""
    found = routes_of(_routers(load("suanlian.api")))
    if not found:
        raise AbsentError("suanlian.api has no module with an APIRouter")
    return found


def routes_of(routers: Iterable[APIRouter]) -> Patterns:
    """Return the routes of some routers, those out of the schema left out."""
    return {
        f"{method} {route.path}": re.compile(rf"\b{method}\b[`* |]+[\w/.-]*{re.escape(route.path)}(?![\w/{{-])")
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods or ())
    }


def _routers(package: ModuleType) -> Iterator[APIRouter]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield from (value for value in vars(load(info.name)).values() if isinstance(value, APIRouter))


def error_codes() -> Patterns:
    """Return every stable code, which are the keys of the table CODES."""
    codes = getattr(load(ERRORS), "CODES", None)
    if not codes:
        raise AbsentError(f"{ERRORS} has no table CODES")
    return {code: word(code) for code in codes}


ALL: Mapping[str, Callable[[], Patterns]] = MappingProxyType(
    {"command": commands, "setting": settings, "route": routes, "error code": error_codes}
)
