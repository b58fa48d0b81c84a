"""The bundle installs where there is no network, and refuses what was damaged on the way."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from scripts.make_bundle import build

NOWHERE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle")
    archive = build(place / "made", ["probe"])
    with tarfile.open(archive) as packed:
        packed.extractall(place / "site", filter="data")
    [folder] = (place / "site").iterdir()
    return folder


def install(folder: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    command = [str(folder / "install.sh"), str(prefix)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=NOWHERE | {"PYTHON": sys.executable}, timeout=300
    )


@pytest.mark.timeout(600)
def test_it_installs_without_a_network_and_the_commands_run(unpacked: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt"
    done = install(unpacked, prefix)
    assert done.returncode == 0, done.stderr
    assert "suanlian-agent init" in done.stdout
    out = tmp_path / "agent.toml"
    looked = subprocess.run(
        [prefix / "bin" / "suanlian-agent", "init", "--out", out, "--engine", "local"],
        capture_output=True,
        text=True,
        check=True,
        env=NOWHERE,
        cwd=tmp_path,
    )
    assert "Checked: the engine answers" in looked.stdout
    numbers = subprocess.run([prefix / "bin" / "python", "-c", "import numpy"], check=False, env=NOWHERE)
    assert numbers.returncode == 0


def test_what_was_damaged_on_the_way_is_refused_and_nothing_is_left(unpacked: Path, tmp_path: Path) -> None:
    wheel = next((unpacked / "wheels").glob("typer-*.whl"))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1])
    try:
        done = install(unpacked, tmp_path / "opt")
    finally:
        wheel.write_bytes(whole)
    assert done.returncode == 1
    assert "not as it was packed" in done.stderr
    assert not (tmp_path / "opt").exists()
