"""The owner's own check: the real driver passes whole, its state directory is not touched, and a failure is said."""

import json
import tempfile
from pathlib import Path

import pytest

from suanlian.agent.main import REFUSED, run
from suanlian.agent.selftest import selftest
from suanlian.model.conformance import Check, Fault, Result
from suanlian.settings import AgentSettings
from suanlian.testing.nodes import Slots, agent_toml

SETTINGS = AgentSettings()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "agent.toml"
    made.write_text(agent_toml("http://127.0.0.1:9", "wuhu", Slots(cores=2)), encoding="utf-8")
    return made


def left() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("suanlian-selftest-*"))


def test_the_shipped_connector_with_the_local_driver_passes_whole(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out, before = tmp_path / "home", tmp_path / "report.json", left()
    home.mkdir()
    (home / "agent.toml").write_bytes(file.read_bytes())
    code = run(["selftest", "--home", str(home), "--out", str(out)], SETTINGS)
    said = capsys.readouterr().out
    assert code == 0, said
    report = json.loads(out.read_text())
    assert report["passed"]
    assert [finding["check"] for finding in report["report"]["findings"]] == [check.value for check in Check]
    assert sorted(path.name for path in home.iterdir()) == ["agent.toml"]
    assert left() == before
    assert "Starts up to 8 small jobs at once, at most 1 cores together" in said


@pytest.mark.parametrize("cap", ["cpu = 0", "seconds = 3", "per_day = 1"])
def test_a_cap_that_is_too_small_fails_without_starting_anything(
    file: Path, cap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("probes")]
    text = "\n".join(lines).replace("[policy]", f"[policy]\nprobes = {{ {cap} }}")
    file.write_text(text, encoding="utf-8")
    assert run(["selftest", "--config", str(file)], SETTINGS) == 1
    assert "raise the cap on probes" in " ".join(capsys.readouterr().out.split())


def test_a_platform_of_which_no_flavor_runs_probes_is_told_so(file: Path) -> None:
    text = file.read_text().replace('architecture = "x86_64"', 'architecture = "wasm32"')
    file.write_text(text, encoding="utf-8")
    made = selftest(file)
    assert {(finding.result, finding.why) for finding in made.report.findings} == {(Result.SKIPPED, Fault.NO_PROBES)}
    assert not made.passed


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selftest", "--config", str(tmp_path / "none.toml")], SETTINGS) == REFUSED
    assert "field_invalid" in capsys.readouterr().err
