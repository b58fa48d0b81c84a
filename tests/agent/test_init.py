"""What `suanlian-agent init` makes of a machine: by what its tools print, and for real on this one.

The output of npu-smi and of lspci is written after the vendors' published form: no such cards were there.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.config import AgentConfig
from suanlian.agent.discover import parse
from suanlian.agent.discover.found import Cards, Engine, Machine, Queue
from suanlian.agent.discover.look import cards, container, kubernetes, look, ray, slurm
from suanlian.agent.discover.propose import Names, missing, name_of, proposed
from suanlian.agent.main import run
from suanlian.model.performance import Architecture

NVIDIA = "NVIDIA H100 80GB HBM3, 81559\n" * 8
BANNER = "| NVIDIA-SMI 580.82  Driver Version: 580.82  CUDA Version: 13.0  |"
NPU = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.rc1                 Version: 24.1.rc1                                             |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 91.5        46                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3345 / 65536         |
+===========================+===============+====================================================+
| 1     910B3               | OK            | 90.1        45                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          3345 / 65536         |
+===========================+===============+====================================================+
"""
PCI = """\
00:02.0 "0300" "8086" "3e98" -r02 "1028" "0868"
3b:00.0 "0302" "10de" "2330" -ra1 "10de" "16c1"
c1:00.0 "1200" "19e5" "d802" -r20 "0200" "0100"
c2:00.0 "1200" "19e5" "d802" -r20 "0200" "0100"
d1:00.0 "0200" "15b3" "101d" -r00 "15b3" "0016"
"""
SINFO = """\
cpu|up|12|64|257000|(null)
gpu|up|4|128|1031000|gpu:h100:8(S:0-1)
gpu|up|2|96|515000|gpu:4
old|down|1|8|1000|(null)
"""
CONFIG = "Configuration data as of now\nClusterName             = wuhu\nSLURM_VERSION           = 22.05.8\n"
MACHINE = Machine(Architecture.X86_64, 64, 256_000, 900_000, "Some Vendor R750")


def test_cards_by_the_vendors_tools_come_before_what_the_bus_tells() -> None:
    def answer(command: Sequence[str]) -> str | None:
        known = {"nvidia-smi": BANNER if len(command) == 1 else NVIDIA, "npu-smi": NPU, "lspci": PCI}
        return known.get(command[0])

    assert cards(answer) == (
        Cards("nvidia", "H100 80GB HBM3", 8, "nvidia-smi", 81559, "cuda 13.0"),
        Cards("ascend", "910B3", 2, "npu-smi", 65536, "driver 24.1.rc1"),
    )
    assert cards(lambda command: PCI if command[0] == "lspci" else None) == (
        Cards("nvidia", "10de:2330", 1, "lspci"),
        Cards("ascend", "19e5:d802", 2, "lspci"),
    )
    assert cards(lambda _command: None) == ()


def test_a_slurm_cluster_is_found_with_its_queues() -> None:
    engine = slurm(lambda command: CONFIG if command[0] == "scontrol" else SINFO)
    assert engine is not None
    assert engine.evidence == "Slurm 22.05.8, cluster wuhu"
    assert engine.queues == (
        Queue("cpu", "cpu", 12, 64, 257000),
        Queue("gpu", "gpu", 4, 128, 1031000, 8, "h100"),
        Queue("gpu-2", "gpu", 2, 96, 515000, 4),
    )
    assert slurm(lambda _command: None) is None


def test_other_engines_are_found_by_what_the_owner_has_set(tmp_path: Path) -> None:
    found = ray({"RAY_API_SERVER_ADDRESS": "http://10.0.0.2:8265"})
    assert found is not None
    assert found.options == {"address": "http://10.0.0.2:8265"}
    assert ray({"RAY_API_SERVER_ADDRESS": "auto"}) is None
    assert container(tmp_path) is None
    (tmp_path / "run/podman").mkdir(parents=True)
    (tmp_path / "run/podman/podman.sock").touch()
    assert container(tmp_path) is not None
    assert kubernetes(lambda _command: None, tmp_path, {"HOME": "/root"}) is None
    (tmp_path / "root/.kube").mkdir(parents=True)
    (tmp_path / "root/.kube/config").touch()
    assert kubernetes(lambda _command: None, tmp_path, {"HOME": "/root"}) is not None


