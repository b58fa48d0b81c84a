from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from suanlian.drivers.contract import DriverError
from suanlian.drivers.local.driver import LocalDriver, LocalOptions
from suanlian.drivers.registry import GROUP, DriverRegistry

LOCAL = EntryPoint("local", "suanlian.drivers.local.driver:LocalDriver", GROUP)
BROKEN = EntryPoint("broken", "suanlian.no_such_module:driver", GROUP)


def test_options_are_read_from_plain_values_and_the_driver_opens(tmp_path: Path) -> None:
    given = {"root": str(tmp_path), "isolation": "none", "environments": {"python": {"path": ["/usr/bin"]}}}
    options = TypeAdapter(LocalOptions).validate_python(given)
    assert isinstance(DriverRegistry([LOCAL]).load("local")(options), LocalDriver)
    with pytest.raises(ValidationError, match="isolation"):
        TypeAdapter(LocalOptions).validate_python({**given, "isolation": "some"})


def test_what_cannot_be_loaded_is_kept_and_shown_and_stops_nothing() -> None:
    registry = DriverRegistry([BROKEN, LOCAL])
    assert registry.errors() == {}
    with pytest.raises(DriverError, match=r"'broken'.*No module named 'suanlian.no_such_module'"):
        registry.load("broken")
    assert registry.load("local") is LocalDriver
    assert registry.names() == ("broken", "local")
    assert registry.errors() == {"broken": "ModuleNotFoundError: No module named 'suanlian.no_such_module'"}


def test_a_driver_that_is_not_here_is_named_with_those_that_are() -> None:
    with pytest.raises(DriverError, match="no driver 'slurm' here; installed: local"):
        DriverRegistry([LOCAL]).load("slurm")
