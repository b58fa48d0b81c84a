"""A driver of somebody else, in a package of its own: installed by pip, found by its entry point, held to contract."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from suanlian.agent.build import build_driver
from suanlian.agent.config import Home, read_config
from suanlian.drivers.registry import GROUP, DriverRegistry
from suanlian.testing.drivers import POSIX, DriverBench, DriverContract

PACKAGE = Path(__file__).resolve().parent / "foreign"
FILE = """
hub = "https://hub.example.org"
platform = "p"
connector = "p-1"
[driver]
name = "tiny"
[driver.options]
greeting = "from a package of its own"
[[inventory.sites]]
name = "here"
region = "310000"
[[inventory.shares]]
name = "s"
site = "here"
flavor = "f"
capacity = { cpu = "1", memory = "1GiB" }
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriverRegistry]:
    target = tmp_path_factory.mktemp("site-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(PACKAGE)], check=True, timeout=300)
    [installed] = distributions(path=[str(target)])
    sys.path.insert(0, str(target))
    importlib.invalidate_caches()
    try:
        yield DriverRegistry(entry for entry in installed.entry_points if entry.group == GROUP)
    finally:
        sys.path.remove(str(target))
        module = sys.modules.pop("tiny_driver")
        for process in module.STARTED:
            process.wait()


@pytest.fixture
def bench(registry: DriverRegistry, tmp_path: Path) -> DriverBench:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.config.write_text(FILE)
    config = read_config(home.config)
    return DriverBench(lambda: build_driver(config, home, registry), tmp_path / "staging", POSIX)


class TestForeign(DriverContract):
    pass


def test_it_is_found_where_it_is_installed_and_gets_its_options(bench: DriverBench, registry: DriverRegistry) -> None:
    assert registry.names() == ("tiny",)
    assert bench.driver.probe().detail == "from a package of its own"
    found = subprocess.run(
        [sys.executable, "-c", "from suanlian.drivers.registry import *; print(DriverRegistry().names())"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert "'tiny'" in found.stdout
    assert "'local'" in found.stdout