ENGINES = [
    Engine("local", "this machine"),
    Engine("slurm", "wuhu", queues=tuple(parse.queues(SINFO)), missing=("root", "users")),
    Engine("ray", "ray", {"address": "http://10.0.0.2:8265"}, missing=("root", "token_file")),
    Engine("container", "podman", {"url": "unix:///run/podman/podman.sock"}),
    Engine("kubernetes", "config", missing=("staging",)),
]


@pytest.mark.parametrize("engine", ENGINES, ids=[engine.driver for engine in ENGINES])
@pytest.mark.parametrize("model", ["", "910B3", 'H100 "80GB"'])
def test_what_is_proposed_can_be_read_and_means_what_was_found(engine: Engine, model: str) -> None:
    found = (Cards("ascend", model, 8, "npu-smi", 65536, "cann 8.0"),) if model else ()
    machine = Machine(Architecture.AARCH64, 64, 256_000, 900_000, "", found)
    text = proposed(machine, engine, Names())
    config = AgentConfig.model_validate(tomllib.loads(text))
    assert config.driver.name == engine.driver
    assert config.level == "observe"
    shares = {share.name: share for share in config.inventory.shares}
    assert len(shares) == max(1, len(engine.queues))
    if engine.queues:
        assert config.driver.options["shares"]["gpu-2"] == {"partition": "gpu"}
        assert shares["gpu"].capacity.accelerator == 32
        assert shares["cpu"].capacity.cpu == 12 * 64 * 1000
    elif model:
        assert config.inventory.flavors[0].chip is not None
        assert config.inventory.flavors[0].chip.model == model
        assert config.inventory.flavors[0].stacks[0].version == "8.0"


def test_what_only_the_owner_knows_is_said() -> None:
    assert missing(ENGINES[1], Names(), MACHINE) == (
        "hub",
        "platform",
        "inventory.sites.0.region",
        "driver.options.root",
        "driver.options.users",
    )
    given = Names(hub="https://hub.example.org", platform="p", region="340200")
    assert missing(ENGINES[0], given, MACHINE) == ()


@given(st.text(max_size=80), st.text(max_size=80), st.integers(0, 64))
def test_whatever_a_tool_prints_the_file_stays_readable(model: str, partition: str, count: int) -> None:
    machine = Machine(Architecture.X86_64, 4, 8192, 10_000, model, (Cards("nvidia", model, count, "lspci"),))
    twice = "".join(f"{name}|up|2|8|1000|gpu:{count}\n" for name in (partition, partition.swapcase()))
    queues = tuple(parse.queues(twice))
    for engine in (Engine("local", ""), Engine("slurm", "", queues=queues)):
        AgentConfig.model_validate(tomllib.loads(proposed(machine, engine, Names())))


@given(st.text(max_size=200))
def test_names_are_names(text: str) -> None:
    assert 0 < len(name_of(text)) <= 63


def test_this_machine_is_looked_at_and_the_file_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert look().engines[-1].driver == "local"
    out = tmp_path / "agent.toml"
    arguments = ["init", "--out", str(out), "--engine", "local", "--platform", "lakeside", "--region", "330421"]
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert "Checked: the engine answers" in said
    assert "Missing, only you can say it: hub" in said
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["agent.toml"]
    before = out.read_text()
    assert run(arguments) == 1
    assert out.read_text() == before
    assert run([*arguments[:3], "--engine", "nomad"]) == 1
    assert "No engine 'nomad'" in capsys.readouterr().err
